"""The experiments in words, and as the release of the paper names them."""

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Description:
  """What an experiment asks of a network.

  Attributes:
    items: what a problem consists of.
    rule: what all items but the odd one obey.
    questions: {subroutine: what it answers about an item}.
    release: how the release names it.
  """

  items: str
  rule: str
  questions: Mapping[str, str]
  release: "Release"


@dataclasses.dataclass(frozen=True)
class Release:
  """An experiment in the result files of the release.

  Attributes:
    name: the experiment.
    first_test: number of its first test; the others follow.
    tests: our names of its tests, in the order of their numbers. Its
      `ablate_a` keeps cue a and breaks only the other cue b: our `odd_b`.
    renamed: {subroutine of the release: ours} where they differ.
    num_problems: of its smallest test.
  """

  name: str
  first_test: int
  tests: tuple[str, ...]
  renamed: Mapping[str, str] = dataclasses.field(default_factory=dict)
  num_problems: int = 1_000


def _language_tests(first: str, second: str) -> tuple[str, ...]:
  return ("base", first, second, f"odd_{second}", f"odd_{first}")


_SENTENCES, _PICTURES = "sentences", "pictures"
_SUBJECT_VERB = _language_tests("subject", "verb")
_ANAPHORA = _language_tests("pronoun", "antecedent")
DESCRIPTIONS = {
  "sv_singular": Description(
    _SENTENCES,
    "a singular subject with a singular verb, e.g. “the pilot next to the taxi"
    " drivers swims”",
    {"subject": "is the subject singular?", "verb": "is the verb singular?"},
    Release("sv_agr_singular", 0, _SUBJECT_VERB, num_problems=300),
  ),
  "sv_plural": Description(
    _SENTENCES,
    "a plural subject with a plural verb, e.g. “the movies the chef admires are"
    " unpopular”",
    {"subject": "is the subject plural?", "verb": "is the verb plural?"},
    Release("sv_agr_plural", 5, _SUBJECT_VERB, num_problems=300),
  ),
  "anaphora_singular": Description(
    _SENTENCES,
    "a singular antecedent with a singular pronoun, e.g. “the officer that the"
    " guards hate doubted herself”",
    {
      "antecedent": "is the antecedent singular?",
      "pronoun": "is the pronoun singular?",
    },
    Release("anaphora_singular", 10, _ANAPHORA, num_problems=200),
  ),
  "anaphora_plural": Description(
    _SENTENCES,
    "a plural antecedent with a plural pronoun, e.g. “the officers doubted"
    " themselves”",
    {
      "antecedent": "is the antecedent plural?",
      "pronoun": "is the pronoun plural?",
    },
    Release("anaphora_plural", 15, _ANAPHORA, num_problems=200),
  ),
  "inside_contact": Description(
    _PICTURES,
    "one shape is inside another and two shapes touch",
    {"inside": "is one inside another?", "contact": "do two touch?"},
    Release(
      "inside_contact",
      103,
      ("base", "inside", "contact", "odd_both", "odd_inside", "odd_contact"),
    ),
  ),
  "inside_count": Description(
    _PICTURES,
    "all shapes are in pairs, one inside the other, and as many as in the other"
    " pictures (4 or 6)",
    {
      "inside": "are all shapes in nested pairs?",
      "count": "are there as many as in the other pictures?",
    },
    Release(
      "inside_count",
      109,
      ("base", "inside", "count", "odd_both", "odd_count", "odd_inside"),
      {"number": "count"},
    ),
  ),
  "contact_count": Description(
    _PICTURES,
    "all shapes hang together by touching, and as many as in the other pictures"
    " (2 or 3)",
    {
      "contact": "do all shapes hang together?",
      "count": "are there as many as in the other pictures?",
    },
    Release(
      "count_contact",
      115,
      ("base", "contact", "count", "odd_both", "odd_count", "odd_contact"),
      {"number": "count"},
    ),
  ),
}


def in_release(name: str) -> tuple[str, Release]:
  """Returns our name and the names of an experiment of the release.

  Raises:
    KeyError: the release has no such experiment.
  """
  for experiment, description in DESCRIPTIONS.items():
    if description.release.name == name:
      return experiment, description.release
  raise KeyError(name)
