"""Class removal, and the stability of masks: networks that read pictures."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from structcomp_jax import types
from structcomp_jax.io.tables import Schema
from structcomp_jax.models import cnn, resnet
from structcomp_jax.pipeline.sizes import make_sizes
from structcomp_jax.studies.are_nets_modular.columns import (
  IMAGE_TABLES,
  SCHEMAS,
)
from structcomp_jax.studies.are_nets_modular.domain import CONTROL, EVERYTHING
from structcomp_jax.studies.are_nets_modular.image_network import ImageNetwork
from structcomp_jax.studies.are_nets_modular.image_tests import ImageTests
from structcomp_jax.tasks import images

EXPERIMENTS = ("cifar10",)
_ALL = "all"
_WITHOUT, _AND = "without_", "_and_"
REMOVE_CLASS, CLASS_PAIR = "remove_class", "class_pair"
_FAMILIES = ("cnn", "resnet")
# Which mask's output layer the others have: of none, of the control mask, or of
# the first mask of the first subtask.
HOLDS = ("off", CONTROL, "first")
RUNNING, RECALIBRATED = "running", "recalibrated"
CHOICES = {
  "data.policy": ("published",),
  "data.source": ("digits", "cifar10", "cifar10_all"),
  "data.subtasks": (REMOVE_CLASS, CLASS_PAIR),
  "model.family": _FAMILIES,
  "search.hold_output": HOLDS,
  "evaluation.statistics": (RUNNING, RECALIBRATED),
  "regimes": ("scratch", "random_init"),
}


@dataclasses.dataclass(frozen=True, eq=False)
class Images:
  """One experiment with pictures; see `domain.Domain`.

  Attributes:
    source: where the pictures come from, a name in `images.SOURCES`.
  """

  network: ImageNetwork
  frozen_network: ImageNetwork
  subroutines: Mapping[str, str]
  source: str
  loss_draws: bool
  masked: str = EVERYTHING
  tests: type[ImageTests] = ImageTests
  tables: Mapping[str, Schema] = dataclasses.field(
    default_factory=lambda: {**SCHEMAS, **IMAGE_TABLES}
  )
  only_tasks: Mapping[str, str] = dataclasses.field(default_factory=dict)

  @property
  def classes(self) -> tuple[str, ...]:
    return tuple(images.SOURCES[self.source].classes)

  @property
  def test_tasks(self) -> tuple[str, ...]:
    return self.classes

  def tasks(self) -> list[str]:
    return [*self.subroutines.values(), *self.classes]

  def dataset_name(self, task: str) -> str:
    return f"images/{self.source}"

  def available(self, task: str) -> Mapping[str, int]:
    return images.SOURCES[self.source].split_sizes

  def sample(self, num_problems: int) -> np.ndarray:
    """Noise."""
    return images.noise(self.source, num_problems)

  def encode(self, task: str, problems: np.ndarray) -> types.Batch:
    pixels, labels = images.pixels_and_labels(self.source, problems)
    rows = self._rows(task, labels)
    if task in self.subroutines and task != CONTROL:
      rows = rows[: self._fewest(labels)]
    if not len(rows):
      raise types.UserError(
        f"none of {len(problems)} pictures of a split belongs to {task}; "
        "raise data.num_problems"
      )
    return {"images": pixels[rows], "label": labels[rows]}

  def separation(self) -> list[str]:
    return images.separation(self.source)

  def ends(self) -> tuple[Sequence[str], Sequence[str]]:
    """None: all classes enter and leave by the same weights."""
    return (), ()

  def halves(self, paths: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """The first half of the stages, which are early, and the others."""
    stages = self.network.stages
    early = stages[: -(-len(stages) // 2)]
    return {"early": [path for path in paths if path.split("/")[0] in early]}

  def outputs(self) -> tuple[str, Sequence[str]]:
    return "", ()

  def output_leaves(self) -> tuple[str, ...]:
    """Regexes of the leaves of the last layer."""
    return (f"{self.network.stages[-1]}/.*",)

  def copied(self, params: types.Params) -> types.Params | None:
    return None

  def _rows(self, task: str, labels: np.ndarray) -> np.ndarray:
    """Returns which pictures belong to a task."""
    return np.flatnonzero(np.isin(labels, self._labels_of(task)))

  def _fewest(self, labels: np.ndarray) -> int:
    """Returns the pictures of the subtask that has the fewest.

    All subtasks have as many, the first ones, so that one program serves them.
    """
    return min(
      len(self._rows(task, labels))
      for name, task in self.subroutines.items()
      if name != CONTROL
    )

  def _labels_of(self, task: str) -> list[int]:
    """Returns the numbers of the classes that a task has."""
    if task == _ALL:
      return list(range(len(self.classes)))
    if task.startswith(_WITHOUT):
      removed = task.removeprefix(_WITHOUT)
      return [
        number for number, name in enumerate(self.classes) if name != removed
      ]
    return [self.classes.index(name) for name in task.split(_AND)]


def removed_class(subroutine: str) -> str:
  """Returns the class that the mask of a subroutine has not seen, or "".

  >>> removed_class("without_cat"), removed_class("control")
  ('cat', '')
  """
  if not subroutine.startswith(_WITHOUT):
    return ""
  return subroutine.removeprefix(_WITHOUT)


def make(config: ConfigDict) -> Images:
  """Makes the network that the config describes, and what it reads.

  Raises:
    UserError: sizes fit nothing.
  """
  network = _network(config)
  classes = images.SOURCES[config.data.source].classes
  if config.data.subtasks == REMOVE_CLASS:
    subtasks = [_WITHOUT + name for name in classes]
  else:
    subtasks = class_pairs(classes, config.data.num_pairs, config.seed)
  dropouts = getattr(network.model.config, "dropouts", ())
  return Images(
    network=network.in_dtype("float32"),
    frozen_network=network.frozen().in_dtype(config.search.compute_dtype),
    subroutines={CONTROL: _ALL, **{name: name for name in subtasks}},
    source=config.data.source,
    loss_draws=network.augments or any(dropouts),
  )


def class_pairs(classes: Sequence[str], num_pairs: int, seed: int) -> list[str]:
  """Returns names of random pairs of classes, without repetition.

  Csordás et al. 2021 draw from all ordered pairs.

  Raises:
    UserError: there are not so many.
  """
  pairs = list(itertools.combinations(range(len(classes)), 2))
  if not 1 <= num_pairs <= len(pairs):
    raise types.UserError(
      f"data.num_pairs {num_pairs} is not usable; give 1 to {len(pairs)}"
    )
  chosen = np.random.default_rng(seed).permutation(len(pairs))[:num_pairs]
  return [
    _AND.join(classes[number] for number in pairs[index]) for index in chosen
  ]


def _network(config: ConfigDict) -> ImageNetwork:
  source = images.SOURCES[config.data.source]
  common: dict[str, Any] = {
    "shape": (source.side, source.side, source.channels),
    "num_classes": len(source.classes),
    "mean": tuple(source.mean),
    "std": tuple(source.std),
    "augments": config.data.augment,
  }
  if config.model.family == "cnn":
    ends = {"num_inputs": source.channels, "num_outputs": len(source.classes)}
    model: Any = cnn.Cnn(make_sizes(config.model, cnn.CnnConfig, **ends))
    return ImageNetwork(model, **common)
  model = resnet.ResNet(
    make_sizes(
      config.model,
      resnet.ResNetConfig,
      head_sizes=(len(source.classes),),
      normalized=True,
    )
  )
  return ImageNetwork(
    model, has_statistics=model.config.norm == "batch", **common
  )
