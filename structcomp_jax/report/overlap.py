"""How much do masks share, beyond what their sizes force them to share?

Two masks that keep much must overlap, so every intersection over union (IoU)
stands beside the one expected of random masks with the same count per leaf.
"""

import itertools
from collections.abc import Mapping, Sequence

import jax
import numpy as np
import pandas as pd

from structcomp_jax.masks import algebra
from structcomp_jax.types import AnyMask


def expected_iou(first: AnyMask, second: AnyMask) -> float:
  """Returns the IoU to expect of random masks of the same sizes.

  Leaf by leaf, two random subsets of k1 and k2 of n weights share k1 k2 / n
  on average (hypergeometric mean). The sums over leaves are divided, which is
  the expectation up to terms of relative order 1/n.
  """
  both, total = 0.0, 0
  for path in first:
    kept_first, kept_second = _count(first[path]), _count(second[path])
    both += kept_first * kept_second / first[path].size
    total += kept_first + kept_second
  either = total - both
  return both / either if either else float("nan")


def pairwise(groups: Mapping[str, Sequence[AnyMask]]) -> pd.DataFrame:
  """Compares all masks of one base network.

  Args:
    groups: {subroutine: masks of its searches}.

  Returns:
    One row per pair of masks: `first`, `second` (subroutines), `kind`
    (`same subroutine` or `different subroutines`), `iou`, `expected_iou`.
  """
  labelled = [(name, masks) for name in groups for masks in groups[name]]
  rows = [
    {
      "first": first_name,
      "second": second_name,
      "kind": (
        "same subroutine"
        if first_name == second_name
        else "different subroutines"
      ),
      "iou": float(algebra.total_iou(first, second)),
      "expected_iou": expected_iou(first, second),
    }
    for (first_name, first), (second_name, second) in itertools.combinations(
      labelled, 2
    )
  ]
  columns = ["first", "second", "kind", "iou", "expected_iou"]
  return pd.DataFrame(rows, columns=columns)


def row(stacked: AnyMask, index: int) -> dict[str, np.ndarray]:
  """Returns the masks of one candidate as NumPy arrays."""
  return {path: np.asarray(leaf)[index] for path, leaf in stacked.items()}


def _count(mask: jax.Array | np.ndarray) -> int:
  return int(np.count_nonzero(mask))
