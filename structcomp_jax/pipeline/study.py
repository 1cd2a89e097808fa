"""What the pipeline asks of a study."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import jax
import numpy as np
from ml_collections import ConfigDict

from structcomp_jax import masks, types
from structcomp_jax.io.tables import Schema
from structcomp_jax.pipeline.parts import Part


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


@dataclasses.dataclass(frozen=True, eq=False)
class DataSet:
  """One data set as the network reads it.

  Attributes:
    name: builder/config of TFDS.
    sizes: {split: number of examples wanted}.
    encode: stored examples -> {name: array [examples, ...]}.
  """

  name: str
  sizes: Mapping[str, int]
  encode: Callable[[np.ndarray], types.Batch]


def sizes_of(
  wanted: Mapping[str, int], available: Mapping[str, int]
) -> dict[str, int]:
  """Returns how many examples of every split are used.

  >>> sizes_of({"train": 0, "test": 5}, {"train": 90, "test": 3})
  {'train': 90, 'test': 3}

  Args:
    wanted: {split: number}; 0: all.
    available: {split: number} of the splits that there are.
  """
  return {
    split: min(wanted[split] or count, count)
    for split, count in available.items()
  }


class Study(Protocol):
  """What a paper asks: of which network, of which data, by which steps."""

  @property
  def config(self) -> ConfigDict:
    """The locked config of the experiment."""

  @property
  def network(self) -> Network:
    """The network that is trained."""

  @property
  def frozen_network(self) -> Network:
    """The same network as searches and tests compute it."""

  @property
  def datasets(self) -> Mapping[str, DataSet]:
    """{task: its data set}.

    All have the same arrays. Those of the first one, which has a split
    `validation`, are looked at before any other.
    """

  @property
  def tables(self) -> Mapping[str, Schema]:
    """{name of a CSV file: its columns}; `results` is one of them."""

  @property
  def used_together(self) -> Sequence[Sequence[tuple[str, str]]]:
    """Groups of (task, split) whose features one piece of work reads.

    The largest one decides where features lie.
    """

  def masked_stages(self, masked_from: Any) -> Sequence[str]:
    """Returns the stages that are masked from a first one on."""

  def mask_rules(self, masked_from: Any) -> Sequence[masks.Rule]:
    """Returns the rules of `masks.select` for them."""

  def data_to_prepare(self) -> Mapping[str, Mapping[str, int]]:
    """Returns {builder/config: {split: number of examples}}."""

  def about_data(self) -> Sequence[str]:
    """Says what a reader should know of the data sets, line by line."""

  def sample(self, num_problems: int) -> np.ndarray:
    """Returns problems of the first task as they are stored.

    Without a data set: of the right shapes, perhaps noise, and no more than
    there are.
    """

  def outline(self) -> Any:
    """Returns what `train`, `search` and `test` do, a `forecast` `Outline`.

    Raises:
      UserError: that is not known before.
    """

  def train(self, work: Any) -> None:
    """Makes the base networks that are not there; `work` is an `Experiment`."""

  def search(self, work: Any) -> None:
    """Searches the masks that are not there."""

  def test(
    self, work: Any, regime: str, base_seed: int
  ) -> tuple[Sequence[Part], bool]:
    """Returns what a base network adds to the tables, and whether it is new."""

  def is_decided(self, workdir: pathlib.Path) -> bool:
    """Returns whether its tables answer the question of the study.

    Asked after a round, where the config lets base seeds be added
    (`pipeline.rounds`); called by the first process alone.
    """

  def report(self, workdirs: Sequence[pathlib.Path], out: pathlib.Path) -> None:
    """Writes one page over finished work directories."""


@functools.partial(jax.jit, static_argnums=0)
def fresh_params(network: Network, key: jax.Array) -> types.Params:
  """Returns fresh weights, by a program compiled once for equal networks."""
  return network.init(key)


def param_shapes(network: Network) -> types.Params:
  """Returns the shapes and dtypes of the weights."""
  init = functools.partial(fresh_params, network)
  return jax.eval_shape(init, jax.random.key(0))
