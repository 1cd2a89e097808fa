"""Can the network be cut in two, and sooner than its controls?

A cut is one mask: the kept half does one subroutine, the removed half the other
one. With effort nearly every network can be cut, so what counts is how soon.
The *separability* of a network is

    S = mean over looks of (a - chance) / (1 - chance), at least 0,

where a is the validation accuracy of the worse half of the hard mask at a look;
looks are equally far apart. A network that is cut at once has S = 1, one that
never is has S = 0. Two controls say what S would be without parts: the same
search in the same network for nonsense properties, and for the subroutines in
the network before its training. A base network counts by its excess over the
higher of the two:

    E = S - max(S of nonsense, S of the untrained network)

The answer is the probability that the mean of E over base networks is above
`WORTH_A_CLAIM`, from the t distribution of the mean, and where it is, the same
of S and `MOST`: networks all of whose units serve both subroutines are cut
sooner than their controls as well, but not far.
"""

import dataclasses
from typing import Any

import pandas as pd

from structcomp_jax.report import inference
from structcomp_jax.report.estimate import (
  Estimate,
  deciding_words,
  estimate_record,
  probability_above,
  probability_words,
)

# The pair of the two subroutines; all other pairs are nonsense.
SUBROUTINES = "subroutines"
# What a finding may be called, from yes to no.
SEPARABLE, PARTLY = "separable", "partly separable"
UNDECIDED, NOT_SEPARABLE = "undecided", "not separable"
LABELS = (SEPARABLE, PARTLY, UNDECIDED, NOT_SEPARABLE)
# A tenth of the way from never to at once. Chosen on 16 networks of each class
# of planted multilayer perceptrons, so that six modular ones are nearly always
# separable and six without parts never are. How often it is wrong was measured
# on other networks: docs/results/planted.md.
WORTH_A_CLAIM = 0.1
# Half of the way from never to at once. Chosen with all planted multilayer
# perceptrons of seed 2 in view, of which entangled ones were called separable
# without it; the error rates are of others.
MOST = 0.5
# A label is given where its opposite is as improbable as this.
RISK = 0.05
_NETWORK = ["regime", "base_seed"]


@dataclasses.dataclass(frozen=True)
class CutFinding:
  """What cuts say about the networks of one regime.

  Attributes:
    label: one of `LABELS`.
    sentence: the same in plain words.
    excess: estimate of the mean of E, or None.
    probability: that the mean of E is above `WORTH_A_CLAIM`, or None.
    probability_most: that the mean of S is above `MOST`, or None.
    table: one row per base network: `separability`, `nonsense`, `untrained`,
      `excess`.
    risk: see `conclude`.
  """

  label: str
  sentence: str
  excess: Estimate | None
  probability: float | None
  probability_most: float | None
  table: pd.DataFrame
  risk: float = RISK


def worse_half(cuts: pd.DataFrame) -> pd.Series:
  """Returns the accuracy of the worse half at every look.

  Args:
    cuts: columns kept_accuracy and rest_accuracy.
  """
  return cuts[["kept_accuracy", "rest_accuracy"]].min(axis=1)


def separability(cuts: pd.DataFrame, chance: float) -> pd.DataFrame:
  """Returns S of every search.

  Args:
    cuts: one row per look, of one experiment and model; columns regime,
      base_seed, pair, mask_seed, step, kept_task, rest_task, kept_accuracy,
      rest_accuracy, finite.
    chance: the accuracy of guessing.

  Returns:
    Columns regime, base_seed, pair, mask_seed, `separability`.
  """
  above = ((worse_half(cuts) - chance) / (1 - chance)).clip(lower=0)
  keys = [*_NETWORK, "pair", "mask_seed"]
  found = cuts.assign(separability=above.where(cuts["finite"]))
  return found.groupby(keys, sort=False)["separability"].mean().reset_index()


def conclude(
  cuts: pd.DataFrame,
  regime: str,
  *,
  untrained: str,
  chance: float,
  failed: frozenset[int] = frozenset(),
  risk: float = RISK,
) -> CutFinding:
  """Judges the networks of one trained regime.

  Args:
    cuts: see `separability`.
    regime: of the networks.
    untrained: the regime of the networks before their training, with the same
      base seeds.
    chance: the accuracy of guessing.
    failed: base seeds of networks that do not solve the whole task.
    risk: how probable the opposite of a label may be; less than usual where
      the same networks are judged again when there are more of them.
  """
  table = beside_controls(
    separability(cuts, chance), "separability", regime, untrained
  )
  found = judge(table[~table.index.isin(failed)], risk=risk)
  ours = cuts[(cuts["regime"] == regime) & ~cuts["base_seed"].isin(failed)]
  notes = _notes(found.label, ours, chance)
  return dataclasses.replace(found, sentence=" ".join([found.sentence, *notes]))


def _notes(label: str, cuts: pd.DataFrame, chance: float) -> list[str]:
  """Returns what else there is to say, from the last look of every search.

  Args:
    label: of the finding.
    cuts: see `separability`, those of the networks that were judged.
    chance: the accuracy of guessing.
  """
  ends = {pair: _ends(rows) for pair, rows in cuts.groupby("pair")}
  if label == NOT_SEPARABLE:
    ours = ends[SUBROUTINES]
    neither = not _works(max(ours.values()), chance)
    return [_ends_sentence(ours), *([_NO_HALF] if neither else [])]
  if label == UNDECIDED:
    return []
  worst = [
    min(one.values()) for pair, one in ends.items() if pair != SUBROUTINES
  ]
  return [] if _works(max(worst), chance) else [_UNREAD]


