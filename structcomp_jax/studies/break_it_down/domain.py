"""What an experiment takes from its domain, language or vision."""

from collections.abc import Callable, Sequence
from typing import Protocol

import jax
import numpy as np

from structcomp_jax import types
from structcomp_jax.pipeline.study import Network


class Domain(Protocol):
  """The data sets and the network of one experiment.

  Attributes:
    subroutines: names of the two subroutines.
    test_tasks: names of the test tasks, `base` first.
    network: the model.
    frozen_network: the same model, computing in `search.compute_dtype`.
    pretrained: weights of a checkpoint, or None.
  """

  subroutines: tuple[str, ...]
  test_tasks: tuple[str, ...]
  network: Network
  frozen_network: Network
  pretrained: types.Params | None

  def dataset_name(self, task: str) -> str:
    """Returns builder/config of one task."""

  def available(self, task: str) -> dict[str, int]:
    """Returns how many problems every split of a task has."""

  def assumptions(self) -> list[str]:
    """Says what a plan takes for granted of the problems, line by line."""

  def sample(self, num_problems: int) -> np.ndarray:
    """Returns problems as they are stored, without a data set.

    To measure and to plan with: of the right shapes, perhaps noise, and no
    more than there are.
    """

  def separation(self) -> list[str]:
    """Says which data sets of the experiment share problems."""

  def encode(self, problems: np.ndarray) -> types.Batch:
    """Returns stored problems as the network reads them."""

  def nonsense(
    self, place: int, number: int
  ) -> Callable[[np.ndarray], types.Batch]:
    """Returns what makes problems about a nonsense property of stored ones.

    Args:
      place: 0 or 1, what the property is read from.
      number: which one.

    Returns:
      Like `encode`, of the same items dealt anew.
    """

  def masked_stages(self, masked_from: str | int) -> Sequence[str]:
    """Returns the stages whose kernels are masked.

    Args:
      masked_from: the first one, by its name or by its number among those that
        a config may name.

    Raises:
      UserError: there is no such first stage.
    """


class PictureDomain(Domain, Protocol):
  """A domain of pictures, in which a backbone can be pretrained."""

  def dataset_name(self, task: str, experiment: str = "") -> str:
    """Returns builder/config of one task, of another experiment if named."""

  @property
  def embed_images(self) -> Callable[[types.Params, jax.Array], jax.Array]:
    """(params, f32[N, height, width, 3] in 0..1) -> float[N, features]."""
