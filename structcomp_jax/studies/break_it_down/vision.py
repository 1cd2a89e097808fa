"""The vision domain: pictures of shapes, ResNets and ViTs."""

import dataclasses
from collections.abc import Callable

import numpy as np
from ml_collections import ConfigDict

from structcomp_jax import types
from structcomp_jax.models import resnet, staged, vit
from structcomp_jax.pipeline import checks
from structcomp_jax.pipeline.sizes import make_sizes
from structcomp_jax.studies.break_it_down.network import (
  EmbedImages,
  Input,
  OddOneOutNetwork,
)
from structcomp_jax.tasks.odd_one_out import nonsense, shapes
from structcomp_jax.tasks.odd_one_out.shapes import appearance, drawing, resize

EXPERIMENTS = tuple(shapes.EXPERIMENTS)
# {family: `config.model` -> network}
_FAMILIES: dict[str, Callable[[ConfigDict], staged.Staged]] = {
  "resnet": lambda model: resnet.ResNet(make_sizes(model, resnet.ResNetConfig)),
  "vit": lambda model: vit.ViT(
    make_sizes(model, vit.ViTConfig, image_size=model.image_size)
  ),
}
CHOICES = {
  "data.policy": shapes.POLICIES,
  "regimes": ("scratch", "simclr", "pruned", "random_init"),
  "model.family": tuple(_FAMILIES),
  "model.resize": tuple(resize.RESIZES),
  "simclr.tasks": EXPERIMENTS,
}
# Nonsense properties are read from so many places.
_NUM_PLACES = 2
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
    config: of the experiment.
    pretrained: None; pretraining is a step of the experiment.
  """

  subroutines: tuple[str, ...]
  test_tasks: tuple[str, ...]
  network: OddOneOutNetwork
  frozen_network: OddOneOutNetwork
  config: ConfigDict
  pretrained: None = None

  def dataset_name(self, task: str, experiment: str = "") -> str:
    name = shapes.DatasetName(
      experiment or self.config.experiment, task, self.config.data.policy
    )
    return f"shape_subroutines/{name}"

  def available(self, task: str) -> dict[str, int]:
    return shapes.split_sizes(task)

  def assumptions(self) -> list[str]:
    return []

  def sample(self, num_problems: int) -> np.ndarray:
    """Noise."""
    shape = (num_problems, 4, drawing.SIDE, drawing.SIDE, 3)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)

  def separation(self) -> list[str]:
    """Nothing to say: every problem of every data set is drawn afresh."""
    return []

  def encode(self, problems: np.ndarray) -> types.Batch:
    """{"images": u8[N, 4, image_size, image_size, 3]}."""
    model = self.config.model
    images = resize.resize(problems, model.image_size, model.resize)
    return {"images": images}

  @property
  def embed_images(self) -> EmbedImages:
    """(params, f32[N, height, width, 3] in 0..1) -> f32[N, features]."""
    return EmbedImages(self.network.model)

  def nonsense(
    self, place: int, number: int
  ) -> Callable[[np.ndarray], types.Batch]:
    """Deals pictures by a random bit of where their lines are.

    The first property is read from top to bottom, the second one from left to
    right.
    """
    seed = _NUM_PLACES * number + place
    bits = nonsense.random_bits(range(appearance.NUM_BANDS), seed)

    def encode(problems: np.ndarray) -> types.Batch:
      pictures = problems.reshape(-1, *problems.shape[2:])
      bands = appearance.bands(pictures)[:, place].tolist()
      places = nonsense.deal(bands, bits, seed=seed)
      images = self.encode(problems)["images"]
      return {"images": images.reshape(-1, *images.shape[2:])[places]}

    return encode

  def masked_stages(self, masked_from: str | int) -> tuple[str, ...]:
    """Every stage from `masked_from` on, and the head (published)."""
    choices = [stage for stage in self.network.stages if stage != _HEAD]
    chosen = staged.stages_from(choices, masked_from, name="masked_from")
    return (*chosen, _HEAD)


def make(config: ConfigDict) -> Vision:
  """Makes the network that the config describes.

  Raises:
    UserError: its sizes fit nothing.
  """
  side = config.model.image_size
  with checks.section("model"):
    resize.check_size(drawing.SIDE, side)
  spec = shapes.experiment_spec(config.experiment)
  network = OddOneOutNetwork(
    model=_FAMILIES[config.model.family](config.model),
    inputs=(Input("images", (side, side, 3), "uint8"),),
  )
  return Vision(
    subroutines=spec.subroutines,
    test_tasks=spec.test_tasks,
    network=network.in_dtype("float32"),
    frozen_network=network.in_dtype(config.search.compute_dtype),
    config=config,
  )
