"""What an experiment takes from its domain, language or vision."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from structcomp_jax import types
from structcomp_jax.tasks.odd_one_out import metrics as odd_one_out


@dataclasses.dataclass(frozen=True, eq=False)
class Network:
  """A model that embeds the items of problems, and its starting weights.

  Attributes:
    init: key -> fresh weights.
    embed: (params, batch) -> f32[problems, items, features].
    features_before: (params, batch, stage) -> a batch of what enters a stage.
    embed_from: (params, such a batch, stage) -> f32[problems, items, features].
    dtype: of the computation; weights are float32 always.
    pretrained: weights of a checkpoint, or None.
  """

  init: Callable[[jax.Array], types.Params]
  embed: Callable[[types.Params, types.Batch], jax.Array]
  features_before: Callable[[types.Params, types.Batch, str], types.Batch]
  embed_from: Callable[[types.Params, types.Batch, str], jax.Array]
  dtype: str = "float32"
  pretrained: types.Params | None = None

  # Whoever asks again gets the same functions, whose programs are compiled.
  @functools.lru_cache(maxsize=8)  # noqa: B019 (a network lives as long)
  def from_stage(self, stage: str) -> "Network":
    """Returns the network that reads what enters `stage`.

    Features may be stored in a narrower dtype than the network computes in.
    """
    embed_from, dtype = self.embed_from, self.dtype

    def in_dtype(leaf):
      is_float = jnp.issubdtype(leaf.dtype, jnp.floating)
      return leaf.astype(dtype) if is_float else leaf

    return dataclasses.replace(
      self,
      embed=lambda params, batch: embed_from(
        params, jax.tree.map(in_dtype, batch), stage
      ),
    )

  @functools.cached_property
  def metrics_fn(self) -> types.MetricsFn:
    """(params, batch) -> {"loss", "accuracy", "margin": f32[problems]}."""
    embed = self.embed
    return lambda params, batch: odd_one_out.problem_metrics(
      embed(params, batch)
    )

  @functools.cached_property
  def loss_fn(self) -> types.LossFn:
    """(params, batch) -> mean loss."""
    metrics_fn = self.metrics_fn
    return lambda params, batch: metrics_fn(params, batch)["loss"].mean()


class Domain(Protocol):
  """The data sets and the network of one experiment.

  Attributes:
    subroutines: names of the two subroutines.
    test_tasks: names of the test tasks, `base` first.
    stages: stages of the network, first to last.
    network: the model and its starting weights.
    frozen_network: the same model, computing in `search.compute_dtype`.
  """

  subroutines: tuple[str, ...]
  test_tasks: tuple[str, ...]
  stages: tuple[str, ...]
  network: Network
  frozen_network: Network

  def dataset_name(self, task: str) -> str:
    """Returns builder/config of one task."""

  def available(self, task: str) -> dict[str, int]:
    """Returns how many problems every split of a task has."""

  def separation(self) -> list[str]:
    """Says which data sets of the experiment share problems."""

  def encode(self, problems: np.ndarray) -> types.Batch:
    """Returns stored problems as the network reads them."""

  def masked_stages(self, masked_from: Any) -> Sequence[str]:
    """Returns the stages whose kernels are masked.

    Raises:
      UserError: there is no such first stage.
    """


class PictureDomain(Domain, Protocol):
  """A domain of pictures, in which a backbone can be pretrained."""

  def dataset_name(self, task: str, experiment: str = "") -> str:
    """Returns builder/config of one task, of another experiment if named."""

  def embed_images(self, params: types.Params, images: jax.Array) -> jax.Array:
    """Returns f32[N, features] of f32[N, image_size, image_size, 3] in 0..1."""
