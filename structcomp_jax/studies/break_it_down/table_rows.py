"""What the study measures of a base network and its masks."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from structcomp_jax import evaluation, trees, types
from structcomp_jax.pipeline import mask_sets
from structcomp_jax.pipeline.forecast import steps as forecast
from structcomp_jax.pipeline.mask_tests import (
  LEARNED,
  RANDOM,
  MaskTests,
  Measured,
  Variants,
)
from structcomp_jax.pipeline.parts import Part
from structcomp_jax.studies.break_it_down import cuts


def outline(study: Any) -> list[forecast.Step]:
  """Returns the steps that testing all networks takes."""
  # Which stage was chosen is not known; the first one leaves the most masked.
  masked_from = study.mask_search.masked_from[0]
  num_bases = len(study.config.regimes) * len(study.config.base_seeds)

  def variants(stacked):
    seeds = [0] * trees.num_rows(stacked)
    dense = {path: leaf.update(shape=(1, *leaf.shape[1:]))
             for path, leaf in stacked.items()}  # fmt: skip
    return _variants(stacked, dict(stacked), seeds) | {
      ("dense", "none"): evaluation.Variant(dense, [0])
    }

  return [
    forecast.Features(
      label="tests",
      splits=[(task, "test") for task in study.test_tasks],
      masked_from=masked_from,
      times=num_bases,
    ),
    forecast.Evaluation(
      label="tests",
      make_variants=variants,
      num_masks=len(study.mask_search.seeds),
      tasks=study.test_tasks,
      split="test",
      masked_from=masked_from,
      times=num_bases * len(study.subroutines),
    ),
  ]


def _variants(
  learned: types.AnyMask, random: types.AnyMask, seeds: Sequence[int]
) -> Variants:
  """Returns the networks of learned masks, and of random ones as large."""
  control = evaluation.ablations(random, seeds)
  return {
    **{
      (LEARNED, name): variant
      for name, variant in evaluation.ablations(learned, seeds).items()
    },
    **{(RANDOM, name): control[name] for name in ("none", "zero")},
  }


class Tests(MaskTests):
  """Subnetworks, two ablations, and the same of random masks; cuts."""

  def comparisons(self) -> Mapping[str, Callable[[], Part]]:
    """Returns what makes the rows of cuts.csv."""
    which = (self.study, self.frozen.work, self.regime, self.base_seed)
    return {cuts.digest(*which): functools.partial(cuts.part, *which)}

  def variants(self, subroutine: str, found: mask_sets.MaskSet) -> Variants:
    """Returns the networks of Lepori et al. 2023, and their controls."""
    return _variants(
      found.stacked, self.random_masks(subroutine, found), found.seeds
    )

  def measures(
    self, task: str, measured: Measured, dense: Mapping[str, Measured]
  ) -> dict[str, Any]:
    """Returns the margin, and how good the base network is."""
    return {
      "margin": measured["margin"],
      "base_accuracy": dense["base"]["accuracy"],
    }

  def mask_columns(self, density: float | None) -> dict[str, Any]:
    """Returns the density; every mask that is tested was selected."""
    selected = None if density is None else True
    return {"density": density, "selected": selected}
