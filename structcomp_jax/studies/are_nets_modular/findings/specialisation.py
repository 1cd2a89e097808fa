"""Do the subtasks have weights of their own?

Of a mask of subtask X, with Y the other subtask,

    kept    = accuracy on X - accuracy on Y   under the mask
    removed = accuracy on Y - accuracy on X   under its inverse

Both are near 1 where the weights of X do X and nothing else, and near 0 where
a half of the network does both subtasks, or neither.
"""

import pandas as pd

from structcomp_jax.report.grades import Grade
from structcomp_jax.studies.are_nets_modular.findings import (
  accuracies,
  effects,
  verdict,
)
from structcomp_jax.studies.are_nets_modular.findings.effects import Effect
from structcomp_jax.studies.are_nets_modular.findings.evidence import (
  SOLVED,
  UNTRAINED,
  Evidence,
)
from structcomp_jax.studies.are_nets_modular.findings.two_subtasks import (
  KEPT,
  REMOVED,
  both_ways,
  has_learned,
  own_and_other,
  under,
  under_words,
)
from structcomp_jax.studies.are_nets_modular.findings.verdict import (
  Networks,
  Verdict,
  listed,
  percent,
)
from structcomp_jax.types import command

QUESTION = "specialisation"
WORDS = "Do the subtasks have weights of their own?"
# At least half of all problems; the published effects are close to 1.
MINIMUM_EFFECT = 0.5
# Less than this is no separation, and no specialisation in any network.
SMALL_EFFECT = 0.25
_MEASURES = {"kept": (KEPT, 1), "removed": (REMOVED, -1)}

SPECIALISED = "specialised"
PARTLY_SEPARABLE = "specialised, partly separable"
NOT_SEPARABLE = "specialised, not separable"
NOT_SPECIALISED = "not specialised"
UNCLEAR = "unclear"

RULES = (
  "<b>Who counts.</b> Only networks whose control mask, which learned the whole"
  f" task, solves every subtask (accuracy at least {SOLVED:g}), and only if the"
  " masks solve their own subtask as often. At least two networks are needed;"
  " a network counts once, however many masks it has.",
  "<b>Effects of specialisation.</b> <i>Kept</i>: accuracy on the own subtask"
  " minus accuracy on the other, under the mask. <i>Removed</i>: accuracy on"
  " the other minus the own, under the inverse of the mask, on every masked"
  " leaf. An effect is <b>clear</b> if its mean over networks is at least"
  f" {MINIMUM_EFFECT:g} and the 95 % t interval is above 0, <b>consistent</b>"
  " if instead every network's mean is above 0; it must be so against zero and"
  " against random masks with as many weights in every leaf. Where masks of"
  " untrained networks have learned their subtask, <i>kept</i> must exceed"
  " those, too: in pairs, because a trained network and the untrained one of"
  " its base seed start from the same weights.",
  f"<b>{SPECIALISED.capitalize()}</b>: all four effects are at least"
  f" consistent. <b>{PARTLY_SEPARABLE.capitalize()}</b>: both <i>kept</i> are,"
  f" and both <i>removed</i> are if a mean of {SMALL_EFFECT:g} is enough: the"
  " other subtask goes on, but suffers."
  f" <b>{NOT_SEPARABLE.capitalize()}</b>: both <i>kept</i> are, but without the"
  " weights of one subtask the network does not go on with the other alone."
  f" <b>{NOT_SPECIALISED.capitalize()}</b>: no effect reaches"
  f" {SMALL_EFFECT:g} in any network. Otherwise <b>{UNCLEAR}</b>. "
  "“Probably” marks effects that are consistent, not clear.",
)


