"""How well statistics tell networks of known structure apart."""

import numpy as np
import pandas as pd

from structcomp_jax.structure import error_rates, separability
from structcomp_jax.studies.planted import statistics
from structcomp_jax.studies.planted.problems import CHANCE
from structcomp_jax.studies.planted.run import OURS, UNTRAINED

# What a statistic should call modular, and what not. `mixed` has parts, but no
# weights of their own; of the other classes the truth is unknown.
MODULAR = ("modular", "modular_cross", "modular_pruned")
NOT_MODULAR = ("shared", "template", "entangled", "untrained")


def truth(name: str) -> str:
  """Returns whether networks of a class have parts: `error_rates.PARTS` etc.

  Args:
    name: of the class, without the prefix of an architecture.
  """
  if name in MODULAR:
    return error_rates.PARTS
  return error_rates.NO_PARTS if name in NOT_MODULAR else error_rates.UNKNOWN


def networks(scores: pd.DataFrame, statistic: str) -> pd.DataFrame:
  """Returns a score and its controls for every network.

  Args:
    scores: of one class, see `run.Measured`.
    statistic: one of its names.

  Returns:
    Index base_seed; columns `score`, `nonsense` (mean over pairs), `untrained`
    and `excess`, the score less the higher control.
  """
  rows = scores[scores["statistic"] == statistic]
  return separability.beside_controls(rows, "score", OURS, UNTRAINED)


def labels(
  scores: pd.DataFrame, *, group: int, num_groups: int, seed: int = 0
) -> dict[str, float]:
  """Returns how often groups of networks get each label of the verdict.

  Args:
    scores: of one class, see `run.Measured`.
    group: networks that are judged together.
    num_groups: groups that are drawn; a network may be in many.
    seed: of the draws.

  Returns:
    {label: share of groups}.
  """
  table = separability.beside_controls(
    separability.separability(
      statistics.looks_of(scores, statistics.JUDGED.after), CHANCE
    ),
    "separability",
    OURS,
    UNTRAINED,
  )
  random = np.random.default_rng(seed)
  found = [
    separability.judge(
      table.loc[random.choice(table.index, group, replace=False)]
    ).label
    for _ in range(num_groups)
  ]
  return {
    label: found.count(label) / num_groups for label in separability.LABELS
  }
