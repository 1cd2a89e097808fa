"""Columns of the study's tables."""

import dataclasses

from structcomp_jax.io.tables import Schema
from structcomp_jax.pipeline import tables
from structcomp_jax.types import command

# margin: mean score margin; density: l0 / l0_max; selected: whether this is a
# mask to report; base_accuracy: the dense network on task `base`.
_MEASURES = {
  "margin": float,
  "density": float,
  "selected": bool,
  "base_accuracy": float,
}
_RESULTS = dataclasses.replace(
  tables.results_schema(**_MEASURES), filled=("accuracy", "base_accuracy")
)
# cuts.csv: one row per base network, pair of tasks, mask seed and look. The
# accuracies are those of the halves of the hard mask on validation problems,
# with which nothing is chosen. density: of the kept half.
CUTS = Schema(
  {
    "experiment": str,
    "model": str,
    "regime": str,
    "base_seed": float,
    "pair": str,
    "mask_seed": float,
    "step": float,
    "kept_task": str,
    "rest_task": str,
    "kept_accuracy": float,
    "rest_accuracy": float,
    "density": float,
    "finite": bool,
    "num_problems": float,
    **tables.CANDIDATE,
  },
  command("evaluate"),
  filled=("kept_accuracy", "rest_accuracy"),
  may_be_empty=True,
)
# {name of the file: its columns}
SCHEMAS = {
  "results": _RESULTS,
  # Random masks with the kept counts of a learned one.
  "controls": tables.results_schema(**_MEASURES, control=str),
  "densities": tables.DENSITIES,
  "cuts": CUTS,
}
