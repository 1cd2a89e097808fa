"""From task differences to a verdict in plain words.

The rules, all of which the report prints (`RULES`):

A subnetwork that is specific to its subroutine (D_sub > 0) proves little: a
mask can carve such a subnetwork out of weights that were never trained. So
every statement is made against controls, and the ablation test, in which the
mask search has no hand, decides.
"""

import dataclasses

import pandas as pd

from structcomp_jax.report.grades import Grade
from structcomp_jax.studies.break_it_down.findings import effects
from structcomp_jax.studies.break_it_down.findings.effects import (
  MINIMUM_EFFECT,
  Effect,
)
from structcomp_jax.studies.break_it_down.findings.statistics import DIFFERENCES
from structcomp_jax.studies.break_it_down.findings.summary import (
  NETWORK,
  join_controls,
)
from structcomp_jax.studies.break_it_down.findings.task_difference import (
  OWN_THRESHOLD,
  UNSURE_LOSS,
  UNTRAINED_REGIME,
  usable,
)

RULES = (
  "Only base networks that solve the whole task count (test accuracy at least"
  " the stated threshold), and their masks must have learned their own"
  f" subroutine (mean accuracy at least {OWN_THRESHOLD}).",
  "The prediction of modularity is D_sub > 0 and D_abl < 0 for both"
  " subroutines. An effect is <b>clear</b> when the 95 % t interval over base"
  " networks lies on the predicted side, <b>consistent</b> when every base"
  f" network's mean does and the overall mean is at least {MINIMUM_EFFECT},"
  " otherwise unclear.",
  "Each effect must hold against zero, against random masks of the same size"
  " in the same network and, for the ablation, against the same search in"
  " networks that were never trained. A trained network and the untrained one"
  " of its base seed start from the same weights, so they are compared as a"
  " pair: each network counts once, by the mean of its masks, and the interval"
  " is that of the differences of the pairs, every one of which must lie on the"
  " predicted side to be consistent. Where fewer than two pairs are left, both"
  " groups are taken as independent (Welch).",
  "D_sub of untrained networks is often as large as that of trained ones: the"
  " mask search can build a subroutine. Where D_sub does not exceed that"
  " control, the verdict says that it rests on the ablation test alone.",
  "<b>Not modular</b> is said only where no ablation effect is supported and"
  f" none reaches {2 * MINIMUM_EFFECT:g} in any base network.",
  "All conditions must hold together, so no correction for several tests is"
  " needed. With few base networks the intervals are wide: absence of evidence"
  " is reported as inconclusive, not as absence.",
)


_MISSING = {
  "D_sub": "the '{0}' subnetwork alone does '{0}' and not the other (D_sub)",
  "D_abl": "removing the '{0}' subnetwork costs '{0}' in particular (D_abl)",
}


@dataclasses.dataclass(frozen=True)
class Verdict:
  """The answer for one network type and regime.

  Attributes:
    network: (experiment, model, regime).
    label: a few words, e.g. `modular`.
    sentence: the same in one plain sentence.
    notes: what limits the verdict.
    effects: the four graded effects; empty where the rules stop earlier.
  """

  network: tuple[str, str, str]
  label: str
  sentence: str
  notes: tuple[str, ...] = ()
  effects: tuple[Effect, ...] = ()


def verdicts(
  differences: pd.DataFrame, controls: pd.DataFrame | None = None
) -> list[Verdict]:
  """Returns a verdict for every experiment, model and regime."""
  joined = join_controls(differences, controls).reset_index(drop=True)
  answers = []
  for (experiment, model), group in joined.groupby(NETWORK[:2], sort=False):
    untrained = group[group["regime"] == UNTRAINED_REGIME]
    for regime, rows in group.groupby("regime", sort=False):
      network = (str(experiment), str(model), str(regime))
      answers.append(_verdict(network, rows, untrained))
  return answers


def _verdict(
  network: tuple[str, str, str], rows: pd.DataFrame, untrained: pd.DataFrame
) -> Verdict:
  """Applies the rules in order; the first that fails ends the matter."""
  if network[2] == UNTRAINED_REGIME:
    return Verdict(
      network,
      "control",
      "Weights that were never trained: what the mask search can build by"
      " itself. A trained network must differ from this.",
    )
  kept = usable(rows)
  notes = _notes(rows, kept, untrained)
  obstacle = _obstacle(rows, kept, untrained)
  if obstacle:
    return Verdict(network, "inconclusive", obstacle, notes)
  found = tuple(
    effects.measure(test, part, untrained[untrained["subroutine"] == name])
    for name, part in kept.groupby("subroutine")
    for test in DIFFERENCES
  )
  label, sentence = _judge(found)
  notes += effects.notes(found)
  return Verdict(network, label, sentence, notes, found)


