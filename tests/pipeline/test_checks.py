"""Which fields the pipeline reads of the config of any study."""

import pytest
from ml_collections import ConfigDict

from configs.common.runtime import runtime
from structcomp_jax.pipeline import checks
from structcomp_jax.types import UserError


def make_config():
  """Returns a config with no field of any study."""
  return ConfigDict(
    {
      "regimes": ("any",),
      "base_seeds": (0, 1),
      "seed": 0,
      "data": {"num_problems": {"train": 0}},
      "search": {
        "seeds": (0,),
        "cache": "auto",
        "cache_gigabytes": 4.0,
        "cache_dtype": "float32",
        "compute_dtype": "bfloat16",
      },
      "evaluation": {"batch_size": 256},
      "runtime": runtime(),
    }
  )


def test_a_config_needs_no_field_of_a_study():
  checks.check_common(make_config())


@pytest.mark.parametrize(
  ("field", "value"),
  [
    ("regimes", ()),
    ("base_seeds", (0, 0)),
    ("search.seeds", (-1,)),
    ("search.seeds", (1, 1)),
    ("search.cache", "memory"),
    ("search.cache_dtype", "float16"),
    ("search.compute_dtype", "half"),
    ("search.cache_gigabytes", -1.0),
    ("evaluation.batch_size", 0),
    ("runtime.vmap_width", -1),
  ],
)
def test_a_bad_value_is_named_by_its_field(field, value):
  config = make_config()
  config.update_from_flattened_dict({field: value})
  with pytest.raises(UserError, match=rf"^{field} .*; "):
    checks.check_common(config)
