"""The lines that say what is not separated."""

import numpy as np
import pytest

from structcomp_jax.tasks.odd_one_out import syntax
from structcomp_jax.tasks.odd_one_out.syntax import pools, separation


def test_seen_fraction_counts_problems_with_any_seen_sentence():
  problems = np.array([["a", "b"], ["c", "d"], ["a", "c"], ["e", "f"]], object)
  training = np.array([["x", "a"], ["c", "y"]], object)
  assert separation.seen_fraction(problems, training) == 0.75


@pytest.mark.parametrize("name", pools.EXPERIMENTS)
def test_disjoint_reports_no_leakage(name):
  first, *rest = syntax.separation_report(name)
  assert first == (
    f"{name} (disjoint): no validation or test problem contains a sentence of"
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
