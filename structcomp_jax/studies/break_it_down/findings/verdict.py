"""From task differences to a verdict in plain words.

The rules, all of which the report prints (`RULES`):

A subnetwork that is specific to its subroutine (D_sub > 0) proves little: a
mask can carve such a subnetwork out of weights that were never trained. So
every statement is made against controls, and the ablation test, in which the
mask search has no hand, decides.
"""

import dataclasses
from collections.abc import Iterable

import pandas as pd

from structcomp_jax.report import inference
from structcomp_jax.studies.break_it_down.findings import (
  effects,
  labels,
  sentences,
)
from structcomp_jax.studies.break_it_down.findings.effects import (
  MINIMUM_EFFECT,
  SMALL_LOSS,
  Effect,
)
from structcomp_jax.studies.break_it_down.findings.labels import Numbers
from structcomp_jax.studies.break_it_down.findings.measurement import (
  WORKS,
  WORKS_WELL,
  checks,
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

_SURE = f"{1 - labels.RISK:g}"
RULES = (
  "Only base networks count that solve the whole task (test accuracy at least"
  " the stated threshold) and have masks of both subroutines. Each counts once,"
  " by the mean of its masks.",
  "The prediction of modularity is D_sub > 0 and D_abl < 0 for both"
  " subroutines: four effects. A network counts by how far its effect exceeds"
  " the highest of its controls: zero, random masks of the same size in the"
  " same network and, for the ablation, the same search in the untrained"
  " network of the same base seed. Where fewer than two base seeds are in"
  " common, the trained networks must exceed the untrained ones as a group"
  " (Welch).",
  "The mean over networks has a t distribution. Its error is at least that of"
  " accuracies that were measured on so many problems. From it follows the"
  " probability that an effect is worth a claim, which means above"
  f" {MINIMUM_EFFECT}; the probability of a modular network is the lowest of"
  " the four.",
  "Masks can say something where they learned their own subroutine (mean"
  f" accuracy above {OWN_THRESHOLD}) and the networks without them still work:"
  f" their best accuracy on any test, counted as {WORKS_WELL} at most, is above"
  f" {WORKS} on average. The probability of that, given the number of problems,"
  f" must be above {_SURE}. Untrained networks must pass as well: a control"
  " that failed is no control.",
  f"<b>Modular</b>: the probability is above {_SURE}, and so is that of D_sub"
  " beyond the untrained networks. <b>Modular by ablation</b>: without the"
  " latter. D_sub of untrained networks is often as large as that of trained"
  " ones, as the mask search can build a subroutine; then the ablation test"
  " alone is the proof.",
  "<b>Not modular</b>: for a subroutine, the probability that \u2212D_abl is"
  f" above {MINIMUM_EFFECT} is below {labels.RISK}, though removing its"
  f" subnetwork costs it more than {SMALL_LOSS} of its accuracy, or costs the"
  " other one more. <b>Redundant</b>: the removal costs less than that, so"
  " that the rest can do the same. <b>Opposite effect</b>: for both"
  " subroutines, the removal costs the other one more, and more than that of a"
  " random mask. These labels need no untrained networks, as a control can"
  " only lower an effect.",
  "<b>Undecided</b>: anything else. The sentence says which quantity is open,"
  " and about how many networks would decide it. All four effects must hold"
  " together, so no correction for several tests is needed.",
)


@dataclasses.dataclass(frozen=True)
class Verdict:
  """The answer for one network type and regime.

  Attributes:
    network: (experiment, model, regime).
    label: a few words, see `labels`.
    sentence: the same in plain sentences.
    notes: what limits the verdict.
    numbers: what it follows from; None where the rules stop earlier.
  """

  network: tuple[str, str, str]
  label: str
  sentence: str
  notes: tuple[str, ...] = ()
  numbers: Numbers | None = None

  @property
  def effects(self) -> tuple[Effect, ...]:
    """The four effects, if they were measured."""
    return tuple(self.numbers.effects) if self.numbers else ()


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
  if network[2] == UNTRAINED_REGIME:
    return Verdict(
      network,
      labels.CONTROL,
      "Weights that were never trained: what the mask search can build by"
      " itself. A trained network must differ from this.",
    )
  kept = _complete(usable(rows))
  untrained = _complete(untrained)
  notes = _notes(rows, kept, untrained)
  obstacle = _obstacle(rows, kept)
  if obstacle:
    return Verdict(network, labels.UNDECIDED, obstacle, notes)
  ours, theirs = checks(kept), checks(untrained)
  numbers = Numbers(
    effects=_effects(kept, untrained),
    losses={
      str(name): effects.loss(part) for name, part in kept.groupby("subroutine")
    },
    informative=min(one.probability for one in ours),
    control=(
      min(one.probability for one in theirs)
      if untrained["base_seed"].nunique() >= inference.FEWEST
      else None
    ),
  )
  label = labels.label(numbers)
  sentence = (
    sentences.undecided(numbers, ours, theirs)
    if label == labels.UNDECIDED
    else sentences.of_label(label, numbers)
  )
  notes += effects.notes(numbers.effects)
  return Verdict(network, label, sentence, notes, numbers)


def _complete(rows: pd.DataFrame) -> pd.DataFrame:
  """Returns the masks of networks that have some of both subroutines."""
  counts = rows.groupby("base_seed")["subroutine"].transform("nunique")
  return rows[counts == 2]


def _effects(kept: pd.DataFrame, untrained: pd.DataFrame) -> tuple[Effect, ...]:
  return tuple(
    effects.measure(test, part, untrained[untrained["subroutine"] == name])
    for name, part in kept.groupby("subroutine")
    for test in DIFFERENCES
  )


def _obstacle(rows: pd.DataFrame, kept: pd.DataFrame) -> str:
  """Returns why nothing can be measured, or the empty string."""
  if usable(rows).empty:
    return "Every base network failed: none solves the whole task."
  if rows["subroutine"].nunique() < 2:
    return "Masks of only one subroutine are there; both are needed."
  if kept["base_seed"].nunique() < inference.FEWEST:
    return (
      "Fewer than two working base networks with masks of both subroutines:"
      " nothing to generalise from."
    )
  return ""


def _notes(
  rows: pd.DataFrame, kept: pd.DataFrame, untrained: pd.DataFrame
) -> tuple[str, ...]:
  notes = []
  failed = sorted(rows[rows["base_failed"]]["base_seed"].unique())
  if failed:
    notes.append(f"left out, failed base seed: {_listed(failed)}")
  notes += _lacking_notes(usable(rows))
  unlearned = int((~kept["learned"]).sum())
  if unlearned:
    notes.append(
      f"{unlearned} of {len(kept)} masks stay below {OWN_THRESHOLD} on their"
      " own subroutine"
    )
  collapsed = int(kept["ablated_collapsed"].sum())
  if collapsed:
    notes.append(f"{collapsed} of {len(kept)} ablated networks are at chance")
  unlearned = int((~untrained["learned"]).sum())
  if unlearned:
    notes.append(
      f"{unlearned} of {len(untrained)} masks of the random-init control stay"
      f" below {OWN_THRESHOLD}"
    )
  unsure = int(
    (kept["learned"] & (kept["subnetwork_loss"] > UNSURE_LOSS)).sum()
  )
  if unsure:
    notes.append(
      f"{unsure} of {len(kept)} masks decide by tiny differences (loss above"
      f" {UNSURE_LOSS}, guessing is 1.386)"
    )
  if len(kept):
    notes += _random_mask_notes(kept)
  return tuple(notes)


def _lacking_notes(rows: pd.DataFrame) -> list[str]:
  """Returns which networks lack the masks of a subroutine."""
  every = set(rows["base_seed"])
  return [
    f"left out, no masks for '{name}': base seed {_listed(sorted(lacking))}"
    for name, part in rows.groupby("subroutine")
    if (lacking := every - set(part["base_seed"]))
  ]


def _random_mask_notes(kept: pd.DataFrame) -> list[str]:
  """Returns which networks have no random masks to compare with."""
  columns = ["d_sub_matched", "d_abl_matched"]
  found = kept.groupby(["base_seed", "subroutine"])[columns].mean()
  missing = found[found.isna().any(axis=1)].index.unique("base_seed")
  if found.isna().all(axis=None):
    return ["no random masks of the same size to compare with"]
  if len(missing):
    return [
      "no random masks of the same size, so that an effect of theirs does not"
      f" count: base seed {_listed(missing)}"
    ]
  return []


def _listed(seeds: Iterable[object]) -> str:
  return ", ".join(str(seed) for seed in seeds)
