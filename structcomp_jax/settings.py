"""Settings that are numbers: what a config accepts, whoever makes it.

A search computes in float32 and counts in 32-bit integers. A number that
these cannot hold would silently become another one, such as 0 or infinity.
"""

import math
import numbers
from collections.abc import Iterable
from typing import Any

import numpy as np

from structcomp_jax.types import UserError

# The largest 32-bit integer.
LARGEST = 2**31 - 1


def whole(name: str, value: Any, least: int = 0, most: int = LARGEST) -> None:
  """Raises UserError unless a value is an integer in a range.

  >>> whole("num_steps", 3)

  Args:
    name: of the setting.
    value: what was given; a bool is no integer, nor is 2.0.
    least, most: both allowed.
  """
  is_integer = isinstance(value, numbers.Integral)
  if isinstance(value, bool) or not is_integer:
    raise UserError(f"{name} {value!r} must be an integer of at least {least}")
  if value < least:
    raise UserError(f"{name} {value!r} must be at least {least}")
  if value > most:
    raise UserError(f"{name} {value!r} must be at most {most}")


def real(
  name: str,
  value: Any,
  *,
  least: float = -math.inf,
  most: float = math.inf,
  above: float = -math.inf,
) -> None:
  """Raises UserError unless a value is a finite float32 number in a range.

  >>> real("max_beta", 200.0, least=1)

  Args:
    name: of the setting.
    value: what was given.
    least, most: both allowed.
    above: what it must be greater than.
  """
  wanted = "a finite number"
  if least > -math.inf:
    wanted = f"at least {least:g}"
  if most < math.inf:
    wanted += f" and at most {most:g}"
  if above > -math.inf:
    wanted = "a positive number" if above == 0 else f"greater than {above:g}"
  is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
  if (
    not is_number
    or not math.isfinite(value)
    or not (least <= value <= most and value > above)
  ):
    raise UserError(f"{name} {value!r} must be {wanted}")
  with np.errstate(over="ignore"):
    stored = float(np.float32(value))
  if not math.isfinite(stored) or (stored == 0) != (value == 0):
    raise UserError(
      f"{name} {value!r} is {stored:g} in float32; choose a number of a size "
      "between 1e-45 and 3e38"
    )


def switch(name: str, value: Any) -> None:
  """Raises UserError unless a value is True or False.

  >>> switch("with_replacement", False)
  """
  if not isinstance(value, (bool, np.bool_)):
    raise UserError(f"{name} {value!r} must be True or False")


def sequence(name: str, values: Any, example: str) -> tuple[Any, ...]:
  """Returns the elements of a setting that has several, as Python values.

  >>> sequence("seeds", np.arange(2), "(0,)")
  (0, 1)

  Args:
    name: of the setting.
    values: a tuple, a list or an array, not a text.
    example: what could have been given, for the error.

  Raises:
    UserError: it is a single value.
  """
  is_single = (
    isinstance(values, (str, bytes))
    or not isinstance(values, Iterable)
    or getattr(values, "ndim", 1) == 0
  )
  if is_single:
    raise UserError(
      f"{name} {values!r} must be a sequence; write it as {example}"
    )
  return tuple(
    value.item() if isinstance(value, np.generic) else value for value in values
  )
