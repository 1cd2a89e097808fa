"""A process that is alone decides everything; tests/launch starts two."""

import pytest

from structcomp_jax.io import hosts
from structcomp_jax.types import UserError


def test_whoever_is_alone_does_everything():
  assert hosts.is_first()
  assert hosts.is_alone()
  given = object()
  assert hosts.agree(given) is given
  hosts.check_all(False, "cannot see itself")


def test_function_of_the_first_is_the_function():
  @hosts.by_first
  def half(count: int) -> int:
    """Returns half of an even number."""
    if count % 2:
      raise UserError(f"{count} is odd; give an even number")
    return count // 2

  assert half(count=4) == 2
  assert half.__doc__ == "Returns half of an even number."
  with pytest.raises(UserError, match="3 is odd"):
    half(3)