def _obstacle(
  rows: pd.DataFrame, kept: pd.DataFrame, untrained: pd.DataFrame
) -> str:
  """Returns why no verdict is possible, or the empty string."""
  if kept.empty:
    return "Every base network failed: none solves the whole task."
  if rows["subroutine"].nunique() < 2:
    return "Masks of only one subroutine are there; both are needed."
  counts = kept.groupby("subroutine")["base_seed"].nunique()
  if len(counts) < 2 or counts.min() < 2:
    return "Fewer than two working base networks: nothing to generalise from."
  own = kept.groupby("subroutine")["subnetwork_own"].mean()
  if not own.min() >= OWN_THRESHOLD:
    return (
      f"The masks did not learn '{own.idxmin()}': mean accuracy"
      f" {own.min():.2f} on their own subroutine."
    )
  collapsed = kept.groupby("subroutine")["ablated_collapsed"].mean()
  if collapsed.max() > 0.5:
    return (
      f"Removing the '{collapsed.idxmax()}' subnetwork leaves a network at"
      " chance on everything, so the ablation test says nothing."
    )
  if untrained["subroutine"].nunique() < 2:
    return "There is no random-init control to compare with."
  if untrained.groupby("subroutine")["base_seed"].nunique().min() < 2:
    return "Fewer than two untrained networks: no control to compare with."
  return ""


def _notes(
  rows: pd.DataFrame, kept: pd.DataFrame, untrained: pd.DataFrame
) -> tuple[str, ...]:
  notes = []
  failed = sorted(rows[rows["base_failed"]]["base_seed"].unique())
  if failed:
    seeds = ", ".join(str(seed) for seed in failed)
    notes.append(f"left out, failed base seed: {seeds}")
  unlearned = int((~kept["learned"]).sum())
  if unlearned:
    notes.append(
      f"{unlearned} of {len(kept)} masks stay below {OWN_THRESHOLD} on their"
      " own subroutine"
    )
  collapsed = int(kept["ablated_collapsed"].sum())
  if collapsed:
    notes.append(f"{collapsed} of {len(kept)} ablated networks are at chance")
  if len(untrained) and not effects.has_learned(untrained):
    notes.append("most masks of the random-init control did not learn")
  unsure = int(
    (kept["learned"] & (kept["subnetwork_loss"] > UNSURE_LOSS)).sum()
  )
  if unsure:
    notes.append(
      f"{unsure} of {len(kept)} masks decide by tiny differences (loss above"
      f" {UNSURE_LOSS}, guessing is 1.386)"
    )
  if len(kept) and kept["d_sub_matched"].isna().all():
    notes.append("no random masks of the same size to compare with")
  return tuple(notes)


def _judge(effects: tuple[Effect, ...]) -> tuple[str, str]:
  """Returns label and sentence from the graded effects."""
  by_test = {
    test: [effect for effect in effects if effect.test == test]
    for test in DIFFERENCES
  }
  weakest = min(effect.support() for effect in effects)
  if weakest >= Grade.CONSISTENT:
    return _modular(weakest, by_test["D_sub"])
  ablation = by_test["D_abl"]
  if not any(effect.support() >= Grade.CONSISTENT for effect in ablation):
    if all(effect.largest < 2 * MINIMUM_EFFECT for effect in ablation):
      return (
        "not modular",
        "Removing a subnetwork does not take away its subroutine in"
        " particular: no sign of modular parts, as if whole patterns had been"
        " memorised (template-like).",
      )
    return "inconclusive", " ".join(_ablation_words(one) for one in ablation)
  weak = [effect for effect in effects if effect.support() < Grade.CONSISTENT]
  missing = "; ".join(_MISSING[one.test].format(one.subroutine) for one in weak)
  return "mixed", f"Only some tests find separate parts. Not shown: {missing}."


def _ablation_words(effect: Effect) -> str:
  """Returns what an unsupported ablation effect looks like."""
  if effect.largest < 2 * MINIMUM_EFFECT:
    return (
      f"Removing the '{effect.subroutine}' subnetwork does not cost"
      f" '{effect.subroutine}' in particular in any base network."
    )
  return (
    f"Whether removing the '{effect.subroutine}' subnetwork costs"
    f" '{effect.subroutine}' in particular depends on the base network or is"
    " no clearer than in the controls."
  )


def _modular(weakest: Grade, subnetworks: list[Effect]) -> tuple[str, str]:
  beyond = all(
    effect.against_untrained is not None
    and effect.against_untrained.grade >= Grade.CONSISTENT
    for effect in subnetworks
  )
  tentative = weakest < Grade.CLEAR
  label = "modular" if beyond else "modular by ablation"
  sentence = (
    "Each subroutine has a part of its own: kept alone it does that"
    " subroutine better than the other, and without it the network does that"
    " subroutine worse than the other. How much of it is lost, the ablation"
    " accuracies below tell."
  )
  if not beyond:
    sentence += (
      " The proof is the ablation. That a subnetwork alone is specific decides"
      " nothing here, as untrained networks yield the same or could not learn."
    )
  if tentative:
    label = f"probably {label}"
    sentence += " All base networks agree, but they are too few to be sure."
  return label, sentence
