"""The verdict in plain sentences."""

import math
from collections.abc import Sequence

from structcomp_jax.report.estimate import (
  Estimate,
  deciding_words,
  probability_words,
)
from structcomp_jax.report.markup import number
from structcomp_jax.studies.break_it_down.findings import labels
from structcomp_jax.studies.break_it_down.findings.effects import (
  MINIMUM_EFFECT,
  SMALL_LOSS,
  Effect,
)
from structcomp_jax.studies.break_it_down.findings.labels import Cost, Numbers
from structcomp_jax.studies.break_it_down.findings.measurement import (
  WORKS_WELL,
  Check,
)

_EFFECTS = {
  "D_sub": "the '{0}' subnetwork alone does '{0}' and not the other (D_sub)",
  "D_abl": "removing the '{0}' subnetwork costs '{0}' in particular (D_abl)",
}
_COSTS = {
  Cost.PARTICULAR: "Removing the '{0}' subnetwork costs '{0}' more than the"
  " other.",
  Cost.UNSPECIFIC: "Removing the '{0}' subnetwork costs '{0}' not more than the"
  " other",
  Cost.OPPOSITE: "Removing the '{0}' subnetwork costs the other subroutine"
  " more",
  Cost.REDUNDANT: "Removing the '{0}' subnetwork costs '{0}' almost nothing",
}
_ENDS = {
  # On planted networks of two blocks D_abl is near 0 as well: this test alone
  # does not show that there are no parts (docs/results/planted.md).
  labels.NOT_MODULAR: "So this test finds no modular parts. It often misses"
  " parts that are there: a cut, where there is one, says more.",
  labels.REDUNDANT: "What is left can do what the subnetwork does: the network"
  " holds it more than once, and ablation cannot say whether in parts.",
  labels.OPPOSITE: "That is the opposite of what modular parts predict.",
}


def of_label(label: str, numbers: Numbers) -> str:
  """Returns what a label other than `undecided` means here."""
  if label in (labels.MODULAR, labels.BY_ABLATION):
    return _modular(label, numbers)
  found = [
    _cost(one, numbers.costs[one.subroutine], numbers)
    for one in numbers.of_test("D_abl")
    if numbers.costs[one.subroutine] != Cost.OPEN
  ]
  return " ".join([*found, _ENDS[label]])


def undecided(
  numbers: Numbers, ours: Sequence[Check], untrained: Sequence[Check]
) -> str:
  """Returns which quantities are undecided, and what would decide them."""
  if not labels.is_sure(numbers.informative):
    return _check(min(ours, key=lambda one: one.probability), "")
  found = []
  if numbers.control is None:
    found.append(
      "There are fewer than two random-init networks with masks of both"
      " subroutines: no control to compare with."
    )
  elif not labels.is_sure(numbers.control):
    weakest = min(untrained, key=lambda one: one.probability)
    found.append(_check(weakest, " of the random-init control"))
  found += [
    _effect(one)
    for one in numbers.effects
    if one.excess is not None and not labels.is_sure(one.probability)
  ]
  found += [
    _loss(one.subroutine, numbers.losses[one.subroutine])
    for one in numbers.of_test("D_abl")
    if labels.is_improbable(labels.worth_a_claim(one.plain))
  ]
  return " ".join(found)


def _modular(label: str, numbers: Numbers) -> str:
  words = (
    "Each subroutine has a part of its own: kept alone it does that subroutine"
    " better than the other, and without it the network does that subroutine"
    " worse than the other. How much of it is lost, the ablation accuracies"
    " below tell. The probability that all four effects are worth a claim is"
    f" {probability_words(numbers.probability or 0.0)}."
  )
  if label == labels.MODULAR:
    return words
  return (
    f"{words} The proof is the ablation. That a subnetwork alone is specific"
    " decides nothing here, as it is not clearly more so than in untrained"
    " networks."
  )


def _check(one: Check, whose: str) -> str:
  """Returns why masks say nothing, or that it is open whether they do."""
  if math.isnan(one.accuracy):
    return (
      f"An accuracy of the masks{whose} for '{one.subroutine}' is missing, so"
      " nothing says whether they can tell."
    )
  if one.kind == "learned":
    known = f"mean accuracy {one.accuracy:.2f}"
    what = f"masks{whose} learned '{one.subroutine}'"
    failed = (
      f"The masks{whose} did not learn '{one.subroutine}': {known} on their own"
      " subroutine."
    )
  else:
    known = (
      f"best accuracy on any test {one.accuracy:.2f} on average, more than"
      f" {WORKS_WELL} not counted"
    )
    what = f"networks{whose} without '{one.subroutine}' still work"
    failed = (
      f"Removing the '{one.subroutine}' subnetwork{whose} leaves networks that"
      f" do next to nothing ({known}), so the ablation test says nothing."
    )
  if labels.is_improbable(one.probability):
    return failed
  return (
    f"Whether the {what} is open: {known}, and the probability that it is above"
    f" {one.limit} is {probability_words(one.probability)}."
  )


def _effect(one: Effect) -> str:
  """Returns how far an effect is from a claim."""
  assert one.excess is not None and one.probability is not None
  start = (
    "Not shown:" if labels.is_improbable(one.probability) else "Open: whether"
  )
  return (
    f"{start} {_EFFECTS[one.test].format(one.subroutine)}. Beyond its controls:"
    f" {_interval(one.excess)}; probability of more than {MINIMUM_EFFECT}:"
    f" {_probability(one.excess, MINIMUM_EFFECT, one.probability)}."
  )


def _loss(subroutine: str, loss: Estimate | None) -> str:
  """Returns what the removal costs, where it costs nothing in particular."""
  probability = labels.loses(loss)
  if loss is None or probability is None:
    return f"Nothing says what removing the '{subroutine}' subnetwork costs."
  return (
    f"Removing the '{subroutine}' subnetwork does not cost '{subroutine}' in"
    f" particular. Of its accuracy it costs {_interval(loss)}; probability of"
    f" more than {SMALL_LOSS}: {_probability(loss, SMALL_LOSS, probability)}."
  )


def _cost(one: Effect, cost: Cost, numbers: Numbers) -> str:
  words = _COSTS[cost].format(one.subroutine)
  loss = numbers.losses[one.subroutine]
  if cost == Cost.PARTICULAR:
    return words
  if cost == Cost.REDUNDANT and loss is not None:
    return f"{words}: {_interval(loss)} of its accuracy."
  assert one.plain is not None
  return f"{words}: D_abl {_interval(one.plain, one.sign)}."


def _interval(one: Estimate, sign: int = 1) -> str:
  """Returns an estimate; a sign of -1 turns it into D_abl."""
  low, high = (
    number(bound, sign=True)
    for bound in sorted(sign * bound for bound in one.interval)
  )
  return (
    f"{number(sign * one.value, sign=True)} (95 % interval {low} to {high},"
    f" {one.num_clusters} networks)"
  )


def _probability(one: Estimate, limit: float, probability: float) -> str:
  """Returns it and, where it is open, how many networks would tell."""
  words = probability_words(probability)
  if labels.is_improbable(probability) or labels.is_sure(probability):
    return words
  return f"{words}; {deciding_words(one, limit)}"
