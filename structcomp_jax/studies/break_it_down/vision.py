"""The vision domain: pictures of shapes, ResNets and ViTs."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from structcomp_jax import types
from structcomp_jax.models import resnet, vit
from structcomp_jax.pipeline.checks import section
from structcomp_jax.studies.break_it_down.domain import Network
from structcomp_jax.tasks.odd_one_out import shapes
from structcomp_jax.tasks.odd_one_out.shapes import drawing, resize

EXPERIMENTS = tuple(shapes.EXPERIMENTS)
# {family: (config of a model, model of its sizes, stages of its sizes)}
_FAMILIES: dict[
  str,
  tuple[
    Callable[[ConfigDict], Any],
    Callable[[Any], resnet.ResNet | vit.ViT],
    Callable[[Any], Sequence[str]],
  ],
] = {
  "resnet": (
    lambda model: resnet.ResNetConfig(**model.sizes),
    resnet.ResNet,
    resnet.stages,
  ),
  "vit": (
    lambda model: vit.ViTConfig(image_size=model.image_size, **model.sizes),
    vit.ViT,
    vit.stages,
  ),
}
CHOICES = {
  "data.policy": shapes.POLICIES,
  "regimes": ("scratch", "simclr", "pruned", "random_init"),
  "model.family": tuple(_FAMILIES),
  "model.resize": tuple(resize.RESIZES),
  "simclr.tasks": EXPERIMENTS,
}
# The published searches mask the two matrices of the head in any case.
_HEAD = "head"


@dataclasses.dataclass(frozen=True, eq=False)
class Vision:
  """One vision experiment; see `domain.Domain`.

  Attributes:
    subroutines: names of the two subroutines.
    test_tasks: names of the six test tasks.
    network: a ResNet or ViT.
    frozen_network: the same, computing in `search.compute_dtype`.
    model: its linen module.
    stages: its stages, first to last.
    config: of the experiment.
  """

  subroutines: tuple[str, ...]
  test_tasks: tuple[str, ...]
  network: Network
  frozen_network: Network
  model: resnet.ResNet | vit.ViT
  stages: tuple[str, ...]
  config: ConfigDict

  def dataset_name(self, task: str, experiment: str = "") -> str:
    name = shapes.DatasetName(
      experiment or self.config.experiment, task, self.config.data.policy
    )
    return f"shape_subroutines/{name}"

  def available(self, task: str) -> dict[str, int]:
    return shapes.split_sizes(task)

  def separation(self) -> list[str]:
    """Nothing to say: every problem of every data set is drawn afresh."""
    return []

  def encode(self, problems: np.ndarray) -> types.Batch:
    """{"images": u8[N, 4, image_size, image_size, 3]}."""
    model = self.config.model
    images = resize.resize(problems, model.image_size, model.resize)
    return {"images": images}

  def embed_images(self, params: types.Params, images: jax.Array) -> jax.Array:
    """Returns f32[N, features] of f32[N, image_size, image_size, 3] in 0..1."""
    features: Any = self.model.apply({"params": params}, images)
    return features

  def masked_stages(self, masked_from: str) -> tuple[str, ...]:
    """Every stage from `masked_from` on, and the head (published)."""
    choices = [stage for stage in self.stages if stage != _HEAD]
    if masked_from not in choices:
      raise types.UserError(
        f"masked_from {masked_from!r} is not a stage of the network; "
        f"choose from {', '.join(choices)}"
      )
    return self.stages[self.stages.index(masked_from) :]


def make(config: ConfigDict) -> Vision:
  """Makes the network that the config describes.

  Raises:
    UserError: its sizes fit nothing.
  """
  sizes_of, model_class, stages = _FAMILIES[config.model.family]
  with section("model"):
    resize.check_size(drawing.SIDE, config.model.image_size)
    try:
      sizes = sizes_of(config.model)
    except TypeError as error:
      raise types.UserError(
        f"model.sizes does not describe a {config.model.family} ({error}); "
        "start from a variant of that family"
      ) from error
  spec = shapes.experiment_spec(config.experiment)
  model, image_size = model_class(sizes), config.model.image_size
  return Vision(
    subroutines=spec.subroutines,
    test_tasks=spec.test_tasks,
    network=_network(model, image_size, "float32"),
    frozen_network=_network(model, image_size, config.search.compute_dtype),
    model=model,
    stages=tuple(stages(sizes)),
    config=config,
  )


def _network(
  model: resnet.ResNet | vit.ViT, image_size: int, dtype: str
) -> Network:
  """Returns the network, which embeds every picture on its own."""
  model = model.clone(dtype=jnp.dtype(dtype))

  def init(key):
    image = jnp.zeros((1, image_size, image_size, 3), jnp.uint8)
    return model.init(key, image)["params"]

  def apply(params, items, **kwargs):
    """Applies the model to the items of all problems at once."""
    num_problems, num_items = items.shape[:2]
    result: Any = model.apply(
      {"params": params}, items.reshape(-1, *items.shape[2:]), **kwargs
    )
    return result.reshape(num_problems, num_items, *result.shape[1:])

  def features_before(params, batch, stage):
    return {
      "features": apply(
        params, batch["images"], stage=stage, method="features_before"
      )
    }

  return Network(
    init=init,
    embed=lambda params, batch: apply(params, batch["images"]),
    features_before=features_before,
    embed_from=lambda params, batch, stage: apply(
      params, batch["features"], stage=stage, method="from_stage"
    ),
    dtype=dtype,
  )
