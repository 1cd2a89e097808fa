"""Do masks for one subroutine find the weights of its block?

Of networks that are two blocks, the block of every weight is known.
"""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from structcomp_jax import masks, trees, types
from structcomp_jax.studies.planted.classes.every import Planted
from structcomp_jax.studies.planted.problems import SUBROUTINES
from structcomp_jax.studies.planted.roc import auc
from structcomp_jax.studies.planted.statistics import OneSided, Search, Sets

# Name -> search; all have as many steps, on as many problems.
SEARCHES: Mapping[str, Search] = {
  "continuous_sparsification": OneSided().search,
  "gumbel_sigmoid": Search(penalty=OneSided().search.penalty),
  "hard_concrete": Search("hard_concrete", penalty=OneSided().search.penalty),
}


def recover(planted: Planted, sets: Sets, seed: int) -> list[dict[str, Any]]:
  """Compares masks with the blocks.

  Args:
    planted: networks of two blocks.
    sets: problems of their properties.
    seed: of the searches and random masks.

  Returns:
    Rows with method, base_seed, subroutine, `auc` (of the logits, or weights,
    of the own block's weights against all others), `auc_blocks` (against those
    of the other block) and `iou` of mask and block. Magnitude and random masks
    keep as many weights of every leaf as the block has.
  """
  truth = planted.truth
  assert truth is not None, "the networks have no blocks"
  rows = []
  for place, (own, other) in enumerate(
    zip(SUBROUTINES, reversed(SUBROUTINES), strict=True)
  ):
    block = {path: np.asarray(leaf) for path, leaf in truth[own].items()}
    found = _found(planted, sets["train"][own], block, 2 * seed + place)
    for method, (logits, mask) in found.items():
      for row in range(planted.num_networks):
        rows.append(
          {
            "method": method,
            "base_seed": row,
            "subroutine": own,
            **_compare(
              trees.row(logits, row),
              trees.row(mask, row),
              trees.row(block, row),
              trees.row(dict(truth[other]), row),
            ),
          }
        )
  return rows


def _found(planted, problems, block, seed):
  """Returns {method: (scores, masks)} of one subroutine."""
  found = {}
  for name, search in SEARCHES.items():
    result = search.run(planted.network, planted.params, problems, seed)
    found[name] = (result.mask_logits, result.masks)
  weights = trees.leaves_by_path(planted.params)
  largest = jax.vmap(masks.largest_magnitude)(planted.params, block)
  found["largest weights"] = (
    {path: np.abs(weights[path]) for path in block},
    largest,
  )
  keys = jax.random.split(jax.random.key(seed), planted.num_networks)
  drawn = jax.vmap(masks.random_like)(block, keys)
  found["random"] = (drawn, drawn)
  return {
    name: jax.device_get(jax.tree.map(np.asarray, pair))
    for name, pair in found.items()
  }


def _compare(
  logits: types.AnyMask,
  mask: types.AnyMask,
  own: types.AnyMask,
  other: types.AnyMask,
) -> dict[str, float]:
  """Returns how well one mask finds one block."""
  scores, kept, is_own, is_other = (
    np.concatenate([np.ravel(tree[path]) for path in sorted(mask)])
    for tree in (logits, mask, own, other)
  )
  return {
    "auc": float(auc(scores[is_own], scores[~is_own])),
    "auc_blocks": float(auc(scores[is_own], scores[is_other])),
    "iou": float((kept & is_own).sum() / (kept | is_own).sum()),
  }
