"""How many base networks: rounds of work, until an answer is decided.

A round trains, searches and tests. Where the section `auto_base_seeds` of the
config allows it, the study is asked after each round whether the tables decide
its question. While they do not, base seeds are added and another round begins.
What came of every round is written down, so that it is decided once and a
launch after a kill goes on in the same round.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from absl import logging

from structcomp_jax.io import files, layout

# What follows a round: another one, or the reason why none does.
MORE, DECIDED, MOST, MAX_HOURS = "more", "decided", "most", "max_hours"
_WORDS = {
  DECIDED: "the answer is decided, no more are needed",
  MOST: "still undecided, and no more are allowed (auto_base_seeds.most)",
  MAX_HOURS: "still undecided, and the time is over"
  " (auto_base_seeds.max_hours)",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class AutoBaseSeeds:
  """When base networks are added: the section `auto_base_seeds`.

  Attributes:
    most: base networks of a regime after the last round; 0: none are added.
    step: base networks that a round adds.
    max_hours: no round begins after so many hours of finished steps, those of
      timings.json; 0: no limit.
  """

  most: int = 0
  step: int = 1
  max_hours: float = 0.0


def settings(config: Mapping[str, Any]) -> AutoBaseSeeds:
  """Returns the section of a config; a study may have none.

  Args:
    config: of an experiment, or as it is stored in a work directory.
  """
  return AutoBaseSeeds(**config.get("auto_base_seeds", {}))


def planned(config: Mapping[str, Any]) -> list[tuple[int, ...]]:
  """Returns the base seeds of every round.

  The first round has those of the config; more are counted up from there.

  >>> auto = {"most": 5, "step": 2}
  >>> planned({"base_seeds": (0, 7), "auto_base_seeds": auto})
  [(0, 7), (0, 7, 8, 9), (0, 7, 8, 9, 10)]

  Args:
    config: see `settings`.
  """
  auto, first = settings(config), tuple(config.get("base_seeds", ()))
  if auto.most <= len(first):
    return [first]
  added = range(max(first) + 1, max(first) + 1 + auto.most - len(first))
  sizes = [*range(len(first), auto.most, auto.step), auto.most]
  return [(*first, *added)[:size] for size in sizes]


def read(workdir: pathlib.Path) -> list[dict[str, Any]]:
  """Returns what came of every round: `base_seeds`, and what follows (`then`).

  Raises:
    UserError: the file is torn.
  """
  found: list[dict[str, Any]] = files.read_json(workdir / layout.ROUNDS, [])
  return found


def reached(
  config: Mapping[str, Any], workdir: pathlib.Path
) -> tuple[int, ...]:
  """Returns the base seeds of the round that a work directory is in."""
  plan = planned(config)
  if len(plan) == 1:
    return plan[0]
  return plan[sum(one["then"] == MORE for one in read(workdir))]


def close(
  config: Mapping[str, Any],
  workdir: pathlib.Path,
  is_decided: Callable[[], bool],
) -> bool:
  """Ends a round, unless it was ended before.

  Args:
    config: of the experiment.
    workdir: whose tables are those of the round.
    is_decided: whether they decide the question.

  Returns:
    Whether another round follows.
  """
  plan = planned(config)
  ended = read(workdir) if len(plan) > 1 else []
  if len(plan) == 1 or (ended and ended[-1]["then"] != MORE):
    return False
  seeds = plan[len(ended)]
  then = _what_follows(config, workdir, is_decided, is_last=seeds == plan[-1])
  files.write_json(
    workdir / layout.ROUNDS, [*ended, {"base_seeds": seeds, "then": then}]
  )
  added = [] if then != MORE else plan[len(ended) + 1][len(seeds) :]
  logging.info(
    "round %d of at most %d, %d base networks: %s",
    len(ended) + 1,
    len(plan),
    len(seeds),
    _WORDS.get(then, f"still undecided, adding base seeds {_listed(added)}"),
  )
  return then == MORE


def _what_follows(
  config: Mapping[str, Any],
  workdir: pathlib.Path,
  is_decided: Callable[[], bool],
  *,
  is_last: bool,
) -> str:
  if is_decided():
    return DECIDED
  if is_last:
    return MOST
  hours = sum(files.read_json(workdir / layout.TIMINGS, {}).values()) / 3600
  limit = settings(config).max_hours
  return MAX_HOURS if limit and hours >= limit else MORE


def _listed(seeds: Sequence[int]) -> str:
  return ", ".join(map(str, seeds))
