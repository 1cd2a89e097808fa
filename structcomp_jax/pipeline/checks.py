"""What a config may say, checked before the first hour of work."""

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from structcomp_jax import types
from structcomp_jax.pipeline.features import place

# Seeds become 32-bit integers.
_MAX_SEED = 2**31 - 1
# More would be a slip of the finger.
_MOST_BASE_SEEDS = 1000
_DTYPES = ("float32", "bfloat16")
_CHOICES = {
  "search.cache": place.SETTINGS,
  "search.cache_dtype": _DTYPES,
  "search.compute_dtype": _DTYPES,
}


def check_common(config: ConfigDict) -> None:
  """Checks the fields that every study has: those that the pipeline reads.

  Raises:
    UserError: a value, named by its field, means nothing.
  """
  names(config, _CHOICES)
  for field in ("regimes", "base_seeds", "search.seeds"):
    distinct(config, field)
  for field in ("seed", "base_seeds", "search.seeds"):
    seeds(config, field)
  finite(config, "search.cache_gigabytes")
  if config.search.cache_gigabytes < 0:
    raise types.UserError(
      f"search.cache_gigabytes {config.search.cache_gigabytes} is negative; "
      "give 0 or more, or set search.cache to off"
    )
  for split in config.data.num_problems:
    integers(config, f"data.num_problems.{split}", 0)
  integers(config, "evaluation.batch_size", 1)
  for field in ("steps_per_call", "cpu_devices"):
    integers(config, f"runtime.{field}", 0)
  for field in ("data_devices", "model_devices"):
    integers(config, f"runtime.{field}", 1)
  if config.runtime.vmap_width != "auto":
    integers(config, "runtime.vmap_width", 0, or_else="auto")
  finite(config, "runtime.checkpoint_seconds")


def auto_base_seeds(config: ConfigDict) -> None:
  """Checks the section `auto_base_seeds`.

  Raises:
    UserError: a value, named by its field, means nothing.
  """
  integers(config, "auto_base_seeds.most", 0, _MOST_BASE_SEEDS)
  integers(config, "auto_base_seeds.step", 1)
  finite(config, "auto_base_seeds.max_hours")
  if config.auto_base_seeds.max_hours < 0:
    raise types.UserError(
      f"auto_base_seeds.max_hours {config.auto_base_seeds.max_hours} is "
      "negative; give 0 for no limit"
    )
  most, first = config.auto_base_seeds.most, len(config.base_seeds)
  if 0 < most <= first:
    raise types.UserError(
      f"auto_base_seeds.most {most} is not more than the {first} base_seeds; "
      "raise it, or give 0 to add none"
    )
  if most and max(config.base_seeds) + most - first > _MAX_SEED:
    raise types.UserError(
      f"base_seeds {max(config.base_seeds)} leaves no room for "
      "auto_base_seeds.most; give smaller seeds"
    )


def distinct(config: ConfigDict, field: str) -> None:
  """Raises UserError unless a list has elements, all of them different."""
  values = _values(config, field)
  if not values or len(set(values)) < len(values):
    raise types.UserError(
      f"{field} {tuple(values)} must be distinct and at least one; give a "
      "list without repetitions"
    )


def seeds(config: ConfigDict, field: str) -> None:
  """Raises UserError unless all values of a field can be seeds."""
  integers(config, field, 0, _MAX_SEED)


@contextlib.contextmanager
def section(name: str) -> Iterator[None]:
  """Names the section of the config in the errors raised inside."""
  try:
    yield
  except types.UserError as error:
    remedy = "" if "; " in str(error) else f"; change config.{name}"
    raise types.UserError(f"config section {name}: {error}{remedy}") from error


def names(config: ConfigDict, choices: Mapping[str, Sequence[str]]) -> None:
  """Raises UserError unless all values of fields are among their choices."""
  for field, valid in choices.items():
    for value in _values(config, field):
      if value not in valid:
        raise types.UserError(
          f"{field} {value!r} is unknown; choose from {', '.join(valid)}"
        )


def _values(config: ConfigDict, field: str) -> list[Any]:
  """Returns the elements of a list field, or a scalar as the only one."""
  for name in field.split("."):
    config = config[name]
  return list(config) if isinstance(config, (list, tuple)) else [config]


def integers(
  config: ConfigDict,
  field: str,
  least: int,
  most: float = math.inf,
  or_else: str = "",
) -> None:
  """Raises UserError unless all values of a field are integers in a range."""
  for value in _values(config, field):
    if not isinstance(value, int) or not least <= value <= most:
      limits = f"from {least}" + ("" if most == math.inf else f" to {most}")
      limits += f", or {or_else}" if or_else else ""
      raise types.UserError(
        f"{field} {value!r} is not usable; give integers {limits}"
      )


def finite(config: ConfigDict, field: str) -> None:
  """Raises UserError unless all values of a field are finite numbers."""
  for value in _values(config, field):
    if not isinstance(value, (int, float)) or not math.isfinite(value):
      raise types.UserError(
        f"{field} {value!r} is not usable; give finite numbers"
      )
