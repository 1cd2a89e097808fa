"""Sentences of the syntax tasks: words, constructions, minimal pairs.

These are the agreement and reflexive templates of Marvin & Linzen (2018) that
Lepori, Serre & Pavlick (2023) use. The order of every table is part of the
definition, because the data sets of the paper are drawn by position.
"""

import dataclasses
import functools
import itertools

# (singular, plural); also indices into a word's pair of forms.
NUMBERS = ("singular", "plural")
SINGULAR, PLURAL = 0, 1

Forms = tuple[str, str]


def _forms(*singular_plural: str) -> tuple[Forms, ...]:
  """Reads pairs "singular/plural"; a form without "/" serves both numbers."""
  split = (entry.split("/") for entry in singular_plural)
  return tuple((forms[0], forms[-1]) for forms in split)


def _regular(*nouns: str) -> tuple[Forms, ...]:
  return tuple((noun, noun + "s") for noun in nouns)


ANIMATE_HEADS = _regular(
  "author",
  "pilot",
  "surgeon",
  "farmer",
  "manager",
  "customer",
  "officer",
  "teacher",
  "senator",
  "consultant",
)
INANIMATE_HEADS = _regular(
  "movie",
  "book",
  "game",
  "song",
  "picture",
  "painting",
  "novel",
  "poem",
  "show",
)
ATTRACTORS = _regular(
  "guard",
  "chef",
  "architect",
  "skater",
  "dancer",
  "minister",
  "taxi driver",
  "assistant",
  "executive",
  "parent",
)
EMBEDDED_VERBS = _forms(
  "likes/like", "admires/admire", "hates/hate", "loves/love"
)
ANIMATE_PREDICATES = _forms(
  "laughs/laugh",
  "swims/swim",
  "smiles/smile",
  "is tall/are tall",
  "is old/are old",
  "is young/are young",
  "is short/are short",
)
INANIMATE_PREDICATES = _forms(
  "is good/are good",
  "is bad/are bad",
  "is new/are new",
  "is popular/are popular",
  "is unpopular/are unpopular",
  "brings joy to people/bring joy to people",
  "interests people/interest people",
)
ANIMATE_PREPOSITIONS = _forms(
  "next to", "behind", "in front of", "near", "to the side of", "across from"
)
INANIMATE_PREPOSITIONS = _forms("from", "by")
REFLEXIVE_VERBS = _forms(
  "hurt",
  "injured",
  "congratulated",
  "embarrassed",
  "disguised",
  "hated",
  "doubted",
)
# There are two entries in the plural too, although they are the same word.
# Every sentence with "themselves" is therefore in its set twice.
REFLEXIVES = _forms("himself/themselves", "herself/themselves")

_THE = _forms("the")
_THAT = _forms("that")


@dataclasses.dataclass(frozen=True)
class Slot:
  """A place in a sentence: its words, and what decides their number.

  Attributes:
    words: what may stand there.
    number_of: the part of the sentence with whose number the word agrees,
      "head", "attractor" or "target"; None for a word with one form only.
  """

  words: tuple[Forms, ...]
  number_of: str | None = None


@dataclasses.dataclass(frozen=True)
class Construction:
  """A sentence template, from left to right; the last slot is the target."""

  name: str
  slots: tuple[Slot, ...]

  @property
  def has_attractor(self) -> bool:
    return any(slot.number_of == "attractor" for slot in self.slots)


_FIXED_THE, _FIXED_THAT = Slot(_THE), Slot(_THAT)
_ANIMATE = (_FIXED_THE, Slot(ANIMATE_HEADS, "head"))
_INANIMATE = (_FIXED_THE, Slot(INANIMATE_HEADS, "head"))
_ATTRACTOR = (_FIXED_THE, Slot(ATTRACTORS, "attractor"))
_ATTRACTOR_CLAUSE = (*_ATTRACTOR, Slot(EMBEDDED_VERBS, "attractor"))
_LIVES = Slot(ANIMATE_PREDICATES, "target")
_IS = Slot(INANIMATE_PREDICATES, "target")
_REFLEXIVE = (Slot(REFLEXIVE_VERBS), Slot(REFLEXIVES, "target"))

