"""Do two subtasks use the same weights? The verdict on their scores."""

from typing import Any

import numpy as np
import pandas as pd

from structcomp_jax.report import markup
from structcomp_jax.report.grades import Grade
from structcomp_jax.studies.are_nets_modular.findings import (
  accuracies,
  effects,
  overlaps,
  specialisation,
  verdict,
)
from structcomp_jax.studies.are_nets_modular.findings.effects import Effect
from structcomp_jax.studies.are_nets_modular.findings.evidence import (
  COPIES,
  UNTRAINED,
  Evidence,
)
from structcomp_jax.studies.are_nets_modular.findings.reuse_score import (
  DEVIATIONS,
  DOES_NOT,
  HIGH,
  LOW,
  MINIMUM_CEILING,
  MINIMUM_DIFFERENCE,
  PARTLY,
  REUSES,
  Reuse,
  counted,
  of_regime,
  scores,
)
from structcomp_jax.studies.are_nets_modular.findings.verdict import Verdict
from structcomp_jax.types import command

QUESTION = "reuse"
WORDS = "Do the subtasks share weights?"

RULES = (
  "<b>Reuse score.</b> Weights that the masks of both subtasks keep, as a"
  " fraction of the most there could be: 0 is what random masks with as many"
  " weights in every leaf share on average, 1 is what two masks of the"
  " <i>same</i> subtask share that differ in their seed alone. It is computed"
  " in every network by itself, where the masks of the same subtask share"
  f" clearly more than random ones (by {MINIMUM_CEILING:g} of the most there"
  f" could be, and by {DEVIATIONS:g} standard deviations of random masks)."
  " In double addition the first and the last leaf do not count: each pair has"
  " inputs and outputs of its own.",
  f"<b>{DOES_NOT.capitalize()}</b>: the 95 % t interval of the score over"
  f" networks is below {LOW:.2f}, nearer to random masks."
  f" <b>{REUSES.capitalize()}</b>: above {HIGH:.2f}, nearer to the same"
  " subtask, and untrained networks have a lower score. "
  f"<b>{PARTLY.capitalize()}</b>: between 0 and 1, and in neither of these, and"
  " untrained networks have another score. With three or more networks, all of"
  " them on one side though the interval is not, the answer is “probably”."
  f" Otherwise it <b>{verdict.CANNOT}</b>; so it does where there is one mask"
  " seed and so no ceiling, and where networks that share weights by"
  f" construction have a score below {HIGH:.2f}: then the method does not see"
  " what is there.",
)


def judge(
  evidence: Evidence, regime: str, end_leaves: frozenset[str]
) -> Verdict:
  """Returns the verdict about one regime of an experiment with two subtasks.

  Args:
    evidence: the tables.
    regime: of the networks.
    end_leaves: those that cannot be shared and do not count.
  """
  network = (evidence.experiment, evidence.model, regime)
  found = verdict.networks(evidence.results, regime, evidence.subtasks)
  rows = _counted_rows(evidence, end_leaves)
  by_regime = _by_regime(evidence, rows)
  ours = by_regime[regime]
  obstacle = specialisation.obstacle_of(found, evidence.subtasks) or _obstacle(
    rows, regime, ours
  )
  if obstacle:
    return verdict.stopped(QUESTION, WORDS, network, obstacle, found)
  untrained, copies = by_regime.get(UNTRAINED), by_regime.get(COPIES)
  effect = _effect(ours, untrained)
  label, sentence = _answer(ours, effect, untrained, copies)
  return Verdict(
    QUESTION,
    WORDS,
    network,
    label,
    sentence,
    effect=f"score {_score_words(ours)}",
    floor=_floor(ours, untrained, copies),
    notes=(
      *found.notes,
      *_notes(ours, untrained, label),
      *effects.notes((effect,)),
    ),
    effects=(effect,),
    numbers=_numbers(ours),
  )


def numbers(evidence: Evidence, regime: str, end_leaves: frozenset[str]) -> str:
  """Returns the score of a regime that is not judged, short."""
  rows = _counted_rows(evidence, end_leaves)
  found = _reuse(evidence, scores(rows), regime)
  return "" if found.values.empty else f"reuse score {_score_words(found)}"


def _counted_rows(
  evidence: Evidence, end_leaves: frozenset[str]
) -> pd.DataFrame:
  pairs = overlaps.of_subtasks(evidence.overlaps, evidence.subtasks)
  return counted(pairs, end_leaves)


def _by_regime(evidence: Evidence, rows: pd.DataFrame) -> dict[str, Reuse]:
  table = scores(rows)
  return {
    name: _reuse(evidence, table, name) for name in evidence.masked_regimes
  }


def _reuse(evidence: Evidence, table: pd.DataFrame, regime: str) -> Reuse:
  return of_regime(table, regime, _failed(evidence, regime))


def _failed(evidence: Evidence, regime: str) -> pd.DataFrame:
  """Returns networks that do not work; untrained ones never do."""
  of_regime = evidence.results[evidence.results["regime"] == regime]
  out = accuracies.failed(of_regime, evidence.subtasks)
  return out[:0] if regime == UNTRAINED else out