def judge(evidence: Evidence, regime: str) -> Verdict:
  """Returns the verdict about one regime of an experiment with two subtasks."""
  network = (evidence.experiment, evidence.model, regime)
  found = verdict.networks(evidence.results, regime, evidence.subtasks)
  obstacle = obstacle_of(found, evidence.subtasks)
  if obstacle:
    return verdict.stopped(QUESTION, WORDS, network, obstacle, found)
  random = _random(evidence, regime)
  untrained = _of_regime(evidence, UNTRAINED)
  tables = found.kept, random, untrained
  pairs = both_ways(evidence.subtasks)
  measured = tuple(
    _measure(name, *pair, *tables, minimum=MINIMUM_EFFECT)
    for pair in pairs
    for name in _MEASURES
  )
  lacking = [one.words for one in measured if len(one.by_network) < 2]
  if lacking:
    sentence = (
      f"The accuracies of fewer than two networks are there: {listed(lacking)}."
      f" Run {command('evaluate')}."
    )
    return verdict.stopped(QUESTION, WORDS, network, sentence, found)
  in_part = min(
    _measure("removed", *pair, *tables, minimum=SMALL_EFFECT).support()
    for pair in pairs
  )
  label, sentence = _answer(measured, in_part, found.kept, evidence.subtasks)
  return Verdict(
    QUESTION,
    WORDS,
    network,
    label,
    sentence,
    effect=own_and_other(found.kept, evidence.subtasks),
    floor=f"random masks {own_and_other(random, evidence.subtasks)}",
    notes=(
      *found.notes,
      *_notes(evidence, untrained),
      *effects.notes(measured),
    ),
    effects=measured,
  )


def obstacle_of(found: Networks, subtasks: tuple[str, ...]) -> str:
  """Returns why nothing can be said, or the empty string."""
  if len(subtasks) < 2:
    return "Masks of only one subtask are there; both are needed."
  few = verdict.too_few(found, subtasks)
  if few:
    return few
  for name in subtasks:
    own = under(found.kept, name, KEPT, name)
    networks = len(effects.by_network(own))
    if networks < 2:
      return (
        f"Masks of {name} are there in {networks} networks; two are needed."
      )
    if not own.mean() >= SOLVED:
      return (
        f"The masks of {name} do not solve it (accuracy"
        f" {percent(own.mean())}), so their weights are not those of the"
        " subtask. Raise search.num_steps, or lower search.betas."
      )
  return ""


def _of_regime(evidence: Evidence, regime: str) -> pd.DataFrame:
  return accuracies.wide(evidence.results[evidence.results["regime"] == regime])


def _random(evidence: Evidence, regime: str) -> pd.DataFrame:
  controls = evidence.controls
  if controls is None:
    return pd.DataFrame()
  return accuracies.wide(controls[controls["regime"] == regime])


def difference(
  masks: pd.DataFrame, measure: str, subtask: str, other: str
) -> pd.Series:
  """Returns `kept` or `removed` of every mask of a subtask."""
  ablation, sign = _MEASURES[measure]
  own = under(masks, subtask, ablation, subtask)
  return sign * (own - under(masks, subtask, ablation, other))


def _measure(
  name: str,
  subtask: str,
  other: str,
  masks: pd.DataFrame,
  random: pd.DataFrame,
  untrained: pd.DataFrame,
  *,
  minimum: float,
) -> Effect:
  values = difference(masks, name, subtask, other).dropna()
  chance = difference(random, name, subtask, other)
  beyond = values - chance.reindex(values.index)
  learned = has_learned(untrained, subtask)
  theirs = difference(untrained, name, subtask, other)
  per_network = effects.by_network(values)
  is_fair = name == "kept" and learned
  return Effect(
    name=name,
    about=subtask,
    words=f"{subtask}, weights {name}",
    mean=float(pd.Series(per_network, dtype=float).mean()),
    by_network=per_network,
    num_masks=len(values),
    against={
      "zero": effects.above_zero(values, minimum),
      "random masks": effects.above_zero(beyond, minimum),
      "untrained networks": (
        effects.above_other(values, theirs, SMALL_EFFECT) if learned else None
      ),
    },
    deciding=(
      "zero",
      "random masks",
      *(["untrained networks"] if is_fair else []),
    ),
  )


