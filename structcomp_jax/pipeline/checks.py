"""What a config may say, checked before the first hour of work."""

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from structcomp_jax import types
from structcomp_jax.pipeline.features import place as feature_place

_DTYPES = ("float32", "bfloat16")
_CHOICES = {
  "search.cache": feature_place.SETTINGS,
  "search.cache_dtype": _DTYPES,
  "search.compute_dtype": _DTYPES,
  "search.selection": ("own_task", "published"),
  "search.unit": ("weight", "neuron"),
}
# Seeds become 32-bit integers.
_MAX_SEED = 2**31 - 1


def check(config: ConfigDict, choices: Mapping[str, Sequence[str]]) -> None:
  """Checks every field that names something or that must be a number.

  Args:
    config: of an experiment.
    choices: {field: names it may have} of the experiment's domain.

  Raises:
    UserError: a value, named by its field, means nothing.
  """
  _check_names(config, {**choices, **_CHOICES})
  for field in ("regimes", "base_seeds", "search.seeds"):
    values = _values(config, field)
    if not values or len(set(values)) < len(values):
      raise types.UserError(
        f"{field} {tuple(values)} must be distinct and at least one; give a "
        "list without repetitions"
      )
  for field in ("seed", "base_seeds", "search.seeds", "search.grid_seed"):
    _check_integers(config, field, 0, _MAX_SEED)
  for split in config.data.num_problems:
    _check_integers(config, f"data.num_problems.{split}", 0)
  for field in ("evaluation", "training", "search"):
    _check_integers(config, f"{field}.batch_size", 1)
  for field in ("steps_per_call", "cpu_devices"):
    _check_integers(config, f"runtime.{field}", 0)
  _check_integers(config, "runtime.data_devices", 1)
  if config.runtime.vmap_width != "auto":
    _check_integers(config, "runtime.vmap_width", 0, or_else="auto")
  _check_integers(config, "training.pretrained_batch_size", 0)
  _check_integers(config, "training.sweep.batch_sizes", 1)
  if "simclr" in config.regimes:
    _check_integers(config, "simclr.batch_size", 1)
    if not config.simclr.tasks:
      raise types.UserError(
        "simclr.tasks is empty; give the experiments to learn from"
      )
  if config.search.cache_gigabytes < 0:
    raise types.UserError(
      f"search.cache_gigabytes {config.search.cache_gigabytes} is negative; "
      "give 0 or more, or set search.cache to off"
    )
  if not config.search.masked_from:
    raise types.UserError(
      "search.masked_from is empty; give the first masked stage"
    )
  for field in (
    "search.learning_rates",
    "search.init_logits",
    "search.penalties",
    "search.cache_gigabytes",
    "training.pretrained_learning_rate",
    "evaluation.failed_below",
    "runtime.checkpoint_seconds",
  ):
    _check_finite(config, field)


@contextlib.contextmanager
def section(name: str) -> Iterator[None]:
  """Names the section of the config in the errors raised inside."""
  try:
    yield
  except types.UserError as error:
    remedy = "" if "; " in str(error) else f"; change config.{name}"
    raise types.UserError(f"config section {name}: {error}{remedy}") from error


def _check_names(
  config: ConfigDict, choices: Mapping[str, Sequence[str]]
) -> None:
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


def _check_integers(
  config: ConfigDict,
  field: str,
  least: int,
  most: float = math.inf,
  or_else: str = "",
) -> None:
  for value in _values(config, field):
    if not isinstance(value, int) or not least <= value <= most:
      limits = f"from {least}" + ("" if most == math.inf else f" to {most}")
      limits += f", or {or_else}" if or_else else ""
      raise types.UserError(
        f"{field} {value!r} is not usable; give integers {limits}"
      )


def _check_finite(config: ConfigDict, field: str) -> None:
  for value in _values(config, field):
    if not isinstance(value, (int, float)) or not math.isfinite(value):
      raise types.UserError(
        f"{field} {value!r} is not usable; give finite numbers"
      )
