"""The networks that masks make: what stays, and what fills the rest."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from structcomp_jax import masks, trees, types, varying


@dataclasses.dataclass(frozen=True, eq=False)
class Variant:
  """K networks made of one frozen network, by K masks in the same way.

  Attributes:
    stacked: {path: bool[K, ...]}.
    seeds: K seeds; a random fill is a function of the seed.
    inverted: False: what the masks keep stays (the subnetwork). True: what
      they remove stays (the ablated network).
    fill: what stands where a weight does not stay, a name in `masks.FILLS`.
  """

  stacked: types.AnyMask
  seeds: Sequence[int]
  inverted: bool = False
  fill: str = "zero"

  def kept_weights(self, spec: masks.MaskSpec) -> np.ndarray:
    """Returns i64[K]: maskable weights that stay.

    >>> spec = masks.select({"kernel": np.ones(3)}, [(".*", "weight")])
    >>> mask = {"kernel": np.array([[True, True, False]])}
    >>> Variant(mask, [0]).kept_weights(spec).tolist()
    [2]
    >>> Variant(mask, [0], inverted=True).kept_weights(spec).tolist()
    [1]
    """
    units = jax.vmap(masks.kept)(dict(self.stacked))
    kept = np.sum(
      [
        np.asarray(units[leaf.path], np.int64) * leaf.weights_per_unit
        for leaf in spec.leaves
      ],
      axis=0,
    )
    return spec.num_weights - kept if self.inverted else kept


def dense(spec: masks.MaskSpec) -> Variant:
  """Returns the network without a mask: one mask that keeps all.

  >>> spec = masks.select({"kernel": np.ones(2)}, [(".*", "weight")])
  >>> dense(spec).stacked["kernel"].tolist()
  [[True, True]]
  """
  ones = {
    leaf.path: np.ones((1, *leaf.mask_shape), bool) for leaf in spec.leaves
  }
  return Variant(ones, seeds=(0,))


def ablations(
  stacked: types.AnyMask, seeds: Sequence[int]
) -> dict[str, Variant]:
  """Returns the three variants of Break It Down (Lepori et al. 2023).

  >>> list(ablations({"kernel": np.ones((1, 2), bool)}, [0]))
  ['none', 'zero', 'random']

      none    the subnetwork: what the mask keeps
      zero    the ablated network: what the mask keeps is set to zero
      random  the ablated network: what the mask keeps is drawn anew

  Args:
    stacked: {path: bool[K, ...]}.
    seeds: K mask seeds; the random ablation of a seed is always the same.
  """
  return {
    "none": Variant(stacked, seeds),
    "zero": Variant(stacked, seeds, inverted=True),
    "random": Variant(stacked, seeds, inverted=True, fill="random"),
  }


def make_network(
  params: types.Params,
  mask: types.Mask,
  spec: masks.MaskSpec,
  key: jax.Array,
  *,
  inverted: jax.Array,
  fill: jax.Array,
  fills: tuple[str, ...],
) -> types.Params:
  """Returns the network of one mask.

  >>> params = {"kernel": jnp.array([1.0, 2.0])}
  >>> made = make_network(
  ...   params,
  ...   {"kernel": jnp.array([True, False])},
  ...   masks.select(params, [(".*", "weight")]),
  ...   jax.random.key(0),
  ...   inverted=jnp.bool_(True),
  ...   fill=jnp.int32(0),
  ...   fills=("zero",),
  ... )
  >>> made["kernel"].tolist()
  [0.0, 2.0]

  Args:
    params: the dense network.
    mask: {path: bool[...]}.
    spec: the masked leaves.
    key: fixes a random fill.
    inverted, fill: as in `Variant`, but traced, so that one program serves all
      variants; `fill` is a place in `fills`.
    fills: names in `masks.FILLS`.
  """
  stays = {path: units != inverted for path, units in mask.items()}

  def scalars(name):
    """A fill that draws nothing; shard_map wants it to vary as a draw does."""
    found = masks.make_fill(name, params, spec, key)
    values = dict.fromkeys(spec.paths, 0.0) if found is None else found
    return {
      path: varying.alike(value, fill)[0] for path, value in values.items()
    }

  leaves = trees.leaves_by_path(params)
  # `vmap` batches the branches of a `switch` with every array that they refer
  # to. Scalars are therefore made outside of it; a random fill is expensive and
  # drawn in its own branch only.
  cheap = {name: scalars(name) for name in fills if name != "random"}

  def make(name):
    if name not in cheap:
      return masks.make_fill(name, params, spec, key)
    return {
      path: jnp.broadcast_to(value, leaves[path].shape).astype(
        leaves[path].dtype
      )
      for path, value in cheap[name].items()
    }

  if len(fills) == 1:
    filled = masks.make_fill(fills[0], params, spec, key)
  else:
    makers = [functools.partial(make, name) for name in fills]
    filled = jax.lax.switch(fill, makers)
  return masks.merge(params, stays, filled)


def unique_masks(
  variants: Mapping[Any, Variant],
) -> tuple[list[types.AnyMask], dict[int, int]]:
  """Returns the stacks of masks, each once, and where each begins.

  >>> variants = ablations({"kernel": np.ones((1, 2), bool)}, [0])
  >>> stacks, starts = unique_masks(variants)
  >>> len(stacks), list(starts.values())
  (1, [0])

  Args:
    variants: some of which may have the same `stacked`.

  Returns:
    The stacks, and {id of a stack: number of masks before it}.
  """
  stacks: list[types.AnyMask] = []
  starts: dict[int, int] = {}
  start = 0
  for variant in variants.values():
    if id(variant.stacked) not in starts:
      starts[id(variant.stacked)] = start
      stacks.append(variant.stacked)
      start += len(variant.seeds)
  return stacks, starts
