"""Which sentences the problems of each data set are made of, and how many."""

import dataclasses

from structcomp_jax.tasks.odd_one_out.syntax import pools as pools_lib


@dataclasses.dataclass(frozen=True)
class Recipe:
  """Sentences per problem that a data set takes from each pool.

  Attributes:
    rules: {pool: mean number of its sentences among the three rules}.
    odds: {pool: mean number of its sentences that are the odd one}.
  """

  rules: dict[str, float]
  odds: dict[str, float]

  @property
  def per_problem(self) -> dict[str, float]:
    return self.rules | self.odds


# In the order of Experiment.roles.
_RECIPES = (
  Recipe({"ab": 3}, {"a_flip": 0.5, "b_flip": 0.5}),
  Recipe({"ab": 1.5, "b_flip": 1.5}, {"a_flip": 1}),
  Recipe({"ab": 1.5, "a_flip": 1.5}, {"b_flip": 1}),
  Recipe({"ab": 3}, {"a_flip": 1}),
  Recipe({"ab": 3}, {"b_flip": 1}),
)


def by_role(experiment: pools_lib.Experiment) -> dict[str, Recipe]:
  """Returns {role: recipe}, the proportions of Lepori et al. 2023."""
  return dict(zip(experiment.roles, _RECIPES, strict=True))
