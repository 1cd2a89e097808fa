"""What an experiment takes from its domain: arithmetic, SCAN or pictures."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from structcomp_jax import types
from structcomp_jax.io.tables import Schema
from structcomp_jax.pipeline.staged_network import StagedNetwork

# The mask of the whole task, with which all others are compared.
CONTROL = "control"
# Regexes of masked leaves, from the name of their stage on. The first one
# leaves out biases and embeddings, but not scale and shift of layer norms; the
# second one leaves out the running statistics of batch norms alone.
WEIGHTS = r"((.*/)?kernel|.*norm/(scale|bias))"
EVERYTHING = r"(.*/)?(kernel|bias|scale)"


class Domain(Protocol):
  """The data sets and the network of one experiment.

  Attributes:
    network: the model as it is trained.
    frozen_network: as masks are searched and tested: without dropout, computing
      in `search.compute_dtype`.
    loss_draws: the loss draws at random (dropout, teacher forcing).
    subroutines: {name of a mask: task whose training problems it learns};
      `control` first, whose task is that of the base networks.
    test_tasks: names of tasks whose test problems are tested on.
    only_tasks: {regime: task}: networks that are trained on one task alone and
      have no masks.
    masked: regex of the masked leaves of a stage.
    tests: the class of its tests, a `mask_tests.Tests`.
    tables: {name: columns} of all tables that these write.
  """

  network: StagedNetwork
  frozen_network: StagedNetwork
  loss_draws: bool
  subroutines: Mapping[str, str]
  test_tasks: Sequence[str]
  only_tasks: Mapping[str, str]
  masked: str
  tests: type[Any]
  tables: Mapping[str, Schema]

  def tasks(self) -> Sequence[str]:
    """Returns the names of all data sets, that of the base networks first."""

  def dataset_name(self, task: str) -> str:
    """Returns builder/config of one task."""

  def available(self, task: str) -> Mapping[str, int]:
    """Returns how many problems every split of its builder/config has."""

  def sample(self, num_problems: int) -> np.ndarray:
    """Returns problems as they are stored, without a data set.

    To measure and to plan with: of the right shapes, perhaps noise, and no
    more than there are.
    """

  def encode(self, task: str, problems: np.ndarray) -> types.Batch:
    """Returns stored problems as the network reads them, those of the task."""

  def separation(self) -> list[str]:
    """Says what tests share with training, line by line."""

  def ends(self) -> tuple[Sequence[str], Sequence[str]]:
    """Returns the paths of masked leaves of the first and of the last layer.

    Inverse masks may leave them to the control mask, because a mask of one
    subtask has to cut what enters and leaves for the others.
    """

  def halves(self, paths: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """Returns {name: half of the masked leaves}, for the half-mask test."""

  def outputs(self) -> tuple[str, Sequence[str]]:
    """Returns the leaf of the last layer, and what its units say.

    No names: its units are not counted one by one.
    """

  def output_leaves(self) -> Sequence[str]:
    """Returns regexes of the leaves of the last layer."""

  def copied(self, params: types.Params) -> types.Params | None:
    """Returns the network with the weights of one part copied to the other.

    None: there is no such network.
    """
