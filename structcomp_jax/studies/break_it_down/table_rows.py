"""What a base network and its masks add to the tables."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from structcomp_jax import evaluation, masks, trees
from structcomp_jax.pipeline import mask_sets, parts
from structcomp_jax.pipeline.experiment import Experiment
from structcomp_jax.pipeline.frozen import FrozenNetwork
from structcomp_jax.pipeline.parts import Part
from structcomp_jax.pipeline.tables import SETTINGS

_CONTROL = "random_matched"
# Digest of the part of the dense network.
_DENSE = "dense"
# {task: {metric: number}}
_Metrics = Mapping[str, Mapping[str, Any]]
_random_like = jax.jit(jax.vmap(masks.random_like))


def of_base_network(
  study: Any, work: Experiment, regime: str, base_seed: int
) -> tuple[list[Part], bool]:
  """Returns what a base network adds to the tables, part by part.

  A part is the dense network, or one mask; only those that are not stored are
  computed.

  Returns:
    The parts, and whether some had to be computed.

  Raises:
    UserError: networks or masks are missing, torn, or do not belong together.
  """
  tests = _Tests(study, work.frozen(regime, base_seed), regime, base_seed)
  return parts.recall(
    work.paths.evaluation(regime, base_seed),
    list(tests.digests),
    study.tables,
    tests.make,
  )


class _Tests:
  """The tests of one base network.

  Attributes:
    digests: {digest: (subroutine, row of its masks)} of all parts, in the order
      of the tables.
  """

  def __init__(
    self, study: Any, frozen: FrozenNetwork, regime: str, base_seed: int
  ):
    self._study, self._frozen = study, frozen
    self._regime, self._base_seed = regime, base_seed
    paths = frozen.work.paths
    self._masks = {
      subroutine: mask_sets.load_finished(
        frozen, paths.masks(regime, base_seed, subroutine)
      ).usable()
      for subroutine in study.subroutines
    }
    self.digests: dict[str, tuple[str, int]] = {
      f"{_DENSE} {frozen.fingerprint}": ("", 0)
    }
    for subroutine, found in self._masks.items():
      for row, setting in enumerate(found.settings):
        mask = trees.fingerprint(trees.row(found.stacked, row))
        digest = f"{frozen.fingerprint} {subroutine} {mask} {setting}"
        self.digests[digest] = (subroutine, row)

  def make(self, digests: Sequence[str]) -> dict[str, Part]:
    """Returns {digest: part}, evaluated with one program per subroutine."""
    wanted = [self.digests[digest] for digest in digests]
    made: dict[tuple[str, int], Part] = {}
    dense: _Metrics = {}
    for subroutine, found in self._masks.items():
      rows = [row for name, row in wanted if name == subroutine]
      if rows:
        chosen = found.rows(rows)
        metrics = self._evaluate(subroutine, chosen)
        # The dense network is tested beside masks, so that one program serves
        # all subroutines.
        dense = dense or trees.row(metrics[_DENSE, "none"], 0)
        for index, row in enumerate(rows):
          made[subroutine, row] = self._mask_part(
            subroutine, chosen, index, metrics, dense
          )
    dense = dense or self._evaluate_dense()
    made["", 0] = {"results": self._dense_rows(dense)}
    self._frozen.forget_features()
    return {digest: made[self.digests[digest]] for digest in digests}

  def _evaluate(
    self, subroutine: str, found: mask_sets.MaskSet
  ) -> dict[tuple[str, str], evaluation.TaskMetrics]:
    """Tests networks of some masks, of their controls, and the dense one."""
    keys = jax.vmap(
      lambda seed: jax.random.fold_in(self._key("control", subroutine), seed)
    )(np.array(found.seeds))
    learned = evaluation.ablations(found.stacked, found.seeds)
    control = evaluation.ablations(
      _random_like(found.stacked, keys), found.seeds
    )
    variants = {
      **{("learned", name): variant for name, variant in learned.items()},
      **{(_CONTROL, name): control[name] for name in ("none", "zero")},
      (_DENSE, "none"): evaluation.dense(found.spec),
    }
    return self._frozen.evaluate(
      found.masked_from,
      variants,
      self._study.test_tasks,
      "test",
      key=self._key("ablation", subroutine),
    )

  def _evaluate_dense(self) -> _Metrics:
    """Tests the dense network alone."""
    found = next(iter(self._masks.values()))
    metrics = self._frozen.evaluate(
      found.masked_from,
      {_DENSE: evaluation.dense(found.spec)},
      self._study.test_tasks,
      "test",
      key=self._key("ablation", self._study.subroutines[0]),
    )
    return trees.row(metrics[_DENSE], 0)

  def _mask_part(
    self,
    subroutine: str,
    found: mask_sets.MaskSet,
    index: int,
    metrics: Mapping[tuple[str, str], evaluation.TaskMetrics],
    dense: _Metrics,
  ) -> Part:
    """Returns the rows of one mask and of its control."""
    mask = trees.row(found.stacked, np.array([index]))
    # Random masks keep as many weights as the learned ones.
    kept = {
      name: int(variant.kept_weights(found.spec)[0])
      for name, variant in evaluation.ablations(mask, [0]).items()
    }

    def rows(group):
      return [
        {
          **self._common(task, trees.row(values, index), dense),
          "subroutine": subroutine,
          **found.settings[index],
          "ablation": ablation,
          "l0": kept[ablation],
          "l0_max": found.spec.num_weights,
          "density": kept[ablation] / found.spec.num_weights,
          "selected": True,
        }
        for (name, ablation), tasks in metrics.items()
        if name == group
        for task, values in tasks.items()
      ]

    return {
      "results": rows("learned"),
      # Random masks that keep as many weights in every leaf.
      "controls": [{**row, "control": _CONTROL} for row in rows(_CONTROL)],
      "densities": self._density_rows(subroutine, found, index),
    }

  def _density_rows(
    self, subroutine: str, found: mask_sets.MaskSet, index: int
  ) -> list[dict[str, Any]]:
    """Returns the kept units of every leaf of one mask."""
    counts = masks.kept(trees.row(found.stacked, index))
    return [
      {
        "regime": self._regime,
        "base_seed": self._base_seed,
        "subroutine": subroutine,
        **found.settings[index],
        "leaf": leaf.path,
        "kept": int(counts[leaf.path]),
        "size": leaf.num_units,
      }
      for leaf in found.spec.leaves
    ]

  def _dense_rows(self, dense: _Metrics) -> list[dict[str, Any]]:
    """Returns rows of the network without a mask: `subroutine` is empty."""
    empty = dict.fromkeys(
      ("mask_seed", *SETTINGS, "candidate", "l0", "l0_max", "density",
       "selected")
    )  # fmt: skip
    return [
      {
        **self._common(task, dense[task], dense),
        **empty,
        "subroutine": "",
        "ablation": "none",
      }
      for task in self._study.test_tasks
    ]

  def _common(
    self, task: str, metrics: Mapping[str, Any], dense: _Metrics
  ) -> dict[str, Any]:
    config = self._study.config
    return {
      "experiment": config.experiment,
      "model": config.model.name,
      "regime": self._regime,
      "base_seed": self._base_seed,
      "test_task": task,
      "accuracy": metrics["accuracy"],
      "loss": metrics["loss"],
      "margin": metrics["margin"],
      "num_problems": self._study.datasets[task].sizes["test"],
      "base_accuracy": dense["base"]["accuracy"],
    }

  def _key(self, purpose: str, subroutine: str) -> jax.Array:
    """Returns the key of a base seed and subroutine, one for all regimes."""
    return self._frozen.work.key(
      purpose, self._base_seed, self._study.subroutines.index(subroutine)
    )