def _ends(cuts: pd.DataFrame) -> dict[str, float]:
  """Returns {task: mean accuracy of its half after the last look}.

  Args:
    cuts: see `separability`, of one pair.
  """
  last = cuts.sort_values("step").groupby(["base_seed", "mask_seed"]).tail(1)
  return {
    last[f"{half}_task"].iloc[0]: last[f"{half}_accuracy"].mean()
    for half in ("kept", "rest")
  }


def _works(accuracy: float, chance: float) -> bool:
  """Returns whether it is `WORTH_A_CLAIM` of the way from chance."""
  return (accuracy - chance) / (1 - chance) > WORTH_A_CLAIM


def judge(table: pd.DataFrame, *, risk: float = RISK) -> CutFinding:
  """Judges networks whose separability and controls are known.

  Args:
    table: see `CutFinding`.
    risk: see `conclude`.
  """
  missing = [
    words
    for column, words in (
      ("separability", "cuts between the subroutines"),
      ("untrained", "networks that were never trained"),
      ("nonsense", "nonsense properties"),
    )
    if len(table) and table[column].isna().all()
  ]
  compared = table[table["excess"].notna()]
  excess = inference.mean(compared["excess"])
  reached = inference.mean(compared["separability"])
  if missing or excess is None or reached is None:
    why = (
      f"There are no {' and no '.join(missing)} to compare with."
      if missing
      else "Fewer than two working base networks were cut."
    )
    return CutFinding(UNDECIDED, why, None, None, None, table, risk)
  probability = probability_above(excess, WORTH_A_CLAIM)
  most = probability_above(reached, MOST)
  label = _label(probability, most, risk)
  return CutFinding(
    label,
    _sentence(label, probability, most, excess, compared),
    excess,
    probability,
    most,
    table,
    risk,
  )


def beside_controls(
  found: pd.DataFrame, value: str, regime: str, untrained: str
) -> pd.DataFrame:
  """Returns a statistic and its controls for every base network of a regime.

  Args:
    found: columns regime, base_seed, pair, and `value`.
    value: the column of the statistic; more is more separate.
    regime: of the networks.
    untrained: see `conclude`.

  Returns:
    Index base_seed; columns `value`, `nonsense` (the mean over such pairs),
    `untrained`, and `excess` over the higher control. A control that is missing
    is NaN, and so is the excess over it: it must not count as passed.
  """

  def means(rows):
    return rows.groupby("base_seed")[value].mean()

  ours = found[found["regime"] == regime]
  before = found[found["regime"] == untrained]
  table = pd.DataFrame(
    {
      value: means(ours[ours["pair"] == SUBROUTINES]),
      "nonsense": means(ours[ours["pair"] != SUBROUTINES]),
      "untrained": means(before[before["pair"] == SUBROUTINES]),
    }
  )
  table = table[table.index.isin(ours["base_seed"])]
  controls = table[["nonsense", "untrained"]].max(axis=1, skipna=False)
  return table.assign(excess=table[value] - controls)


def record(found: CutFinding) -> dict[str, Any]:
  """Returns a finding for verdicts.json."""
  return {
    "label": found.label,
    "sentence": found.sentence,
    "probability": found.probability,
    "threshold": WORTH_A_CLAIM,
    "probability_most": found.probability_most,
    "threshold_most": MOST,
    "risk": found.risk,
    "excess": found.excess and estimate_record(found.excess),
    "networks": found.table.reset_index().to_dict("records"),
  }


def _label(probability: float, most: float, risk: float) -> str:
  if probability < risk:
    return NOT_SEPARABLE
  if probability <= 1 - risk:
    return UNDECIDED
  return SEPARABLE if most > 1 - risk else PARTLY


_WORDS = {
  SEPARABLE: "The network is cut between its subroutines, sooner than its"
  " controls",
  PARTLY: "The network is cut between its subroutines sooner than its controls,"
  " but maybe not far",
  UNDECIDED: "Whether the network is cut between its subroutines sooner than"
  " its controls is open",
  NOT_SEPARABLE: "The network is not cut between its subroutines sooner than"
  " its controls",
}


# A network that was compiled of two parts is such a case, see
# docs/results/planted.md.
_NO_HALF = (
  "Neither half does its subroutine, so the search has found nothing that"
  " works: it says little about what another one could find."
)

# Hues were such properties of pictures, see docs/design/cuts.md.
_UNREAD = (
  "One half of the nonsense properties is guessed to the end: whether these"
  " networks can read it is not known, and if they cannot, this control refutes"
  " nothing."
)


def _ends_sentence(ends: dict[str, float]) -> str:
  (first, of_first), (second, of_second) = ends.items()
  return (
    f"At the end the half of {first!r} has an accuracy of {of_first:.2f}, that"
    f" of {second!r} {of_second:.2f}."
  )


def _sentence(
  label: str,
  probability: float,
  most: float,
  excess: Estimate,
  table: pd.DataFrame,
) -> str:
  means = table[["separability", "nonsense", "untrained"]].mean()
  low, high = excess.interval
  return (
    f"{_WORDS[label]}: separability {means['separability']:.2f}, against"
    f" {means['nonsense']:.2f} between nonsense properties and"
    f" {means['untrained']:.2f} before training (0: never cut, 1: at once)."
    f" Excess over the higher control {excess.value:+.2f}, 95 % interval"
    f" {low:+.2f} to {high:+.2f} over {excess.num_clusters} base networks; the"
    f" probability that it is above {WORTH_A_CLAIM:.2f} is"
    f" {probability_words(probability)}, and that separability is above"
    f" {MOST:.2f} is {probability_words(most)}{_remedy(label, excess)}."
  )


def _remedy(label: str, excess: Estimate) -> str:
  """Returns what would decide an open answer."""
  if label != UNDECIDED:
    return ""
  return f"; {deciding_words(excess, WORTH_A_CLAIM)}"
