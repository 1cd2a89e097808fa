"""Masks as data beside the weights: select, relax, binarize, merge, compare."""

from structcomp_jax.masks import gates
from structcomp_jax.masks.algebra import (
  complement,
  density,
  iou,
  kept,
  kept_weights,
  logical_and,
  logical_or,
  size,
  total_density,
  total_iou,
  total_kept,
  total_size,
  weight_density,
)
from structcomp_jax.masks.baselines import (
  largest_magnitude,
  random_from_complement,
  random_like,
)
from structcomp_jax.masks.leaves import check_network
from structcomp_jax.masks.logits import (
  binarize,
  count_units,
  expected_size,
  init,
  leaf_betas,
  penalty,
  sample,
)
from structcomp_jax.masks.merge import (
  FILLS,
  Fill,
  make_fill,
  merge,
  remainder,
)
from structcomp_jax.masks.relax import (
  RELAXATIONS,
  Relaxation,
  get_relaxation,
)
from structcomp_jax.masks.select import (
  LeafSpec,
  MaskSpec,
  Rule,
  check_spec,
  matching,
  select,
)

__all__ = [
  "FILLS",
  "RELAXATIONS",
  "Fill",
  "LeafSpec",
  "MaskSpec",
  "Relaxation",
  "Rule",
  "binarize",
  "check_network",
  "check_spec",
  "complement",
  "count_units",
  "density",
  "expected_size",
  "gates",
  "get_relaxation",
  "init",
  "iou",
  "kept",
  "kept_weights",
  "largest_magnitude",
  "leaf_betas",
  "logical_and",
  "logical_or",
  "make_fill",
  "matching",
  "merge",
  "penalty",
  "random_from_complement",
  "random_like",
  "remainder",
  "sample",
  "select",
  "size",
  "total_density",
  "total_iou",
  "total_kept",
  "total_size",
  "weight_density",
]
