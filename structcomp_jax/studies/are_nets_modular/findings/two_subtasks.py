"""Accuracies of masks of two subtasks, each on both of them."""

import pandas as pd

from structcomp_jax.studies.are_nets_modular.findings.evidence import SOLVED
from structcomp_jax.studies.are_nets_modular.findings.verdict import percent

# What is left of a network -> how the tables call it.
KEPT, REMOVED = "none", "zero"


def under(
  masks: pd.DataFrame, subtask: str, ablation: str, test: str
) -> pd.Series:
  """Returns the accuracy of every mask of a subtask, or of its inverse."""
  if masks.empty:
    return pd.Series(dtype=float)
  is_its = masks.index.get_level_values("subroutine") == subtask
  found = masks[is_its]
  if (ablation, test) not in found:
    return pd.Series(float("nan"), index=found.index)
  return found[ablation, test]


def both_ways(subtasks: tuple[str, ...]) -> list[tuple[str, str]]:
  first, second = subtasks
  return [(first, second), (second, first)]


def has_learned(masks: pd.DataFrame, subtask: str) -> bool:
  """Returns whether masks solve their own subtask."""
  return bool(under(masks, subtask, "none", subtask).mean() >= SOLVED)


def under_words(
  masks: pd.DataFrame, ablation: str, subtasks: tuple[str, ...]
) -> str:
  """Returns own and other accuracies, e.g. `pair_1 99 %, pair_2 1 %; ...`."""
  return "; ".join(
    f"{'mask of' if ablation == KEPT else 'without'} {name}: "
    + ", ".join(
      f"{test} {percent(under(masks, name, ablation, test).mean())}"
      for test in subtasks
    )
    for name in subtasks
  )


def own_and_other(masks: pd.DataFrame, subtasks: tuple[str, ...]) -> str:
  """Returns mean accuracies under masks and inverses, own / other."""
  words: list[str] = []
  for name, ablation in (("kept", KEPT), ("removed", REMOVED)):
    pairs = both_ways(subtasks)
    own = [under(masks, one, ablation, one).mean() for one, _ in pairs]
    rest = [under(masks, one, ablation, other).mean() for one, other in pairs]
    words.append(
      f"{name}: own {' and '.join(map(percent, own))}, other"
      f" {' and '.join(map(percent, rest))}"
    )
  return "; ".join(words)
