"""Two networks side by side in one, and what hides that."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from structcomp_jax import types
from structcomp_jax.studies.planted.network import Network
from structcomp_jax.studies.planted.problems import (
  ITEMS,
  NUM_BITS,
  SUBROUTINES,
)

# Spread of the incoming weights of units that nothing needs.
_IDLE = 0.3


def join(
  first: types.Params,
  second: types.Params,
  random: np.random.Generator,
  *,
  cross: float = 0.0,
  num_idle: tuple[int, ...] = (0, 0),
) -> tuple[types.Params, dict[str, types.Mask]]:
  """Joins two networks block by block and permutes hidden units and outputs.

  Args:
    first: a network that does subroutine A.
    second: a network of as many layers that does B.
    random: of permutations and of the weights below.
    cross: spread of the weights between the blocks, and of those that lead out
      of idle units.
    num_idle: further units of every hidden layer that belong to no block.

  Returns:
    The network, and {subroutine: mask} of the weights of each block.
  """
  params: dict[str, Any] = {}
  truth: dict[str, types.Mask] = {name: {} for name in SUBROUTINES}
  before = np.arange(NUM_BITS)  # Of the units below: their new order,
  owners = np.full(NUM_BITS, -1)  # and block; -1: an input, 2: idle.
  for number, (name, one) in enumerate(first.items()):
    blocks = (one, second[name])
    idle = (*num_idle, 0)[number]
    widths = [block["kernel"].shape[1] for block in blocks]
    above = np.repeat([0, 1, 2], [*widths, idle])
    is_first = number == 0
    spread = np.where(above == 2, _IDLE, 0) if is_first else cross
    kernel = random.normal(size=(len(owners), len(above))) * spread
    owner = np.where(is_first | (owners[:, None] == above), above, 2)
    for index, block in enumerate(blocks):
      kernel[owner == index] = np.ravel(block["kernel"])
    bias = np.concatenate(
      [*(block["bias"] for block in blocks), np.zeros(idle)]
    )
    order = random.permutation(len(above))
    params[name] = {
      "kernel": kernel[before][:, order].astype(np.float32),
      "bias": bias[order].astype(np.float32),
    }
    for index, subroutine in enumerate(SUBROUTINES):
      block_mask = (owner == index)[before][:, order]
      truth[subroutine][f"{name}/kernel"] = block_mask
    before, owners = order, above
  return params, truth


def unit_outputs(network: Network, params: types.Params) -> types.Params:
  """Returns blocks whose outputs have length 1 on average over all items.

  The answers of a block stay what they are, and none drowns the other one.

  Args:
    network: the architecture.
    params: blocks as rows.
  """
  outputs = jax.vmap(network.embed, in_axes=(0, None))(
    params, jnp.asarray(ITEMS)
  )
  length = jnp.linalg.norm(outputs, axis=-1).mean(axis=1)
  name = f"layer_{len(network.sizes) - 2}"
  last = params[name]
  return {
    **params,
    name: {
      "kernel": last["kernel"] / length[:, None, None],
      "bias": last["bias"] / length[:, None],
    },
  }


def mix(
  params: types.Params, linear: int, random: np.random.Generator
) -> types.Params:
  """Rotates what a linear layer returns, and the output.

  The next layer rotates back, and odd-one-out compares directions alone: the
  answers stay what they are.

  Args:
    params: a network.
    linear: number of a layer without ReLU; the next one is the last.
    random: of the two orthogonal maps.
  """
  middle, output = f"layer_{linear}", f"layer_{linear + 1}"
  inner = _orthogonal(params[middle]["bias"].size, random)
  outer = _orthogonal(params[output]["bias"].size, random)
  return {
    **params,
    middle: {name: leaf @ inner for name, leaf in params[middle].items()},
    output: {
      "kernel": inner.T @ params[output]["kernel"] @ outer,
      "bias": params[output]["bias"] @ outer,
    },
  }


def _orthogonal(size, random):
  """Draws an orthogonal matrix."""
  return np.linalg.qr(random.normal(size=(size, size)))[0].astype(np.float32)
