"""What a base network and its masks add to the tables, part by part.

A part is the dense network, or one mask; only those that are not stored are
computed. A study says which networks it makes of a mask, and what it measures.
"""

import abc
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from structcomp_jax import evaluation, masks, trees
from structcomp_jax.pipeline import mask_sets, parts
from structcomp_jax.pipeline.frozen import FrozenNetwork
from structcomp_jax.pipeline.parts import Part
from structcomp_jax.pipeline.tables import SETTINGS

LEARNED = "learned"
RANDOM = "random_matched"
# Digest of the part of the dense network, and the group of its variant.
_DENSE = "dense"
# {metric: number} of one network on one test task.
Measured = Mapping[str, Any]
# {(group, ablation): networks}; the group `LEARNED` goes to results.csv, every
# other one is a control and goes to controls.csv.
Variants = dict[tuple[str, str], evaluation.Variant]
_random_like = jax.jit(jax.vmap(masks.random_like))


class MaskTests(abc.ABC):
  """The tests of one base network.

  Attributes:
    study: the study, with `subroutines`, `test_tasks` and `tables`.
    frozen: the network.
    regime, base_seed: of the network.
    masks: {subroutine: its usable masks}.
    digests: {digest: (subroutine, row of its masks)} of all parts, in the order
      of the tables.
  """

  def __init__(
    self,
    study: Any,
    frozen: FrozenNetwork,
    regime: str,
    base_seed: int,
    *,
    has_masks: bool = True,
  ):
    """Reads the masks of the network.

    Args:
      study, frozen, regime, base_seed: see the class.
      has_masks: False: masks are never searched in such networks, and the
        dense one alone is tested.

    Raises:
      UserError: masks are missing, torn, or of another network.
    """
    self.study, self.frozen = study, frozen
    self.regime, self.base_seed = regime, base_seed
    paths = frozen.work.paths
    self.masks = {
      subroutine: mask_sets.load_finished(
        frozen, paths.masks(regime, base_seed, subroutine)
      ).usable()
      for subroutine in (study.subroutines if has_masks else ())
    }
    self.digests: dict[str, tuple[str, int]] = {
      f"{_DENSE} {frozen.fingerprint}": ("", 0)
    }
    for subroutine, found in self.masks.items():
      for row, setting in enumerate(found.settings):
        mask = trees.fingerprint(trees.row(found.stacked, row))
        digest = f"{frozen.fingerprint} {subroutine} {mask} {setting}"
        digest += self.also_depends_on(subroutine, row)
        self.digests[digest] = (subroutine, row)

  @abc.abstractmethod
  def variants(self, subroutine: str, found: mask_sets.MaskSet) -> Variants:
    """Returns the networks to make of some masks of a subroutine."""

  @abc.abstractmethod
  def measures(
    self, task: str, measured: Measured, dense: Mapping[str, Measured]
  ) -> dict[str, Any]:
    """Returns the study's own columns of a network on a test task.

    Args:
      task: the test task.
      measured: of the network.
      dense: {test task: of the network without a mask}.
    """

  def also_depends_on(self, subroutine: str, row: int) -> str:
    """Returns a digest of what the part of a mask needs beside the mask."""
    return ""

  def comparisons(self) -> Mapping[str, Callable[[], Part]]:
    """Returns {digest: makes a part} of what is about several masks."""
    return {}

  def num_problems(self, task: str) -> int:
    """Returns the number of problems of a test task."""
    return int(self.study.datasets[task].sizes["test"])

  def mask_columns(self, density: float | None) -> dict[str, Any]:
    """Returns the study's own columns of a mask; None: there is no mask."""
    return {"density": density}

  def parts(self) -> tuple[list[Part], bool]:
    """Returns all parts, and whether some had to be computed.

    Raises:
      UserError: networks or masks are missing, torn, or do not belong together.
    """
    comparisons = self.comparisons()

    def make(digests):
      found = {one: comparisons[one]() for one in digests if one in comparisons}
      return found | self.make([one for one in digests if one not in found])

    return parts.recall(
      self.frozen.work.paths.evaluation(self.regime, self.base_seed),
      [*self.digests, *comparisons],
      self.study.tables,
      make,
    )

  def make(self, digests: Sequence[str]) -> dict[str, Part]:
    """Returns {digest: part}, evaluated with one program per subroutine."""
    wanted = [self.digests[digest] for digest in digests]
    made: dict[tuple[str, int], Part] = {}
    dense: Mapping[str, Measured] = {}
    for subroutine, found in self.masks.items():
      rows = [row for name, row in wanted if name == subroutine]
      if rows:
        chosen = found.rows(rows)
        metrics = self._evaluate(subroutine, chosen)
        # The dense network is tested beside masks, so that one program serves
        # all subroutines.
        dense = dense or trees.row(metrics[_DENSE, "none"], 0)
        for index, row in enumerate(rows):
          made[subroutine, row] = self.mask_part(
            subroutine, chosen, index, metrics, dense
          )
    if ("", 0) in wanted:
      dense = dense or self._evaluate_dense()
      made["", 0] = {"results": self._dense_rows(dense)}
    self.frozen.forget_features()
    return {digest: made[self.digests[digest]] for digest in digests}

  def random_masks(self, subroutine: str, found: mask_sets.MaskSet) -> Any:
    """Returns random masks that keep as many weights in every leaf."""
    key = self.key("control", subroutine)
    keys = jax.vmap(lambda seed: jax.random.fold_in(key, seed))(
      np.array(found.seeds)
    )
    return _random_like(found.stacked, keys)

  def _evaluate(
    self, subroutine: str, found: mask_sets.MaskSet
  ) -> dict[tuple[str, str], evaluation.TaskMetrics]:
    """Tests networks of some masks, of their controls, and the dense one."""
    dense = {(_DENSE, "none"): evaluation.dense(found.spec)}
    return self.frozen.evaluate(
      found.masked_from,
      self.variants(subroutine, found) | dense,
      self.study.test_tasks,
      "test",
      key=self.key("ablation", subroutine),
    )

  def _evaluate_dense(self) -> Mapping[str, Measured]:
    """Tests the dense network alone."""
    masked_from = next(
      (found.masked_from for found in self.masks.values()),
      self.frozen.work.config.search.masked_from[0],
    )
    metrics = self.frozen.evaluate(
      masked_from,
      {_DENSE: evaluation.dense(self.frozen.mask_spec(masked_from))},
      self.study.test_tasks,
      "test",
      key=self.key("ablation", self.study.subroutines[0]),
    )
    return trees.row(metrics[_DENSE], 0)

  def mask_part(
    self,
    subroutine: str,
    found: mask_sets.MaskSet,
    index: int,
    metrics: Mapping[tuple[str, str], evaluation.TaskMetrics],
    dense: Mapping[str, Measured],
  ) -> Part:
    """Returns the rows of one mask and of its controls."""
    one = found.rows([index])
    kept = {
      label: int(variant.kept_weights(found.spec)[0])
      for label, variant in self.variants(subroutine, one).items()
    }

    def row(label, task):
      density = kept[label] / found.spec.num_weights
      return {
        **self._common(task, trees.row(metrics[label][task], index), dense),
        **self.mask_columns(density),
        "subroutine": subroutine,
        **found.settings[index],
        "ablation": label[1],
        "l0": kept[label],
        "l0_max": found.spec.num_weights,
      }

    return {
      "results": [
        row(label, task)
        for label in kept
        if label[0] == LEARNED
        for task in metrics[label]
      ],
      "controls": [
        {**row(label, task), "control": label[0]}
        for label in kept
        if label[0] != LEARNED
        for task in metrics[label]
      ],
      "densities": self._density_rows(subroutine, found, index),
    }

  def identity(
    self, subroutine: str, found: mask_sets.MaskSet, index: int
  ) -> dict[str, Any]:
    """Returns the columns that tell which mask a row is about."""
    return {
      "regime": self.regime,
      "base_seed": self.base_seed,
      "subroutine": subroutine,
      **found.settings[index],
    }

  def _density_rows(
    self, subroutine: str, found: mask_sets.MaskSet, index: int
  ) -> list[dict[str, Any]]:
    """Returns the kept units of every leaf of one mask."""
    counts = masks.kept(trees.row(found.stacked, index))
    return [
      {
        **self.identity(subroutine, found, index),
        "leaf": leaf.path,
        "kept": int(counts[leaf.path]),
        "size": leaf.num_units,
      }
      for leaf in found.spec.leaves
    ]

  def _dense_rows(self, dense: Mapping[str, Measured]) -> list[dict[str, Any]]:
    """Returns rows of the network without a mask: `subroutine` is empty."""
    empty = dict.fromkeys(("mask_seed", *SETTINGS, "candidate", "l0", "l0_max"))
    return [
      {
        **self._common(task, dense[task], dense),
        **self.mask_columns(None),
        **empty,
        "subroutine": "",
        "ablation": "none",
      }
      for task in self.study.test_tasks
    ]

  def _common(
    self, task: str, measured: Measured, dense: Mapping[str, Measured]
  ) -> dict[str, Any]:
    config = self.frozen.work.config
    return {
      "experiment": config.experiment,
      "model": config.model.name,
      "regime": self.regime,
      "base_seed": self.base_seed,
      "test_task": task,
      "accuracy": measured["accuracy"],
      "loss": measured["loss"],
      "num_problems": self.num_problems(task),
      **self.measures(task, measured, dense),
    }

  def key(self, purpose: str, subroutine: str) -> jax.Array:
    """Returns the key of a base seed and subroutine, one for all regimes."""
    return self.frozen.work.key(
      purpose, self.base_seed, self.study.subroutines.index(subroutine)
    )
