"""The columns that scripts outside of the project read."""

from structcomp_jax.pipeline import tables


def test_results_begin_with_the_common_columns():
  columns = list(tables.results_schema(margin=float, control=str).columns)
  assert columns == [
    "experiment",
    "model",
    "regime",
    "base_seed",
    "subroutine",
    "mask_seed",
    "learning_rate",
    "mask_init",
    "penalty",
    "masked_from",
    "ablation",
    "test_task",
    "accuracy",
    "loss",
    "num_problems",
    "l0",
    "l0_max",
    "margin",
    "control",
    "candidate",
  ]


def test_settings_are_columns_of_every_table():
  for schema in (tables.results_schema(), tables.DENSITIES):
    assert {"mask_seed", *tables.SETTINGS} < set(schema.columns)
    assert list(schema.columns)[-1] == "candidate"
