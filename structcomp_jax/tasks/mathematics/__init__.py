"""DeepMind Mathematics: questions and answers as texts."""

from structcomp_jax.tasks.mathematics.levels import LEVELS, MODULES
from structcomp_jax.tasks.mathematics.problems import (
  GENERATED,
  NAMES,
  POLICIES,
  make_problems,
  name_of,
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
  "GENERATED",
  "LEVELS",
  "MODULES",
  "NAMES",
  "NUM_TOKENS",
  "POLICIES",
  "encode",
  "make_problems",
  "name_of",
  "separation",
  "sizes",
]
