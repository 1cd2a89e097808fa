"""Do masks find the weights of the two blocks?

Of networks that are two blocks, the block of every weight is known. A weight
that changes nothing belongs to its block by birth alone, and no search can find
it there; so every comparison is made among the weights of both blocks that
matter, for several limits of what matters.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from structcomp_jax import masks, search, trees, types
from structcomp_jax.studies.planted.asking import Search, Sets
from structcomp_jax.studies.planted.classes.every import Planted
from structcomp_jax.studies.planted.importance import output_changes
from structcomp_jax.studies.planted.network import accuracy
from structcomp_jax.studies.planted.one_sided import OneSided
from structcomp_jax.studies.planted.problems import SUBROUTINES
from structcomp_jax.studies.planted.roc import auc

# Changes of the output, see `importance`; 0 leaves out weights that are 0.
LIMITS = (0.0, 1e-4, 1e-3, 1e-2)
_ONE_SIDED = OneSided().search
# Name -> search. A mask for each subroutine takes as many steps as a cut does,
# on as many problems of each.
SEARCHES: Mapping[str, Search] = {
  "continuous_sparsification": _ONE_SIDED,
  "gumbel_sigmoid": Search(penalty=_ONE_SIDED.penalty),
  "hard_concrete": Search("hard_concrete", penalty=_ONE_SIDED.penalty),
}
CUTS: Mapping[str, Search] = {
  f"cut, {name}": dataclasses.replace(one, penalty=0.0)
  for name, one in SEARCHES.items()
}


def recover(planted: Planted, sets: Sets, seed: int) -> list[dict[str, Any]]:
  """Compares masks with the blocks.

  Args:
    planted: networks of two blocks.
    sets: problems of their properties.
    seed: of the searches and random masks.

  Returns:
    Rows with method, base_seed, subroutine, `limit` and, of the weights of both
    blocks that change the output by more, `share` (of all that are not 0),
    `auc` (of the logits, or weights, of the own block against the other one)
    and `iou` of mask and own block. Magnitude and random masks keep as many
    weights of every leaf as the block has.
  """
  truth = planted.truth
  assert truth is not None, "the networks have no blocks"
  changes = output_changes(planted.network, planted.params)
  paths = sorted(changes)
  change = _flat(changes, paths)
  blocks = {name: _flat(truth[name], paths) > 0 for name in SUBROUTINES}
  rows = []
  in_block = np.any(list(blocks.values()), axis=0) & (change > 0)
  for method, own, logits, mask in _found(planted, sets, seed):
    scores, kept = _flat(logits, paths), _flat(mask, paths) > 0
    for row in range(planted.num_networks):
      is_own = blocks[own][row]
      rows += [
        {
          "method": method,
          "base_seed": row,
          "subroutine": own,
          "limit": limit,
          **_compare(
            scores[row], kept[row], is_own, in_block[row], change[row] > limit
          ),
        }
        for limit in LIMITS
      ]
  return rows


def known_cut(planted: Planted, tests: Mapping[str, types.Batch]) -> np.ndarray:
  """Returns f32[rows, subroutines, halves]: what the known cut does.

  Args:
    planted: networks of two blocks.
    tests: {task: problems}.

  Returns:
    Accuracies on the first and on the second subroutine, of the first block
    alone, and of the network without it.
  """
  assert planted.truth is not None, "the networks have no blocks"
  block = {
    path: jnp.asarray(leaf)
    for path, leaf in planted.truth[SUBROUTINES[0]].items()
  }
  halves = [
    masks.merge(planted.params, mask)
    for mask in (block, masks.complement(block))
  ]
  return np.array(
    [
      [accuracy(planted.network, half, tests[task]) for half in halves]
      for task in SUBROUTINES
    ]
  ).transpose(2, 0, 1)


def _found(
  planted: Planted, sets: Sets, seed: int
) -> Iterator[tuple[str, str, Any, Any]]:
  """Yields (method, subroutine, scores, masks) of all networks."""

  def run(one, data):
    found = one.run(planted.network, planted.params, data, seed)
    return found.mask_logits, found.masks

  train = sets["train"]
  data = search.halves(*(train[task] for task in SUBROUTINES))
  for method, one in CUTS.items():
    logits, kept = run(one, data)
    rest = jax.tree.map(lambda leaf: -leaf, logits)
    yield method, SUBROUTINES[0], logits, kept
    yield method, SUBROUTINES[1], rest, masks.complement(kept)
  weights = trees.leaves_by_path(planted.params)
  assert planted.truth is not None
  for place, own in enumerate(SUBROUTINES):
    for method, one in SEARCHES.items():
      yield method, own, *run(one, train[own])
    block = {
      path: jnp.asarray(leaf) for path, leaf in planted.truth[own].items()
    }
    sizes = {path: np.abs(weights[path]) for path in block}
    largest = jax.vmap(masks.largest_magnitude)(planted.params, block)
    yield "largest weights", own, sizes, largest
    keys = jax.random.split(
      jax.random.key(2 * seed + place), planted.num_networks
    )
    drawn = jax.vmap(masks.random_like)(block, keys)
    yield "random", own, drawn, drawn


def _flat(tree: types.AnyMask, paths: list[str]) -> np.ndarray:
  """Returns [networks, weights]."""
  leaves = [np.asarray(tree[path]) for path in paths]
  return np.concatenate([leaf.reshape(len(leaf), -1) for leaf in leaves], 1)


def _compare(
  scores: np.ndarray,
  kept: np.ndarray,
  is_own: np.ndarray,
  in_block: np.ndarray,
  matters: np.ndarray,
) -> dict[str, float]:
  """Returns how well one mask finds one block; arrays are [weights]."""
  seen = in_block & matters
  own, kept = is_own & seen, kept & seen
  either = (kept | own).sum()
  return {
    "share": float(seen.sum() / in_block.sum()),
    "auc": float(auc(scores[own], scores[seen & ~own])),
    "iou": float((kept & own).sum() / either) if either else float("nan"),
  }
