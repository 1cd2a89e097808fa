"""SCAN: do the weights that a mask keeps still do what its training left out?

The network has learned all commands. The mask of a split has learned without
some of them: what it loses of these, compared with the control mask, is lost by
the mask alone. The network needs other weights for them.
"""

import pandas as pd

from structcomp_jax.report.grades import Comparison, Grade
from structcomp_jax.studies.are_nets_modular.domain import CONTROL
from structcomp_jax.studies.are_nets_modular.findings import (
  accuracies,
  drops,
  effects,
  verdict,
)
from structcomp_jax.studies.are_nets_modular.findings.accuracies import (
  between_networks,
)
from structcomp_jax.studies.are_nets_modular.findings.drops import (
  KEEPS,
  LOSES,
  MINIMUM_EFFECT,
  UNCLEAR,
)
from structcomp_jax.studies.are_nets_modular.findings.effects import Effect
from structcomp_jax.studies.are_nets_modular.findings.evidence import (
  UNTRAINED,
  Evidence,
)
from structcomp_jax.studies.are_nets_modular.findings.verdict import Verdict

# What all commands are tested on.
WHOLE = "simple"
# The split whose mask must lose the weights of one action, and that action.
SIGNATURE_SPLIT, SIGNATURE_OUTPUT = "jump", "I_JUMP"
CUT, NOT_CUT = "the row of I_JUMP is cut", "the row of I_JUMP is not cut"

RULES = (
  "<b>What was left out.</b> The drop is the accuracy on the commands that a"
  " split leaves out under the control mask, minus that under the split's mask"
  " of the same seed. Networks count whose control mask solves these commands"
  f" and all commands. <b>{LOSES.capitalize()}</b>: the mean drop is at least"
  f" {MINIMUM_EFFECT:g} and its 95 % t interval is above 0 (“probably”: every"
  " network's is), and so is the drop beyond that on all commands, which tells"
  f" a specific loss from a damaged network. <b>{KEEPS.capitalize()}</b>: the"
  f" interval is below {MINIMUM_EFFECT:g}. Otherwise <b>{UNCLEAR}</b>.",
  f"<b>Row of {SIGNATURE_OUTPUT}.</b> Of the weights that lead to an output and"
  " that the control mask keeps, the share that the mask of"
  f" {SIGNATURE_SPLIT} has lost. {CUT[0].upper()}{CUT[1:]} if its share exceeds"
  " the largest one of all other outputs, by the same grades.",
)


def judge(evidence: Evidence, regime: str) -> list[Verdict]:
  """Returns one verdict per split, and one about the row of I_JUMP."""
  found = [
    drops.judge(evidence, regime, _of_split(split))
    for split in evidence.subtasks
  ]
  if SIGNATURE_SPLIT in evidence.subtasks:
    found.append(_of_row(evidence, regime))
  return found


def _of_split(split: str) -> drops.LeftOut:
  return drops.LeftOut(
    test=split,
    mask=split,
    whole=WHOLE,
    words=f"the commands left out by {split}",
    mask_words=split,
    whole_words="all commands",
    loses=f"The commands that {split} leaves out need weights of their own:"
    " without them in training, the mask loses what the network can do",
    keeps=f"The weights that are kept without the commands of {split} still do"
    " them",
    unclear=f"Whether the mask loses the commands of {split} in particular"
    " depends on the network, or other commands suffer as much",
  )


def output_table(outputs: pd.DataFrame) -> pd.DataFrame:
  """Returns the share of an output's weights that a mask has lost.

  Args:
    outputs: rows of outputs.csv of one penalty.

  Returns:
    `regime`, `subroutine`, `output`, `lost_mean`, `lost_sd` (share of the
    weights of the control mask), `num_networks`.
  """
  if outputs.empty:
    return pd.DataFrame()
  rows = outputs[outputs["subroutine"] != CONTROL]
  return between_networks(
    with_share(rows), ["regime", "subroutine", "output"], ["lost"]
  )


def with_share(rows: pd.DataFrame) -> pd.DataFrame:
  """Makes `lost` the share of the weights that the control mask keeps."""
  control = rows["control_kept"]
  return rows.assign(lost=rows["lost"] / control.where(control > 0))


