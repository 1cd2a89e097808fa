"""Networks that several modules of tests look at."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import trees
from structcomp_jax.studies.planted import network as networks
from structcomp_jax.studies.planted.classes import every
from structcomp_jax.studies.planted.networks.convolutional import Convolutional
from structcomp_jax.studies.planted.networks.mlp import Mlp
from structcomp_jax.studies.planted.networks.transformer import Transformer
from structcomp_jax.studies.planted.problems import ITEMS

EFFORT = every.Effort(
  num_networks=2, pool=3.0, num_problems=2000, num_tests=200, num_steps=2500
)
# One of every architecture, no two spaces of one size.
SMALL = {
  "mlp": Mlp((10, 6, 5, 3)),
  "mlp, linear": Mlp((10, 6, 4, 3), without_relu=(1,)),
  "transformer": Transformer(7, 4, 5, 6, 3),
  "cnn": Convolutional((4, 5), 6, 3),
  "cnn, linear": Convolutional((4, 5), 6, 3, is_linear=True),
}
of_every_architecture = pytest.mark.parametrize(
  "network", SMALL.values(), ids=SMALL
)


@pytest.fixture(scope="session")
def trained():
  """Two modular networks, which are trained."""
  return every.CLASSES["modular"](EFFORT, 0)


def embed(network, params, items=ITEMS):
  """Returns what a network says about every item."""
  return np.asarray(network.embed(params, jnp.asarray(items)))


def right(planted, task, params=None):
  """Returns the accuracy of networks on problems of their own."""
  tests = EFFORT.sets(planted.pair, 99)["test"][task]
  params = planted.params if params is None else params
  return np.asarray(networks.accuracy(planted.network, params, tests))


def two(network, seed=0):
  """Returns two untrained networks with biases."""
  random = np.random.default_rng(seed)
  rows = jax.tree.map(
    lambda leaf: np.float32(leaf + 0.3 * random.normal(size=leaf.shape)),
    network.init(2, seed),
  )
  return trees.row(rows, 0), trees.row(rows, 1)


def sorted_outputs(values):
  """Returns outputs in an order that permutations leave alone."""
  return values[:, np.lexsort(values[::100])]
