"""Names of the data sets: three experiments, six roles each, two policies."""

import dataclasses

from structcomp_jax.types import UserError

# "published" is drawn as in the paper, "balanced" without what tells the odd
# picture apart although no property asks for it.
POLICIES = ("published", "balanced")

# {experiment: its two properties}
PROPERTIES = {
  "inside_contact": ("inside", "contact"),
  "inside_count": ("inside", "count"),
  "contact_count": ("contact", "count"),
}

# Problems per split. `odd_*` is for evaluation only and has no train split.
SPLIT_SIZES = {"train": 10_000, "validation": 500, "test": 1000}


@dataclasses.dataclass(frozen=True)
class DatasetName:
  """A data set: experiment, role and policy.

  >>> str(DatasetName("inside_contact", "odd_inside", "balanced"))
  'inside_contact.odd_inside.balanced'
  """

  experiment: str
  role: str
  policy: str = "published"

  def __str__(self) -> str:
    parts = [self.experiment, self.role]
    if self.policy != "published":
      parts.append(self.policy)
    return ".".join(parts)

  @property
  def split_sizes(self) -> dict[str, int]:
    """The number of problems of every split that exists."""
    evaluation_only = self.role.startswith("odd_")
    return {
      split: size
      for split, size in SPLIT_SIZES.items()
      if not (evaluation_only and split == "train")
    }


@dataclasses.dataclass(frozen=True)
class ExperimentSpec:
  """What a recipe needs to know about an experiment.

  Attributes:
    subroutines: data sets on which masks are trained, named after the two
      properties.
    test_tasks: data sets on which every network is evaluated.
  """

  subroutines: tuple[str, str]
  test_tasks: tuple[str, ...]


def experiment_spec(experiment: str) -> ExperimentSpec:
  """Describes an experiment.

  >>> experiment_spec("inside_count").test_tasks
  ('base', 'inside', 'count', 'odd_inside', 'odd_count', 'odd_both')

  Args:
    experiment: "inside_contact", "inside_count" or "contact_count".

  Raises:
    UserError: there is no such experiment.
  """
  if experiment not in PROPERTIES:
    raise UserError(
      f"no shape experiment {experiment!r}; use one of {', '.join(PROPERTIES)}"
    )
  first, second = PROPERTIES[experiment]
  return ExperimentSpec(
    subroutines=(first, second),
    test_tasks=(
      "base",
      first,
      second,
      f"odd_{first}",
      f"odd_{second}",
      "odd_both",
    ),
  )


DATASET_NAMES = {
  str(name): name
  for name in (
    DatasetName(experiment, role, policy)
    for policy in POLICIES
    for experiment in PROPERTIES
    for role in experiment_spec(experiment).test_tasks
  )
}
