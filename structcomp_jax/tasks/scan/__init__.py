"""SCAN: commands in simple English, and the actions they mean."""

from structcomp_jax.tasks.scan.grammar import meanings
from structcomp_jax.tasks.scan.splits import NAMES, make_datasets, separation
from structcomp_jax.tasks.scan.vocabulary import (
  ACTION_WORDS,
  COMMAND_WORDS,
  PADDING,
  encode_actions,
  encode_commands,
)

__all__ = [
  "ACTION_WORDS",
  "COMMAND_WORDS",
  "NAMES",
  "PADDING",
  "encode_actions",
  "encode_commands",
  "make_datasets",
  "meanings",
  "separation",
]
