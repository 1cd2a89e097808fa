"""The tables that every study writes, and their columns.

Scripts outside of this project read them by name: a study appends columns of
its own and changes none of these.
"""

from collections.abc import Mapping

from structcomp_jax.io.tables import Schema

# What a mask was searched with, beside its seed.
SETTINGS = ("learning_rate", "mask_init", "penalty", "masked_from")
# Which mask of its regime, base network and subroutine a row of a table is
# about: the row of that mask in masks.npz. Empty for the dense network.
CANDIDATE: Mapping[str, type] = {"candidate": float}

_MASK: Mapping[str, type] = {
  "regime": str,
  "base_seed": float,
  "subroutine": str,
  "mask_seed": float,
  "learning_rate": float,
  "mask_init": float,
  "penalty": float,
  # A number in some networks, the name of a stage in others.
  "masked_from": str,
}
# results.csv: one row per (base seed, subroutine, candidate, ablation, test
# task). l0: kept weights, of l0_max that can be masked.
RESULTS: Mapping[str, type] = {
  "experiment": str,
  "model": str,
  **_MASK,
  "ablation": str,
  "test_task": str,
  "accuracy": float,
  "loss": float,
  "num_problems": float,
  "l0": float,
  "l0_max": float,
}
_MADE_BY = "python -m launch.evaluate"


def results_schema(**more: type) -> Schema:
  """Returns the schema of results.csv, or of a table of the same kind.

  Args:
    **more: {column of the study: type}, between the common columns and
      `candidate`, which is the last.
  """
  columns = {**RESULTS, **more, **CANDIDATE}
  return Schema(columns, _MADE_BY, filled=("accuracy",))


# densities.csv: one row per masked leaf, how many of its `size` units are kept.
DENSITIES = Schema(
  {**_MASK, "leaf": str, "kept": float, "size": float, **CANDIDATE},
  _MADE_BY,
  filled=("kept", "size"),
)
