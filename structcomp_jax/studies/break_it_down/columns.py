"""Columns of the study's tables."""

from structcomp_jax.pipeline import tables

# margin: mean score margin; density: l0 / l0_max; selected: whether this is a
# mask to report; base_accuracy: the dense network on task `base`.
_MEASURES = {
  "margin": float,
  "density": float,
  "selected": bool,
  "base_accuracy": float,
}
# {name of the file: its columns}
SCHEMAS = {
  "results": tables.results_schema(**_MEASURES),
  # Random masks with the kept counts of a learned one.
  "controls": tables.results_schema(**_MEASURES, control=str),
  "densities": tables.DENSITIES,
}
