"""Contrastive pretraining (SimCLR) on the pictures of odd-one-out problems.

Every picture of a batch is seen in two random views. The network learns to
embed the two views of a picture close to each other and far from all others
(Chen et al. 2020, NT-Xent; settings of Lepori, Serre & Pavlick 2023). Of the
result only the backbone is used: `with_backbone`.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from structcomp_jax import settings, trees, types
from structcomp_jax.engine import loop
from structcomp_jax.engine.plan import Machine, Plan
from structcomp_jax.training import augment, supervised

# (params, f32[N, height, width, 3] in 0..1) -> float[N, features].
EmbedFn = Callable[[types.Params, jax.Array], jax.Array]

# Learning rate at the end of the cosine, as a fraction of the first.
_FINAL_FRACTION = 1 / 50
# Shorter embeddings have no direction.
_SMALLEST_NORM = 1e-8


@dataclasses.dataclass(frozen=True, kw_only=True)
class SimclrConfig(Plan, Machine):
  """How a network is pretrained; the defaults are those of Lepori et al. 2023.

  All epochs are done. `batch_size` counts problems; each gives two pictures in
  two views. Validation has as many negatives as training, so that
  `eval_batch_size` is not used.

  Attributes (besides those of `engine.Plan` and `engine.Machine`):
    learning_rate: AdamW's step size in the first epoch. It follows a cosine,
      constant within an epoch, towards 1/50 after the last.
    weight_decay: of AdamW.
    tau: divides the cosine similarities.
  """

  num_epochs: int = 100
  batch_size: int = 128
  learning_rate: float = 5e-4
  weight_decay: float = 0.0
  tau: float = 0.07

  def __post_init__(self) -> None:
    """Raises UserError for values no training can run with."""
    self.train_config()
    settings.real("tau", self.tau, above=0)
    settings.real("weight_decay", self.weight_decay, least=0)
    if self.data_devices > 1:
      raise types.UserError(
        f"data_devices {self.data_devices} would leave each device with a part "
        "of the negatives only; set it to 1"
      )

  def train_config(self) -> supervised.TrainConfig:
    """Returns what the loop of all trainings needs to know."""
    parts = {
      field.name: getattr(self, field.name)
      for part in (Plan, Machine)
      for field in dataclasses.fields(part)
    }
    return supervised.TrainConfig(
      **parts
      | {
        "learning_rate": self.learning_rate,
        "patience": max(self.num_epochs, 1),  # None stops early.
        "eval_batch_size": self.batch_size,
      }
    )


def make_dataset(problems: Sequence[np.ndarray]) -> types.Batch:
  """Returns one regular picture and the odd one of every problem.

  Args:
    problems: u8[problems, 4, height, width, 3] of each task, odd one last.

  Returns:
    {"images": u8[all problems, 2, height, width, 3]}.
  """
  return {"images": np.concatenate([images[:, [0, -1]] for images in problems])}


def init_state(
  seed: jax.Array, params: types.Params, config: SimclrConfig
) -> supervised.TrainState:
  """Returns the state of one seed before its first step."""
  return supervised.init_state(
    seed, params, config.train_config(), optimizer=AdamW(config, 1)
  )


def run(
  embed_fn: EmbedFn,
  state: supervised.TrainState,
  dataset: types.Batch,
  validation: types.Batch,
  config: SimclrConfig,
  *,
  key: jax.Array,
  on_call: loop.OnCall | None = None,
  devices: Sequence[Any] | None = None,
) -> supervised.TrainState:
  """Pretrains stacked seeds; see `training.run` for what is common to both.

  The views of the training pictures depend on the seed and the step, those of
  the validation pictures on the problem alone: epochs are compared on the same
  views.

  Args:
    embed_fn: (params, f32[N, height, width, 3] in 0..1) -> float[N, features].
    state: stacked, from `init_state` or a checkpoint; its arrays are reused.
    dataset: {"images": u8[problems, 2, height, width, 3]}, pictures that share
      the random numbers of a view (Lepori et al. 2023).
    validation: the same; scored with as many negatives as a training batch.
    config: shared settings.
    key: base key of data order and views; one key, same bits.
    on_call: as for `training.run`. A row has "train/loss" and "validation/"
      followed by "loss", "top_1" and "top_5".
    devices: default: all of `jax.devices()`.

  Returns:
    The final state. The result is `best`, of the epoch with the highest
    validation top-5 accuracy, which is `-best.score`.

  Raises:
    UserError: the data set is smaller than a batch.
  """
  metrics_fn = Metrics(embed_fn, config.tau)
  validation, options = _options(dataset, validation, config, key)
  return supervised.run(
    Loss(metrics_fn),
    metrics_fn,
    state,
    dataset,
    validation,
    config.train_config(),
    on_call=on_call,
    devices=devices,
    **options,
  )


def make_job(
  embed_fn: EmbedFn,
  init: Callable[[], supervised.TrainState],
  rows: supervised.Seed,
  dataset: types.Batch,
  validation: types.Batch,
  config: SimclrConfig,
  *,
  key: jax.Array,
  devices: Sequence[Any] | None = None,
) -> loop.Job:
  """Returns the loop of a pretraining, which it does not check and not run.

  Args: those of `run`, with what makes the stacked state (`init`) and the
    seeds (`rows`) in its place.
  """
  metrics_fn = Metrics(embed_fn, config.tau)
  validation, options = _options(dataset, validation, config, key)
  return supervised.make_job(
    Loss(metrics_fn),
    metrics_fn,
    init,
    rows,
    dataset,
    validation,
    config.train_config(),
    devices=devices,
    **options,
  )


def _options(
  dataset: types.Batch,
  validation: types.Batch,
  config: SimclrConfig,
  key: jax.Array,
) -> tuple[types.Batch, dict[str, Any]]:
  """Returns validation data with keys, and how such a training differs."""
  order_key, view_key, validation_key = jax.random.split(key, 3)
  keys = jax.random.split(validation_key, trees.num_rows(validation))
  return {**validation, "key": keys}, {
    "key": order_key,
    "draw_key": view_key,
    "optimizer": AdamW(config, config.steps_per_epoch(dataset)),
    "score_fn": _minus_top_5,
  }


def learning_rate(config: SimclrConfig) -> optax.Schedule:
  """Returns epoch (from 0) -> learning rate of all its steps."""
  return optax.cosine_decay_schedule(
    config.learning_rate, config.num_epochs, alpha=_FINAL_FRACTION
  )


def contrast(embeddings: jax.Array, tau: float) -> dict[str, jax.Array]:
  """NT-Xent loss and rank of the other view, for every embedding.

  With s_ij = cos(e_i, e_j) / tau and p the other view of i,

    loss_i = -log(exp(s_ip) / sum_{j != i} exp(s_ij)).

  >>> apart = jnp.array([[[1.0, 0.0], [0.0, 1.0]]] * 2)
  >>> {k: round(v[0, 0].item(), 3) for k, v in contrast(apart, 0.5).items()}
  {'loss': 0.24, 'top_1': 1.0, 'top_5': 1.0}

  Args:
    embeddings: float[2, pictures, features], two views of every picture.
    tau: divides the cosines.

  Returns:
    Three f32[2, pictures]:
      loss: in nats.
      top_1, top_5: 1 where fewer than 1 or 5 others are at least as similar
        as the other view, else 0. A network that maps everything to one point
        gets 0.
  """
  num_views, num_pictures, num_features = embeddings.shape
  vectors = embeddings.astype(jnp.float32).reshape(-1, num_features)
  vectors /= optax.safe_norm(vectors, _SMALLEST_NORM, axis=-1, keepdims=True)
  similarities = (
    jnp.matmul(vectors, vectors.T, precision=jax.lax.Precision.HIGHEST) / tau
  )
  similarities = jnp.fill_diagonal(similarities, -jnp.inf, inplace=False)
  places = jnp.arange(num_views * num_pictures)
  partners = jnp.roll(places, num_pictures)
  positives = similarities[places, partners][:, None]
  # Not "greater": ties and NaN must not look like a good rank.
  rank = (~(similarities < positives)).sum(axis=1) - 1
  metrics = {
    "loss": optax.losses.softmax_cross_entropy_with_integer_labels(
      similarities, partners
    ),
    "top_1": (rank < 1).astype(jnp.float32),
    "top_5": (rank < 5).astype(jnp.float32),
  }
  return {
    name: value.reshape(num_views, num_pictures)
    for name, value in metrics.items()
  }


def make_views(keys: jax.Array, images: jax.Array) -> jax.Array:
  """Draws two views of every problem, the same for its pictures.

  Args:
    keys: keys[problems].
    images: u8 or float [problems, pictures, height, width, 3].

  Returns:
    f32[problems, 2, pictures, height, width, 3] in 0..1.
  """

  def view(key, pictures):
    return augment.apply(augment.draw(key), pictures)

  def both(key, pictures):
    return jax.vmap(view, in_axes=(0, None))(jax.random.split(key), pictures)

  return jax.vmap(both)(keys, images)


def with_backbone(
  pretrained: types.Params, fresh: types.Params, *, head: str = "head"
) -> types.Params:
  """Returns pretrained weights with a fresh head.

  Args:
    pretrained: e.g. the best of one seed.
    fresh: weights of the same network before any training.
    head: path of the part that is taken from `fresh`.

  Raises:
    UserError: the networks differ, or have no such part.
  """
  if _shapes(pretrained) != _shapes(fresh):
    raise types.UserError(
      "the pretrained network is of another model; pretrain this model first"
    )
  new_head = {
    path: leaf
    for path, leaf in trees.leaves_by_path(fresh).items()
    if path == head or path.startswith(f"{head}/")
  }
  if not new_head:
    raise types.UserError(
      f"the network has no part {head!r}; name its head, e.g. "
      f"{next(iter(trees.leaves_by_path(fresh))).partition('/')[0]!r}"
    )
  return trees.replace_leaves(pretrained, new_head)


def _shapes(params):
  return {
    path: jnp.shape(leaf) for path, leaf in trees.leaves_by_path(params).items()
  }


@dataclasses.dataclass(frozen=True)
class Metrics:
  """Metrics of an embedding, equal by value; batches have a field "key".

  Attributes:
    embed_fn: (params, pictures) -> float[N, features].
    tau: divides the cosines.
  """

  embed_fn: EmbedFn
  tau: float

  def __call__(
    self, params: types.Params, batch: types.Batch
  ) -> dict[str, jax.Array]:
    """Returns {"loss", "top_1", "top_5": f32[problems]}."""
    views = make_views(batch["key"], batch["images"])
    num_problems, _, num_pictures = views.shape[:3]
    embeddings = self.embed_fn(params, views.reshape(-1, *views.shape[3:]))
    embeddings = embeddings.reshape(num_problems, 2, num_pictures, -1)
    metrics = contrast(
      embeddings.swapaxes(0, 1).reshape(2, num_problems * num_pictures, -1),
      self.tau,
    )
    return {
      name: value.reshape(2, num_problems, num_pictures).mean(axis=(0, 2))
      for name, value in metrics.items()
    }


@dataclasses.dataclass(frozen=True)
class Loss:
  """The mean loss of `Metrics`, equal by value."""

  metrics: Metrics

  def __call__(self, params: types.Params, batch: types.Batch) -> jax.Array:
    """Returns the mean over the problems of a batch."""
    return self.metrics(params, batch)["loss"].mean()


@dataclasses.dataclass(frozen=True)
class AdamW:
  """AdamW whose learning rate changes from epoch to epoch, equal by value.

  Attributes:
    config: of the pretraining.
    steps_per_epoch: full batches of the training set.
  """

  config: SimclrConfig
  steps_per_epoch: int

  def init(self, params: types.Params) -> Any:
    """Returns the state of the optimiser."""
    return self._transformation().init(params)

  def update(self, gradient: Any, state: Any, params: Any) -> tuple[Any, Any]:
    """Returns what is added to the weights, and the new state."""
    return self._transformation().update(gradient, state, params)

  def _transformation(self) -> optax.GradientTransformation:
    schedule = learning_rate(self.config)
    return optax.adamw(
      lambda step: schedule(step // self.steps_per_epoch),
      weight_decay=self.config.weight_decay,
    )


def _minus_top_5(metrics):
  """A network with a non-finite loss has no score."""
  return jnp.where(
    jnp.isfinite(metrics["loss"]), -metrics["top_5"], jnp.float32(jnp.inf)
  )