def _obstacle(rows: pd.DataFrame, regime: str, ours: Reuse) -> str:
  """Returns why the overlaps have no answer, or the empty string."""
  if rows.empty or not (rows["regime"] == regime).any():
    return f"There are no overlaps of masks; run {command('evaluate')}."
  kinds = set(rows[rows["regime"] == regime]["kind"])
  if overlaps.SAME not in kinds:
    return (
      "There is one mask of every subtask and network, so it is unknown how"
      " much two masks share that need the very same weights. Give"
      " search.seeds two or more values."
    )
  if overlaps.DIFFERENT not in kinds:
    return "There are no two masks of different subtasks in one network."
  if ours.values.empty:
    return (
      "Two masks of the same subtask share no more than random masks do, so"
      " that the method cannot show shared weights here. Raise"
      " search.num_steps."
    )
  if len(ours.values) < 2:
    return (
      "Only one network has masks of the same subtask that share more than"
      " random ones, and how much networks differ is unknown. Give base_seeds"
      " more values."
    )
  return ""


def _effect(ours: Reuse, untrained: Reuse | None) -> Effect:
  theirs = None if untrained is None else untrained.values
  by_network = {seed: float(one) for seed, one in ours.values.items()}
  return Effect(
    name="score",
    about="both subtasks",
    words="reuse score",
    mean=float(ours.values.mean()),
    by_network=by_network,
    num_masks=len(by_network),
    against={
      "random masks (0)": ours.above_random,
      "the same subtask (1 - score)": ours.below_ceiling,
      "untrained networks": (
        None
        if theirs is None
        else effects.above_other(ours.values, theirs, MINIMUM_DIFFERENCE)
      ),
    },
    deciding=("random masks (0)",),
  )


def _answer(
  ours: Reuse, effect: Effect, untrained: Reuse | None, copies: Reuse | None
) -> tuple[str, str]:
  label = ours.label()
  stem = label.removeprefix(verdict.PROBABLY)
  words = _score_words(ours)
  if stem == verdict.CANNOT:
    return label, (
      f"The score lies between random masks and the same subtask ({words}), and"
      " networks differ too much to tell more. Give base_seeds more values."
    )
  if stem != REUSES and copies is not None and copies.values.mean() < HIGH:
    return verdict.CANNOT, (
      f"The score is {words}, but networks that share weights by construction"
      f" reach {_score_words(copies)} only: the masks do not show what is"
      " there."
    )
  compared = effect.against["untrained networks"]
  if stem != DOES_NOT and compared is not None:
    is_other = compared.grade >= Grade.CONSISTENT or (
      stem == PARTLY and compared.grade == Grade.OPPOSITE
    )
    if not is_other:
      assert untrained is not None
      return verdict.CANNOT, (
        f"The score is {words}, but networks that were never trained have"
        f" {_score_words(untrained)}: the overlap comes from the search, or"
        " from the sizes of weights, not from what was learned."
      )
  return label, _SENTENCES[stem].format(words)


_SENTENCES = {
  DOES_NOT: "The overlap of the weights of the two subtasks is near that of"
  " random masks of the same sizes, and far below that of two masks of one"
  " subtask: score {}.",
  PARTLY: "The weights of the two subtasks overlap more than random masks of"
  " the same sizes, and less than two masks of one subtask: score {}.",
  REUSES: "The weights of the two subtasks overlap nearly as much as two masks"
  " of one subtask: score {}.",
}


def _score_words(one: Reuse) -> str:
  if one.values.empty:
    return "unknown"
  spread = one.values.std()
  return markup.spread(float(one.values.mean()), float(spread)).replace(
    "\u00a0", " "
  )


def _floor(ours: Reuse, untrained: Reuse | None, copies: Reuse | None) -> str:
  noise = ours.table["noise"].mean()
  parts = [f"random masks 0.00 \u00b1 {noise:.2f}", "same subtask 1.00"]
  for name, one in (
    ("never trained", untrained),
    ("sharing by construction", copies),
  ):
    if one is not None:
      parts.append(f"{name} {_score_words(one)}")
  return "; ".join(parts)


def _numbers(ours: Reuse) -> dict[str, Any]:
  columns = ["iomin", "random_iomin", "ceiling_iomin", "observed", "ceiling"]
  low, high = ours.interval
  return {
    **{name: float(ours.table[name].mean()) for name in (*columns, "noise")},
    "interval": [low, high] if np.isfinite(low) else None,
  }


def _notes(ours: Reuse, untrained: Reuse | None, label: str) -> tuple[str, ...]:
  notes: list[str] = []
  lost = len(ours.table) - len(ours.values)
  if lost:
    notes.append(
      f"{lost} networks have no score: two masks of the same subtask share no"
      " more there than random ones"
    )
  if untrained is None:
    notes.append(
      f"there are no untrained networks to compare with; add {UNTRAINED} to"
      " regimes"
    )
  elif untrained.values.empty:
    notes.append(
      "untrained networks have no score: their masks keep nothing, or those of"
      " one subtask share no more than random ones; they are no control"
    )
  elif label.endswith(DOES_NOT) and untrained.label().endswith(DOES_NOT):
    notes.append(
      "untrained networks give the same answer, so that the masks lie apart is"
      " no evidence of learning"
    )
  return tuple(notes)
