"""DeepMind Mathematics: questions and answers as texts."""

from structcomp_jax.tasks.mathematics.levels import LEVELS, MODULES
from structcomp_jax.tasks.mathematics.problems import (
  NAMES,
  make_problems,
  separation,
  sizes,
)
from structcomp_jax.tasks.mathematics.vocabulary import (
  CHARACTERS,
  NUM_TOKENS,
  encode,
)

__all__ = [
  "CHARACTERS",
  "LEVELS",
  "MODULES",
  "NAMES",
  "NUM_TOKENS",
  "encode",
  "make_problems",
  "separation",
  "sizes",
]
