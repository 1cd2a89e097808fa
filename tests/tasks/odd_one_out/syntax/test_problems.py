"""Names of data sets and experiments."""

import pytest

from structcomp_jax.tasks.odd_one_out import syntax
from structcomp_jax.types import UserError


def test_names_are_the_documented_ones():
  expected = [
    f"{family}_{number}.{role}{suffix}"
    for suffix in ("", ".disjoint")
    for family, (a, b) in (
      ("sv", ("subject", "verb")),
      ("anaphora", ("antecedent", "pronoun")),
    )
    for number in ("singular", "plural")
    for role in ("base", a, b, f"odd_{a}", f"odd_{b}")
  ]
  assert list(syntax.DATASET_NAMES) == expected


def test_names_lead_to_problems():
  for name in syntax.DATASET_NAMES.values():
    assert syntax.make_datasets(name.experiment, name.policy)[name.role]


def test_spec_of_an_experiment():
  spec = syntax.experiment_spec("anaphora_plural")
  assert spec.subroutines == ("antecedent", "pronoun")
  assert spec.test_tasks == (
    "base",
    "antecedent",
    "pronoun",
    "odd_antecedent",
    "odd_pronoun",
  )
  assert len(spec.vocabulary) == 113


def test_unknown_experiment_and_policy():
  with pytest.raises(
    UserError, match=r"no syntax experiment 'sv'; .*sv_plural"
  ):
    syntax.experiment_spec("sv")
  with pytest.raises(
    UserError, match=r"no policy 'random'.*published, disjoint"
  ):
    syntax.make_datasets("sv_plural", "random")
