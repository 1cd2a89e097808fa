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
    ({"penalties": (0.0, float("nan"))}, "penalties nan must be at least 0"),
    ({"penalties": (-1e-3,)}, r"penalties -0\.001 must be at least 0"),
    ({"init_logits": (float("inf"),)}, "init_logits inf must be a finite numb"),
    ({"learning_rates": (0.1, 0.0)}, r"rates 0\.0 must be a positive number"),
    ({"learning_rates": (-1.0,)}, r"rates -1\.0 must be a positive number"),
    ({"learning_rates": (1e-50,)}, "rates 1e-50 is 0 in float32; choose"),
    ({"learning_rates": (1e39,)}, r"rates 1e\+39 is inf in float32; choose"),
    ({"learning_rates": 0.01}, r"0\.01 must be a sequence; .* \(1e-4,\)"),
    ({"learning_rates": "0.1"}, "'0.1' must be a sequence"),
    ({"seeds": [0, ()]}, r"seeds \(\) must be an integer"),
    ({"seeds": ("0",)}, "seeds '0' must be an integer"),
    ({"seeds": (0.5,)}, r"seeds 0\.5 must be an integer of at least 0"),
    ({"seeds": (True,)}, "seeds True must be an integer"),
    ({"seeds": (-1,)}, "seeds -1 must be at least 0"),
    ({"seeds": (2**31,)}, "seeds 2147483648 must be at most 2147483647"),
    ({"seeds": (0, 0)}, r"seeds \(0, 0\) holds a value twice"),
  ],
)
def test_grid_refuses_values_no_search_can_run_with(axes, message):
  for make in (search.grid, search.SearchConfig):
    with pytest.raises(UserError, match=message):
      make(**axes)


def test_arrays_and_lists_are_axes_too():
  axes = {"seeds": np.arange(2), "learning_rates": [0.5]}
  config = search.SearchConfig(**axes)
  assert (config.seeds, config.learning_rates) == ((0, 1), (0.5,))
  assert hash(config) == hash(search.SearchConfig(**axes))


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
    (
      {"batch_size": 12, "num_mask_samples": 2, "micro_batches": 4},
      "batch_size 12 is not a multiple of num_mask_samples times micro_batches"
      ", 8; change one",
    ),
    ({"micro_batches": 0}, "micro_batches 0 must be at least 1"),
    (
      {"micro_batches": 2, "clip_norm": 1.0, "clip_scope": "reference"},
      "micro_batches 2 has no gradient of the frozen weights",
    ),
    ({"moments": "float16"}, "unknown moments 'float16'; choose float32 or"),
    ({"num_mask_samples": 0}, "num_mask_samples 0 must be at least 1"),
    ({"num_epochs": 1.5}, r"num_epochs 1\.5 must be an integer"),
    ({"num_epochs": "3"}, "num_epochs '3' must be an integer"),
    ({"batch_size": 0}, "batch_size 0 must be at least 1"),
    ({"steps_per_call": -1}, "steps_per_call -1 must be at least 0"),
    ({"vmap_width": -1}, "vmap_width -1 must be at least 0"),
    ({"eval_batch_size": 0}, "eval_batch_size 0 must be at least 1"),
    ({"max_beta": 1e30}, r"max_beta 1e\+30 must be at least 1 and at most"),
    ({"max_beta": "200"}, "max_beta '200' must be"),
    ({"patience": 0.5}, r"patience 0\.5 must be an integer"),
    ({"constant_beta": "head.*"}, "constant_beta 'head.*' must be a sequence"),
    ({"loss_draws": "False"}, "loss_draws 'False' must be True or False"),
    ({"two_sided": 1}, "two_sided 1 must be True or False"),
    ({"with_replacement": None}, "with_replacement None must be True or Fal"),
    ({"data_order": "random"}, "'random'; choose per_candidate or shared"),
    ({"feed": "disk"}, "unknown feed 'disk'; choose device or host"),
    (
      {"batch_size": 12, "num_mask_samples": 2, "data_devices": 4},
      r"data_devices 4 cannot share 6 examples .* equally; change one of",
    ),
    ({"data_devices": 0}, "data_devices 0 must be at least 1"),
  ],
)
def test_config_refuses_values_no_search_can_run_with(fields, message):
  with pytest.raises(UserError, match=message):
    search.SearchConfig(**fields)
