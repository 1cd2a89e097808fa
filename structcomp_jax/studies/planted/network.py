"""The networks: dense layers with ReLU between them, many as rows of one tree.

A layer may be linear, so that the basis of what it returns can be changed
without a change of the function.
"""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np

from structcomp_jax import masks, trees, types
from structcomp_jax.studies.planted.problems import NUM_BITS
from structcomp_jax.tasks.odd_one_out import metrics

# Weights are masked, biases stay.
RULES = [(".*kernel", "weight"), (".*", "frozen")]


@dataclasses.dataclass(frozen=True)
class Network:
  """A feed-forward network.

  Attributes:
    sizes: of the input, of every hidden layer, and of the output.
    linear: numbers of the hidden layers without ReLU.
  """

  sizes: tuple[int, ...] = (NUM_BITS, 32, 16, 8)
  linear: tuple[int, ...] = ()

  def embed(self, params: types.Params, bits: jax.Array) -> jax.Array:
    """Returns f32[..., outputs] of items f32[..., bits]."""
    last = len(self.sizes) - 2
    for number in range(last + 1):
      layer = params[f"layer_{number}"]
      bits = bits @ layer["kernel"] + layer["bias"]
      if number < last and number not in self.linear:
        bits = jax.nn.relu(bits)
    return bits

  def init(self, num_networks: int, seed: int) -> types.Params:
    """Returns untrained networks as rows, He-normal weights and no biases."""
    random = np.random.default_rng(seed)
    return {
      f"layer_{number}": {
        "kernel": jnp.asarray(
          random.normal(0, (2 / size) ** 0.5, (num_networks, size, width)),
          jnp.float32,
        ),
        "bias": jnp.zeros((num_networks, width)),
      }
      for number, (size, width) in enumerate(itertools.pairwise(self.sizes))
    }

  def spec(self, params: types.Params) -> masks.MaskSpec:
    """Returns the masked leaves of networks that are rows."""
    return masks.select(trees.row(params, 0), RULES)


@dataclasses.dataclass(frozen=True)
class Metrics:
  """Loss, accuracy and margin of every problem."""

  network: Network

  def __call__(
    self, params: types.Params, batch: types.Batch
  ) -> dict[str, jax.Array]:
    """Returns {metric: f32[problems]}."""
    return metrics.problem_metrics(self.network.embed(params, batch["bits"]))


@dataclasses.dataclass(frozen=True)
class Loss:
  """The mean loss of problems."""

  network: Network

  def __call__(self, params: types.Params, batch: types.Batch) -> jax.Array:
    """Returns an f32 scalar."""
    return Metrics(self.network)(params, batch)["loss"].mean()


@functools.partial(jax.jit, static_argnums=0)
def accuracy(
  network: Network, params: types.Params, problems: types.Batch
) -> jax.Array:
  """Returns f32[rows], the accuracy of networks that are rows."""
  of_problem = jax.vmap(Metrics(network), in_axes=(0, None))(params, problems)
  return of_problem["accuracy"].mean(axis=1)


def unit_costs(
  network: Network, params: types.Params, problems: types.Batch
) -> np.ndarray:
  """Returns the accuracy that each hidden unit's removal costs.

  Args:
    network: the architecture.
    params: networks as rows.
    problems: of one task.

  Returns:
    f32[hidden units, rows], units in the order of the layers.
  """
  whole = accuracy(network, params, problems)
  found = []
  for number, width in enumerate(network.sizes[1:-1], start=1):
    path = f"layer_{number}/kernel"
    kernel = jnp.asarray(trees.leaves_by_path(params)[path])
    for unit in range(width):
      removed = trees.replace_leaves(params, {path: kernel.at[:, unit].set(0)})
      found.append(whole - accuracy(network, removed, problems))
  return np.asarray(found)