def signature(outputs: pd.DataFrame, regime: str) -> pd.DataFrame:
  """Returns what the row of I_JUMP and the others lose, mask by mask.

  Returns:
    By `base_seed` and `mask_seed`: `row`, `others` (the largest share).
  """
  if outputs.empty:
    rows = pd.DataFrame(columns=["base_seed", "mask_seed", "output", "lost"])
  else:
    rows = with_share(
      outputs[
        (outputs["regime"] == regime)
        & (outputs["subroutine"] == SIGNATURE_SPLIT)
      ]
    )
  keys = ["base_seed", "mask_seed"]
  is_row = rows["output"] == SIGNATURE_OUTPUT
  return pd.DataFrame(
    {
      "row": rows[is_row].groupby(keys)["lost"].mean(),
      "others": rows[~is_row].groupby(keys)["lost"].max(),
    }
  ).astype(float)


def _of_row(evidence: Evidence, regime: str) -> Verdict:
  network = (evidence.experiment, evidence.model, regime)
  question, words = "output row", f"Is the row of {SIGNATURE_OUTPUT} cut?"
  tests = (SIGNATURE_SPLIT, WHOLE)
  networks = verdict.networks(evidence.results, regime, tests)
  table = signature(evidence.outputs, regime)
  alive = networks.kept.index.unique("base_seed") if networks.count else []
  table = table[table.index.get_level_values("base_seed").isin(alive)]
  beyond = table["row"] - table["others"]
  obstacle = verdict.too_few(networks, tests) or drops.too_few(
    beyond, SIGNATURE_SPLIT
  )
  if obstacle:
    return verdict.stopped(question, words, network, obstacle, networks)
  theirs = signature(evidence.outputs, UNTRAINED)
  untrained = effects.above_other(
    beyond, theirs["row"] - theirs["others"], MINIMUM_EFFECT
  )
  effect = drops.effect_of(
    "row beyond others",
    SIGNATURE_OUTPUT,
    f"share of {SIGNATURE_OUTPUT} lost, beyond the largest other one",
    beyond,
    {
      "zero": effects.above_zero(beyond, MINIMUM_EFFECT),
      "untrained networks": untrained,
    },
  )
  row, others = table["row"].mean(), table["others"].mean()
  label, sentence = _row_answer(effect, f"{row:.1%} against {others:.1%}")
  return Verdict(
    question,
    words,
    network,
    label,
    sentence,
    effect=f"lost of {SIGNATURE_OUTPUT}: {row:.1%}",
    floor=f"most of any other output: {others:.1%}",
    notes=(
      *networks.notes,
      *_row_notes(effect, untrained),
      *effects.notes((effect,)),
    ),
    effects=(effect,),
  )


def _row_answer(effect: Effect, numbers: str) -> tuple[str, str]:
  support = effect.support()
  if support >= Grade.CONSISTENT:
    return verdict.probably(CUT, support), (
      "The mask that saw “jump” alone loses more of the weights of the action"
      f" {SIGNATURE_OUTPUT} than of any other output ({numbers})."
    )
  if effect.is_below("zero", MINIMUM_EFFECT):
    return NOT_CUT, (
      f"The weights of the action {SIGNATURE_OUTPUT} are lost no more than"
      f" those of other outputs ({numbers})."
    )
  return UNCLEAR, (
    f"Whether the weights of {SIGNATURE_OUTPUT} are lost in particular depends"
    f" on the network ({numbers})."
  )


def _row_notes(effect: Effect, untrained: Comparison | None) -> tuple[str, ...]:
  if effect.support() < Grade.CONSISTENT or untrained is None:
    return ()
  if untrained.grade >= Grade.CONSISTENT:
    return ()
  return (
    "untrained networks lose that row as much, so it is no evidence of"
    " learning: commands with “jump” are rare in the training of the mask",
  )


def accuracy_table(evidence: Evidence) -> pd.DataFrame:
  """Returns the accuracies on what splits leave out.

  Returns:
    `regime`, `subroutine` ("" for the dense network), `test_task`,
    `accuracy_mean`, `accuracy_sd`, `num_networks`: of dense networks, control
    masks, and the masks of splits.
  """
  rows = evidence.results[evidence.results["ablation"] == "none"]
  return accuracies.between_networks(
    rows, ["regime", "subroutine", "test_task"], ["accuracy"]
  )
