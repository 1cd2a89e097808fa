"""What the study measures of a base network and its masks."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

from structcomp_jax import evaluation
from structcomp_jax.pipeline import mask_sets
from structcomp_jax.pipeline.mask_tests import (
  LEARNED,
  RANDOM,
  MaskTests,
  Measured,
  Variants,
)
from structcomp_jax.pipeline.parts import Part
from structcomp_jax.studies.break_it_down import cuts


class Tests(MaskTests):
  """Subnetworks, two ablations, and the same of random masks; cuts."""

  def comparisons(self) -> Mapping[str, Callable[[], Part]]:
    """Returns what makes the rows of cuts.csv."""
    which = (self.study, self.frozen.work, self.regime, self.base_seed)
    return {cuts.digest(*which): functools.partial(cuts.part, *which)}

  def variants(self, subroutine: str, found: mask_sets.MaskSet) -> Variants:
    """Returns the networks of Lepori et al. 2023, and their controls."""
    learned = evaluation.ablations(found.stacked, found.seeds)
    control = evaluation.ablations(
      self.random_masks(subroutine, found), found.seeds
    )
    return {
      **{(LEARNED, name): variant for name, variant in learned.items()},
      **{(RANDOM, name): control[name] for name in ("none", "zero")},
    }

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
