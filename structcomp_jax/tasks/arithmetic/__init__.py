"""Arithmetic with two-digit numbers (Csordás et al. 2021, section 3)."""

from structcomp_jax.tasks.arithmetic.problems import (
  NAMES,
  make_problems,
  separation,
)
from structcomp_jax.tasks.arithmetic.two_digit import (
  POLICIES,
  SPLIT_SIZES,
  digits,
)

__all__ = [
  "NAMES",
  "POLICIES",
  "SPLIT_SIZES",
  "digits",
  "make_problems",
  "separation",
]
