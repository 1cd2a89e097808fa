"""What the pipeline asks of a study."""

import functools
from typing import Protocol

import jax

from structcomp_jax import types


class Network(Protocol):
  """A network that can be run from any of its stages, and how it is judged.

  Networks are equal by value, and so are their functions: compiled programs
  are kept by network or by function, and networks that were made twice from
  equal configs run the same programs.
  """

  @property
  def stages(self) -> tuple[str, ...]:
    """Names of the stages, first to last; the paths of weights begin so."""

  @property
  def loss_fn(self) -> types.LossFn:
    """(params, batch) -> mean loss. Equal for equal networks."""

  @property
  def metrics_fn(self) -> types.MetricsFn:
    """(params, batch) -> metrics of every example. Equal for equal networks."""

  def init(self, key: jax.Array) -> types.Params:
    """Returns fresh weights; see `fresh_params`."""

  def features_before(
    self, params: types.Params, batch: types.Batch, stage: str
  ) -> types.Batch:
    """Returns what enters a stage other than the first one."""

  def from_stage(self, stage: str) -> "Network":
    """Returns the network that reads what `features_before` returns."""

  def __hash__(self) -> int:
    """Equal networks have equal hashes."""


@functools.partial(jax.jit, static_argnums=0)
def fresh_params(network: Network, key: jax.Array) -> types.Params:
  """Returns fresh weights, by a program compiled once for equal networks."""
  return network.init(key)


def param_shapes(network: Network) -> types.Params:
  """Returns the shapes and dtypes of the weights."""
  init = functools.partial(fresh_params, network)
  return jax.eval_shape(init, jax.random.key(0))
