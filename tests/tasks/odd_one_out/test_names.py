"""Names of experiments and data sets: work directories depend on them."""

import pytest

from structcomp_jax.tasks.odd_one_out import names
from structcomp_jax.types import UserError

_SYNTAX = {
  "sv_singular": ("subject", "verb"),
  "sv_plural": ("subject", "verb"),
  "anaphora_singular": ("antecedent", "pronoun"),
  "anaphora_plural": ("antecedent", "pronoun"),
}
_SHAPES = {
  "inside_contact": ("inside", "contact"),
  "inside_count": ("inside", "count"),
  "contact_count": ("contact", "count"),
}


@pytest.mark.parametrize(
  ("family", "experiments", "suffixes", "further_roles"),
  [
    (names.SYNTAX, _SYNTAX, ("", ".disjoint", ".unseen_words"), ()),
    (names.SHAPES, _SHAPES, ("", ".balanced"), ("odd_both",)),
  ],
)
def test_names_are_the_documented_ones(
  family, experiments, suffixes, further_roles
):
  expected = [
    f"{experiment}.{role}{suffix}"
    for suffix in suffixes
    for experiment, (a, b) in experiments.items()
    for role in ("base", a, b, f"odd_{a}", f"odd_{b}", *further_roles)
  ]
  assert list(family.dataset_names) == expected
  for experiment, subroutines in experiments.items():
    assert family.experiment_spec(experiment).subroutines == subroutines


def test_a_name_leads_to_its_parts():
  name = names.SHAPES.dataset_names["contact_count.odd_both.balanced"]
  assert name == names.DatasetName("contact_count", "odd_both", "balanced")
  name = names.SYNTAX.dataset_names["sv_plural.base"]
  assert name == names.DatasetName("sv_plural", "base")


@pytest.mark.parametrize(
  ("family", "message"),
  [
    (names.SYNTAX, r"no syntax experiment 'sv'; use one of sv_singular, "),
    (names.SHAPES, r"no shape experiment 'sv'; use one of inside_contact, "),
  ],
)
def test_unknown_experiments_are_refused(family, message):
  with pytest.raises(UserError, match=message):
    family.experiment_spec("sv")