def _answer(
  measured: tuple[Effect, ...],
  in_part: Grade,
  masks: pd.DataFrame,
  subtasks: tuple[str, ...],
) -> tuple[str, str]:
  """Returns label and sentence.

  Args:
    measured: all effects.
    in_part: the weakest grade of `removed` where a small effect is enough.
    masks: accuracies of the networks that count.
    subtasks: names of both.
  """
  kept, removed = (
    [one for one in measured if one.name == name] for name in _MEASURES
  )
  weakest = {
    name: min(one.support() for one in group)
    for name, group in (("kept", kept), ("removed", removed))
  }
  deciding = min(weakest.values())
  if deciding >= Grade.CONSISTENT:
    return verdict.probably(SPECIALISED, deciding), (
      "Each subtask has weights of its own: kept alone they do their own"
      f" subtask and not the other ({under_words(masks, KEPT, subtasks)});"
      " without them their own subtask is lost and the other goes on"
      f" ({under_words(masks, REMOVED, subtasks)})."
    )
  if min(weakest["kept"], in_part) >= Grade.CONSISTENT:
    return verdict.probably(PARTLY_SEPARABLE, min(weakest["kept"], in_part)), (
      "Each subtask has weights of its own: kept alone they do their own"
      f" subtask and not the other ({under_words(masks, KEPT, subtasks)});"
      " without them their own subtask is lost and the other one suffers, but"
      f" goes on ({under_words(masks, REMOVED, subtasks)})."
    )
  if weakest["kept"] >= Grade.CONSISTENT:
    return verdict.probably(NOT_SEPARABLE, weakest["kept"]), (
      "Under its mask the network does one subtask and not the other"
      f" ({under_words(masks, KEPT, subtasks)}). "
      + " ".join(
        _left_over(masks, one.about, other)
        for one in removed
        for other in subtasks
        if other != one.about and one.support() < Grade.CONSISTENT
      )
    )
  if all(one.largest < SMALL_EFFECT for one in measured):
    return NOT_SPECIALISED, (
      "The weights that a mask of a subtask keeps do the other subtask, too,"
      f" or neither ({under_words(masks, KEPT, subtasks)}), and so do the"
      f" weights it removes ({under_words(masks, REMOVED, subtasks)})."
    )
  if any(_same_untrained(one) for one in kept):
    return UNCLEAR, (
      "Masks of networks that were never trained are as specific to their"
      " subtask, so that this one is no evidence of learning: the search can"
      f" build it ({under_words(masks, KEPT, subtasks)})."
    )
  weak = [one.words for one in measured if one.support() < Grade.CONSISTENT]
  return UNCLEAR, (
    "Not all effects are large and the same in all networks: "
    f"{listed(weak)} ({under_words(masks, KEPT, subtasks)}; inverses "
    f"{under_words(masks, REMOVED, subtasks)})."
  )


def _same_untrained(one: Effect) -> bool:
  """Returns whether only the untrained networks stand in the way."""
  compared = one.against["untrained networks"]
  others = [one.against[name] for name in ("zero", "random masks")]
  return (
    compared is not None
    and compared.grade < Grade.CONSISTENT
    and all(other is None or other.grade > Grade.UNCLEAR for other in others)
  )


def _left_over(masks: pd.DataFrame, subtask: str, other: str) -> str:
  """Says what a network does without the weights of a subtask."""
  own, rest = (
    under(masks, subtask, REMOVED, test).mean() for test in (subtask, other)
  )
  numbers = f"{subtask} {percent(own)}, {other} {percent(rest)}"
  if max(own, rest) < SMALL_EFFECT:
    return (
      f"Without the weights of {subtask} it does neither ({numbers}): {other}"
      " needs some of them."
    )
  if own >= SMALL_EFFECT:
    return (
      f"Without the weights of {subtask} some of it is still done ({numbers}),"
      " by other weights."
    )
  return f"Without the weights of {subtask} {other} suffers, too ({numbers})."


def _notes(evidence: Evidence, untrained: pd.DataFrame) -> tuple[str, ...]:
  notes: list[str] = []
  if untrained.empty:
    notes.append(
      f"there are no untrained networks to compare with; add {UNTRAINED} to"
      " regimes"
    )
  elif not all(has_learned(untrained, name) for name in evidence.subtasks):
    notes.append(
      "masks of untrained networks do not solve their subtask, so the search"
      " cannot build it from any weights; they are no control of how specific"
      " masks are"
    )
  if evidence.controls is None:
    notes.append("there are no random masks to compare with")
  return tuple(notes)


def numbers(evidence: Evidence, regime: str) -> str:
  """Returns the accuracies of a regime that is not judged, short."""
  if len(evidence.subtasks) != 2:
    return ""
  return own_and_other(_of_regime(evidence, regime), evidence.subtasks)
