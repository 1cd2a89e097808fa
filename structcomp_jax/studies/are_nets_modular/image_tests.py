"""What the study measures of networks that read pictures, besides the rest."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from structcomp_jax import evaluation, masks, trees, types
from structcomp_jax.pipeline import mask_sets
from structcomp_jax.pipeline.mask_tests import LEARNED, RANDOM, Measured
from structcomp_jax.pipeline.parts import Part
from structcomp_jax.studies.are_nets_modular import gradient_cosine
from structcomp_jax.studies.are_nets_modular.domain import CONTROL
from structcomp_jax.studies.are_nets_modular.mask_tests import Tests

# A mask whose network normalises by statistics of its own.
RECALIBRATED = "none_recalibrated"
# Training batches that these are taken from.
_NUM_BATCHES = 20


class ImageTests(Tests):
  """Also confusions, cosines of gradients, and other running statistics."""

  def mask_part(
    self,
    subroutine: str,
    found: mask_sets.MaskSet,
    index: int,
    metrics: Mapping[tuple[str, str], evaluation.TaskMetrics],
    dense: Mapping[str, Measured],
  ) -> Part:
    """Returns the rows of one mask."""
    part = super().mask_part(subroutine, found, index, metrics, dense)
    mask = trees.row(found.stacked, index)
    which = self._which(subroutine, found.settings[index])
    part["confusions"] = self._confusion_rows(
      which, trees.row(metrics[LEARNED, "none"], index)
    )
    if "recalibrated" in self._settings.statistics:
      part["results"] += self._recalibrated_rows(part["results"], mask, found)
    part["gradients"] = []
    if subroutine in self._gradient_subroutines():
      random = trees.row(self.random_masks(subroutine, found), index)
      for name, one in ((LEARNED, mask), (RANDOM, random)):
        part["gradients"] += self._gradient_rows(which | {"mask": name}, one)
    return part

  @property
  def _settings(self) -> Any:
    return self.frozen.work.config.evaluation

  def _gradient_subroutines(self) -> tuple[str, ...]:
    """Returns the subtasks whose masks are compared by gradients."""
    subtasks = [one for one in self.study.subroutines if one != CONTROL]
    return tuple(subtasks[: self._settings.num_gradients])

  def _confusion_rows(
    self, which: Mapping[str, Any], measured: evaluation.TaskMetrics
  ) -> list[dict[str, Any]]:
    """Returns the share of every answer, class by class."""
    classes = self.study.domain.classes
    return [
      {
        **which,
        "true": true,
        "predicted": predicted,
        "share": measured[true][f"predicted_{number}"],
      }
      for true in classes
      for number, predicted in enumerate(classes)
    ]

  def _recalibrated_rows(
    self,
    rows: list[dict[str, Any]],
    mask: types.AnyMask,
    found: mask_sets.MaskSet,
  ) -> list[dict[str, Any]]:
    """Returns the rows of a mask again, with statistics of its own.

    Mean and variance before every norm are measured under the mask, in batches
    of the training pictures of the whole task.
    """
    network = self.study.frozen_network
    kept = {path: jnp.asarray(leaf) for path, leaf in mask.items()}
    params = network.recalibrated(
      masks.merge(self.frozen.params, kept), self._batches("train")
    )
    measured = evaluation.evaluate(
      network.metrics_fn,
      params,
      found.spec,
      {LEARNED: evaluation.dense(found.spec)},
      {
        task: self.frozen.work.load(task, "test")
        for task in self.study.test_tasks
      },
      key=self.key("ablation", CONTROL),
      batch_size=self._settings.batch_size,
    )[LEARNED]
    return [
      {
        **row,
        "ablation": RECALIBRATED,
        "accuracy": measured[row["test_task"]]["accuracy"][0],
        "loss": measured[row["test_task"]]["loss"][0],
      }
      for row in rows
      if row["ablation"] == "none"
    ]

  def _gradient_rows(
    self, which: Mapping[str, Any], mask: types.AnyMask
  ) -> list[dict[str, Any]]:
    """Returns the cosines of gradients, one more stage masked in each."""
    network = self.study.frozen_network
    found = gradient_cosine.by_depth(
      network.loss_fn,
      self.frozen.params,
      mask,
      network.stages,
      self._batches("validation"),
    )
    return [
      {**which, "num_masked": num_masked, "leaf": leaf, "cosine": value}
      for num_masked, values in enumerate(found)
      for leaf, value in values.items()
      if not np.isnan(value)
    ]

  def _batches(self, split: str) -> types.Batch:
    """Returns full batches of the pictures of all classes, some of training."""
    task = self.study.domain.tasks()[0]
    examples = self.frozen.work.load(task, split)
    count = trees.num_rows(examples)
    size = min(self.study.config.training.batch_size, count)
    number = count // size
    if split == "train":
      number = min(number, _NUM_BATCHES)
    return jax.tree.map(
      lambda array: array[: number * size].reshape(
        number, size, *array.shape[1:]
      ),
      dict(examples),
    )