AGREEMENT = (
  Construction(
    "obj_rel_across_anim",
    (*_ANIMATE, _FIXED_THAT, *_ATTRACTOR_CLAUSE, _LIVES),
  ),
  Construction(
    "obj_rel_across_inanim",
    (*_INANIMATE, _FIXED_THAT, *_ATTRACTOR_CLAUSE, _IS),
  ),
  Construction(
    "obj_rel_no_comp_across_anim", (*_ANIMATE, *_ATTRACTOR_CLAUSE, _LIVES)
  ),
  Construction(
    "obj_rel_no_comp_across_inanim", (*_INANIMATE, *_ATTRACTOR_CLAUSE, _IS)
  ),
  Construction(
    "prep_anim", (*_ANIMATE, Slot(ANIMATE_PREPOSITIONS), *_ATTRACTOR, _LIVES)
  ),
  Construction(
    "prep_inanim",
    (*_INANIMATE, Slot(INANIMATE_PREPOSITIONS), *_ATTRACTOR, _IS),
  ),
  Construction("simple_agrmt", (*_ANIMATE, _LIVES)),
  Construction(
    "subj_rel",
    (
      *_ANIMATE,
      _FIXED_THAT,
      Slot(EMBEDDED_VERBS, "head"),
      *_ATTRACTOR,
      _LIVES,
    ),
  ),
)
ANAPHORA = (
  Construction(
    "reflexives_across",
    (*_ANIMATE, _FIXED_THAT, *_ATTRACTOR_CLAUSE, *_REFLEXIVE),
  ),
  Construction("simple_reflexives", (*_ANIMATE, *_REFLEXIVE)),
)


def sentences(
  construction: Construction, head: int, attractor: int, target: int
) -> list[str]:
  """Returns all sentences of a construction with the given three numbers.

  Args:
    construction: the template.
    head: SINGULAR or PLURAL: the number of the main subject and of what
      agrees with it.
    attractor: number of the other noun; ignored if there is none.
    target: number of the main verb or the reflexive.

  Returns:
    The Cartesian product of the slots, the leftmost varying slowest.
  """
  numbers = {
    "head": head,
    "attractor": attractor,
    "target": target,
    None: SINGULAR,
  }
  choices = (
    [forms[numbers[slot.number_of]] for forms in slot.words]
    for slot in construction.slots
  )
  return [" ".join(words) for words in itertools.product(*choices)]


def pair_groups(
  construction: Construction, number: int
) -> list[list[tuple[str, str]]]:
  """Returns the set `<number>_<construction>`: pairs that differ in the target.

  Args:
    construction: the template.
    number: SINGULAR or PLURAL: number of the head in both members of a pair.

  Returns:
    One list of (grammatical, ungrammatical) for each number of the
    attractor, singular first; a single list where there is no attractor.
  """
  attractors = (SINGULAR, PLURAL) if construction.has_attractor else (SINGULAR,)
  return [
    list(
      zip(
        sentences(construction, number, attractor, number),
        sentences(construction, number, attractor, 1 - number),
        strict=True,
      )
    )
    for attractor in attractors
  ]


@functools.cache
def vocabulary() -> tuple[str, ...]:
  """Returns every word of every sentence once, in a fixed order.

  The four experiments share one list, so that one word-level tokenizer
  serves the networks of all of them.
  """
  tables = (
    *(_THE, _THAT, ANIMATE_HEADS, INANIMATE_HEADS, ATTRACTORS),
    *(EMBEDDED_VERBS, ANIMATE_PREDICATES, INANIMATE_PREDICATES),
    *(ANIMATE_PREPOSITIONS, INANIMATE_PREPOSITIONS),
    *(REFLEXIVE_VERBS, REFLEXIVES),
  )
  words = (
    word
    for table in tables
    for forms in table
    for form in forms
    for word in form.split()
  )
  return tuple(dict.fromkeys(words))
