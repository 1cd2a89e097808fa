"""The grid of candidates and what it refuses."""

import numpy as np
import pytest

from structcomp_jax import search, trees
from structcomp_jax.types import UserError


def test_grid_is_the_product_with_seeds_varying_fastest():
  grid = search.grid(
    seeds=(3, 4), learning_rates=(0.1, 0.2), init_logits=(1.0,), penalties=(0,)
  )
  assert grid.seed.tolist() == [3, 4, 3, 4]
  np.testing.assert_allclose(grid.learning_rate, [0.1, 0.1, 0.2, 0.2])
  assert grid.init_logit.tolist() == [1.0] * 4
  assert grid.penalty.tolist() == [0.0] * 4
  assert [leaf.dtype.name for leaf in vars(grid).values()] == [
    "int32",
    "float32",
    "float32",
    "float32",
  ]


def test_config_gives_the_same_candidates_as_the_grid():
  axes = {"seeds": (1, 2), "init_logits": (0.0, 0.5), "penalties": (1e-3,)}
  config = search.SearchConfig(learning_rates=(0.3,), **axes)
  grid = search.grid(learning_rates=(0.3,), **axes)
  assert vars(config.candidates()).keys() == vars(grid).keys()
  for name, values in vars(grid).items():
    np.testing.assert_array_equal(getattr(config.candidates(), name), values)


def test_description_names_every_field():
  grid = search.grid(seeds=(5,), learning_rates=(1e-3,), penalties=(1e-8,))
  assert trees.row(grid, 0).describe() == (
    "seed 5, learning_rate 0.001, mask_init 0, penalty 1e-08"
  )


@pytest.mark.parametrize(
  ("axes", "message"),
  [
    ({"seeds": ()}, "seeds is empty; give at least one value"),
    ({"penalties": (0.0, float("nan"))}, r"penalties .*nan.* finite numbers"),
    ({"init_logits": (float("inf"),)}, r"init_logits .*inf.* finite numbers"),
    ({"learning_rates": (0.1, 0.0)}, r"learning_rates .* must be positive"),
    ({"learning_rates": (-1.0,)}, r"learning_rates .* must be positive"),
  ],
)
def test_grid_refuses_values_no_search_can_run_with(axes, message):
  with pytest.raises(UserError, match=message):
    search.grid(**axes)


@pytest.mark.parametrize(
  ("fields", "message"),
  [
    ({"relaxation": "gumble"}, "unknown relaxation 'gumble'; use one of cont"),
    ({"schedule": "linear"}, "unknown schedule 'linear'; choose one of"),
    ({"num_epochs": 0}, "num_epochs 0 must be at least 1"),
    ({"max_beta": 0.5}, r"max_beta 0\.5 must be at least 1"),
    ({"max_beta": float("nan")}, "max_beta nan must be at least 1"),
    (
      {"batch_size": 6, "num_mask_samples": 4},
      "batch_size 6 is not a multiple of num_mask_samples 4; change one",
    ),
    ({"num_mask_samples": 0}, "num_mask_samples 0; change one"),
    ({"data_order": "random"}, "'random'; choose per_candidate or shared"),
    ({"feed": "disk"}, "unknown feed 'disk'; choose device or host"),
    (
      {"batch_size": 12, "num_mask_samples": 2, "data_devices": 4},
      r"data_devices 4 cannot share 6 examples .* equally; change one of",
    ),
    ({"data_devices": 0}, "data_devices 0 cannot share 64 examples"),
  ],
)
def test_config_refuses_values_no_search_can_run_with(fields, message):
  with pytest.raises(UserError, match=message):
    search.SearchConfig(**fields)
