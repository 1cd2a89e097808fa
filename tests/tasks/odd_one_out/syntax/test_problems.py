"""Problems by name."""

import pytest

from structcomp_jax.tasks.odd_one_out import syntax
from structcomp_jax.types import UserError


def test_names_lead_to_problems():
  for name in syntax.DATASET_NAMES.values():
    assert syntax.make_datasets(name.experiment, name.policy)[name.role]


@pytest.mark.parametrize(
  ("experiment", "policy", "message"),
  [
    ("sv", "published", r"no syntax experiment 'sv'; .*sv_plural"),
    (
      "sv_plural",
      "random",
      r"no policy 'random'.*published, disjoint, unseen_words",
    ),
  ],
)
def test_unknown_names_are_refused(experiment, policy, message):
  with pytest.raises(UserError, match=message):
    syntax.make_datasets(experiment, policy)
