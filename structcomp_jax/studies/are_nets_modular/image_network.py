"""The network that tells what is in a picture."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax

from structcomp_jax import trees, types
from structcomp_jax.models.layers.batch_norm import STATISTICS
from structcomp_jax.pipeline.staged_network import StagedNetwork

# Share of the running statistics that a batch replaces (PyTorch's default).
_MOMENTUM = 0.1
# Zeros around a picture, of which a random part is cut out in training.
_MARGIN = 4


@dataclasses.dataclass(frozen=True)
class ImageNetwork(StagedNetwork):
  """A classifier; batches are {"images": u8[N, side, side, channels], "label"}.

  Attributes (besides those of `StagedNetwork`):
    shape: of a picture.
    num_classes: what it tells apart.
    mean, std: of every channel, over the pictures for training.
    is_flat: the model reads all pixels as one row of features.
    augments: the loss sees pictures that are shifted and mirrored at random.
    has_statistics: the model has running statistics, which training moves.
  """

  shape: tuple[int, int, int] = (1, 1, 1)
  num_classes: int = 10
  mean: tuple[float, ...] = (0.0,)
  std: tuple[float, ...] = (1.0,)
  is_flat: bool = False
  augments: bool = False
  has_statistics: bool = False

  @property
  def moving_loss_fn(self) -> "MovingLoss | None":
    """The loss that also moves running statistics, where there are any."""
    return MovingLoss(self) if self.has_statistics else None

  def init(self, key: jax.Array) -> types.Params:
    """Returns fresh weights."""
    blank = jnp.zeros((1, *self.shape), jnp.uint8)
    params: types.Params = self.model.init(key, self._inputs(blank))["params"]
    return params

  def loss(self, params: types.Params, batch: types.Batch) -> jax.Array:
    """Returns the mean loss; a "key" in the batch draws dropout and shifts."""
    inputs, options = self._drawn(batch)
    logits = self.apply(params, inputs, **options)
    return _losses(logits, batch["label"]).mean()

  def metrics(
    self, params: types.Params, batch: types.Batch
  ) -> dict[str, jax.Array]:
    """Returns {"loss", "accuracy", "predicted_0", ...: f32[batch]}.

    `predicted_<class>` is 1 where the network answers with that class.
    """
    inputs = batch if self.stage else self._inputs(batch["images"])
    logits = self.apply(params, inputs)
    answer = jax.lax.argmax(logits, 1, jnp.int32)
    return {
      "loss": _losses(logits, batch["label"]),
      "accuracy": (answer == batch["label"]).astype(jnp.float32),
      **{
        f"predicted_{number}": (answer == number).astype(jnp.float32)
        for number in range(self.num_classes)
      },
    }

  def features_before(
    self, params: types.Params, batch: types.Batch, stage: str
  ) -> types.Batch:
    """Returns what enters a stage, and the label."""
    features: types.Batch = self.model.apply(
      {"params": params},
      self._inputs(batch["images"]),
      stage,
      method="features_before",
    )
    return {**features, "label": batch["label"]}

  def frozen(self) -> "ImageNetwork":
    """Returns the network that drops nothing."""
    config: Any = self.model.config
    if not hasattr(config, "dropouts"):
      return self
    rates = tuple(0.0 for _ in config.dropouts)
    still = self.model.clone(config=dataclasses.replace(config, dropouts=rates))
    return dataclasses.replace(self, model=still)

  def moving_loss(
    self, params: types.Params, batch: types.Batch
  ) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Returns the mean loss, and {path: moved running statistic}."""
    inputs, options = self._drawn(batch)
    logits, updated = self.apply(
      params, inputs, mutable=[STATISTICS], **options
    )
    found = trees.leaves_by_path(updated[STATISTICS])
    leaves = trees.leaves_by_path(params)
    return _losses(logits, batch["label"]).mean(), {
      path: (1 - _MOMENTUM) * leaves[path] + _MOMENTUM * value
      for path, value in found.items()
    }

  @functools.partial(jax.jit, static_argnums=0)
  def recalibrated(
    self, params: types.Params, batches: types.Batch
  ) -> types.Params:
    """Returns the network with the statistics of some batches.

    Args:
      params: weights, those of a masked network for example.
      batches: {name: array [batches, batch, ...]}.
    """

    def of_batch(batch):
      inputs = self._inputs(batch["images"])
      _, updated = self.apply(params, inputs, mutable=[STATISTICS])
      return trees.leaves_by_path(updated[STATISTICS])

    found = jax.lax.map(of_batch, dict(batches))
    means = {path: values.mean(0) for path, values in found.items()}
    return trees.replace_leaves(params, means)

  def _drawn(self, batch: types.Batch) -> tuple[types.Batch, dict[str, Any]]:
    """Returns what the model reads in training, and what it draws with."""
    if self.stage:
      return batch, {}
    images, options = batch["images"], {}
    if "key" in batch:
      options = {"rngs": {"dropout": batch["key"][0]}}
      if self.augments:
        images = jax.vmap(_shifted)(batch["key"], images)
    return self._inputs(images), options

  def _inputs(self, images: jax.Array) -> types.Batch:
    """Returns normalised pictures under the name that the model reads."""
    values = images.astype(jnp.float32)
    values = (values - jnp.array(self.mean)) / jnp.array(self.std)
    if self.is_flat:
      return {"features": values.reshape(len(values), -1)}
    return {"images": values}


@dataclasses.dataclass(frozen=True)
class MovingLoss:
  """The loss of a network with running statistics, equal by value."""

  network: ImageNetwork

  def __call__(
    self, params: types.Params, batch: types.Batch, /
  ) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Returns f32, and {path: moved running statistic}."""
    return self.network.moving_loss(params, batch)


def _losses(logits: jax.Array, label: jax.Array) -> jax.Array:
  """Returns f32[batch], the cross-entropy."""
  return optax.softmax_cross_entropy_with_integer_labels(logits, label)


def _shifted(key: jax.Array, image: jax.Array) -> jax.Array:
  """Returns a picture moved by up to four pixels and mirrored at random."""
  place_key, mirror_key = jax.random.split(key)
  around = ((_MARGIN, _MARGIN), (_MARGIN, _MARGIN), (0, 0))
  start = jax.random.randint(place_key, (2,), 0, 2 * _MARGIN + 1)
  moved = jax.lax.dynamic_slice(
    jnp.pad(image, around), (*start, 0), image.shape
  )
  is_mirrored = jax.random.bernoulli(mirror_key)
  return jnp.where(is_mirrored, moved[:, ::-1], moved)
