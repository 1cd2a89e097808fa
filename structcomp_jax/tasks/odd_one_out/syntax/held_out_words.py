"""Words that the policy `unseen_words` keeps for its tests.

They are drawn once for all experiments. A third of every class of nouns, verbs
and adjectives is held out. A word is held out with all of its forms, so its
singular and its plural are on one side.

The sentences of both sides contain the words of closed classes, since a
sentence of the grammar needs them: determiner, complementizer, prepositions,
"is" and "are", reflexive pronouns.
"""

import dataclasses
import functools

import numpy as np

from structcomp_jax.tasks.odd_one_out.syntax import grammar

_SEED = 2023
_SHARE = 1 / 3
_STAY_IN_TRAINING = (
  # Two words of one stem and two phrases with one noun must be on one side.
  *("hates", "hated", "brings joy to people", "interests people"),
  # The tokenizer of the published networks writes these in pieces. Few as the
  # verbs of a test are, all of them might be such, and most verbs are not.
  *("admires", "swims", "congratulated"),
)
_COPULA = "is "


def _predicates(
  table: tuple[grammar.Forms, ...], *, has_copula: bool
) -> tuple[grammar.Forms, ...]:
  return tuple(f for f in table if f[0].startswith(_COPULA) == has_copula)


# Predicates without "is" are a class of their own, so that the number of a
# tested verb is not always told by a word that training contains.
CLASSES = {
  "animate heads": grammar.ANIMATE_HEADS,
  "inanimate heads": grammar.INANIMATE_HEADS,
  "attractors": grammar.ATTRACTORS,
  "embedded verbs": grammar.EMBEDDED_VERBS,
  "animate verbs": _predicates(grammar.ANIMATE_PREDICATES, has_copula=False),
  "animate adjectives": _predicates(
    grammar.ANIMATE_PREDICATES, has_copula=True
  ),
  "inanimate verbs": _predicates(
    grammar.INANIMATE_PREDICATES, has_copula=False
  ),
  "inanimate adjectives": _predicates(
    grammar.INANIMATE_PREDICATES, has_copula=True
  ),
  "reflexive verbs": grammar.REFLEXIVE_VERBS,
}


@functools.cache
def held_out() -> dict[str, tuple[grammar.Forms, ...]]:
  """Returns {class: its entries that only tests contain}.

  "inanimate verbs" has none, since its two entries share a noun. Treat the
  dict as read-only: it is cached.
  """
  generator = np.random.default_rng(_SEED)
  return {name: _draw(table, generator) for name, table in CLASSES.items()}


def _draw(
  table: tuple[grammar.Forms, ...], generator: np.random.Generator
) -> tuple[grammar.Forms, ...]:
  """Draws a third of a class, in the order of the class."""
  may = [
    i for i, forms in enumerate(table) if forms[0] not in _STAY_IN_TRAINING
  ]
  wanted = max(1, round(_SHARE * len(table)))
  drawn = generator.permutation(may)[: min(wanted, len(may))]
  return tuple(table[i] for i in sorted(drawn))


def restrict(
  construction: grammar.Construction, *, to_held_out: bool
) -> grammar.Construction:
  """Returns a construction with the words of one side.

  Args:
    construction: the template.
    to_held_out: whether every noun, verb and adjective is one that is held
      out, or none is. Words of closed classes stay in either case.
  """
  slots = tuple(
    dataclasses.replace(slot, words=_side(slot.words, to_held_out))
    for slot in construction.slots
  )
  return dataclasses.replace(construction, slots=slots)


def _side(
  words: tuple[grammar.Forms, ...], to_held_out: bool
) -> tuple[grammar.Forms, ...]:
  is_open = {forms for table in CLASSES.values() for forms in table}
  chosen = {forms for table in held_out().values() for forms in table}
  return tuple(
    forms
    for forms in words
    if forms not in is_open or (forms in chosen) == to_held_out
  )
