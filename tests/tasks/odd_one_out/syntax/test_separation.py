"""The lines that say what is not separated."""

import numpy as np
import pytest

from structcomp_jax.tasks.odd_one_out import syntax
from structcomp_jax.tasks.odd_one_out.syntax import pools, separation


def test_seen_fraction_counts_problems_with_any_seen_sentence():
  problems = np.array([["a", "b"], ["c", "d"], ["a", "c"], ["e", "f"]], object)
  training = np.array([["x", "a"], ["c", "y"]], object)
  assert separation.seen_fraction(problems, training) == 0.75


@pytest.mark.parametrize(
  ("sentence", "expected"),
  [
    ("a b c", 1),  # the same
    ("a x c", 1),
    ("x b c", 1),
    ("a b x", 1),
    ("x b x", 0),
    ("a b", 0),  # one word fewer
    ("a b c d", 0),
    ("b a c", 0),
  ],
)
def test_a_neighbour_has_another_word_in_at_most_one_place(sentence, expected):
  assert separation.count_neighbours([sentence], ["a b c", "y z"]) == expected
  assert separation.count_neighbours([sentence] * 2, []) == 0


@pytest.mark.parametrize("policy", ["disjoint", "unseen_words"])
@pytest.mark.parametrize("name", pools.EXPERIMENTS)
def test_other_policies_report_no_leakage(name, policy):
  first, *rest = syntax.separation_report(name, policy)
  assert first == (
    f"{name} ({policy}): no validation or test problem contains a sentence of"
    " any training split"
  )
  assert not any("problems of" in line for line in rest)


def test_disjoint_reports_shrunk_sizes_sharing_and_duplicates():
  text = "\n".join(syntax.separation_report("anaphora_plural"))
  assert "base has fewer problems: train 946 instead of 2500" in text
  assert "training splits of base and pronoun share" in text
  assert (
    "5670 of 11340 sentences with the antecedent flipped were duplicates"
    in text
  )


def test_published_reports_its_leakage():
  text = "\n".join(syntax.separation_report("anaphora_plural", "published"))
  assert (
    "test problems of base with a sentence of a training split: 93.5% in base"
    in text
  )


def test_neighbours_are_counted_in_all_data_sets():
  published, disjoint, unseen = (
    "\n".join(syntax.separation_report("anaphora_plural", policy))
    for policy in syntax.POLICIES
  )
  words = "differ by at most one word from a sentence of a training split"
  assert f"3609 of the 3609 different test sentences {words}" in published
  assert f"2360 of the 2360 different test sentences {words}" in disjoint
  assert f" 0 of the 168 different test sentences {words}" in unseen


def test_unseen_words_reports_words_and_numbers_of_sentences():
  lines = syntax.separation_report("anaphora_plural", "unseen_words")
  text = "\n".join(lines)
  assert (
    "of 10 animate heads 3 are held out for tests: pilot/pilots,"
    " officer/officers, teacher/teachers\n"
  ) in text
  assert "of 2 inanimate verbs 0 are held out for tests\n" in text
  assert "of 7 reflexive verbs 2 are held out for tests: hurt, injured" in text
  assert (
    "different sentences of base: train 3855 in 10000 places, validation 350"
    " in 800 places, test 168 in 800 places"
  ) in text
  for policy in ("published", "disjoint"):
    assert not any(
      "held out" in line or "places" in line
      for line in syntax.separation_report("anaphora_plural", policy)
    )
