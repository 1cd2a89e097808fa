"""Problems by name: four experiments, five data sets each, two policies."""

import dataclasses

import numpy as np

from structcomp_jax.tasks.odd_one_out.syntax import (
  disjoint,
  grammar,
  published,
)
from structcomp_jax.tasks.odd_one_out.syntax import pools as pools_lib
from structcomp_jax.types import UserError

# "published" is drawn as in the paper, "disjoint" evaluates on sentences that
# no network was trained on.
POLICIES = ("published", "disjoint")


@dataclasses.dataclass(frozen=True)
class DatasetName:
  """A data set: experiment, role and policy.

  >>> str(DatasetName("sv_singular", "odd_verb", "disjoint"))
  'sv_singular.odd_verb.disjoint'
  """

  experiment: str
  role: str
  policy: str = "published"

  def __str__(self) -> str:
    parts = [self.experiment, self.role]
    if self.policy != "published":
      parts.append(self.policy)
    return ".".join(parts)


@dataclasses.dataclass(frozen=True)
class ExperimentSpec:
  """What a recipe needs to know about an experiment.

  Attributes:
    subroutines: data sets on which masks are trained.
    test_tasks: data sets on which every network is evaluated.
    vocabulary: every word of the four experiments, in a fixed order.
  """

  subroutines: tuple[str, ...]
  test_tasks: tuple[str, ...]
  vocabulary: tuple[str, ...]


DATASET_NAMES = {
  str(name): name
  for name in (
    DatasetName(experiment.name, role, policy)
    for policy in POLICIES
    for experiment in pools_lib.EXPERIMENTS.values()
    for role in experiment.roles
  )
}


def experiment_spec(experiment: str) -> ExperimentSpec:
  """Describes an experiment.

  >>> experiment_spec("sv_singular").subroutines
  ('subject', 'verb')

  Args:
    experiment: "sv_singular", "sv_plural", "anaphora_singular" or
      "anaphora_plural".

  Raises:
    UserError: there is no such experiment.
  """
  known = _find(experiment)
  return ExperimentSpec(
    subroutines=known.components,
    test_tasks=known.roles,
    vocabulary=grammar.vocabulary(),
  )


def make_datasets(
  experiment: str, policy: str = "published"
) -> dict[str, dict[str, np.ndarray]]:
  """All problems of an experiment.

  Args:
    experiment: as for `experiment_spec`.
    policy: one of POLICIES.

  Returns:
    {role: {split: object[problems, 4]}} of str: three rule sentences, then
    the odd one. The splits are train, validation and test; `odd_*` has no
    train. The same at every call; treat it as read-only.

  Raises:
    UserError: there is no such experiment or policy.
  """
  name = _find(experiment).name
  if policy not in POLICIES:
    raise UserError(
      f"no policy {policy!r} of syntax problems; use one of"
      f" {', '.join(POLICIES)}"
    )
  return disjoint.make(name) if policy == "disjoint" else published.make(name)


def _find(experiment: str) -> pools_lib.Experiment:
  if experiment not in pools_lib.EXPERIMENTS:
    raise UserError(
      f"no syntax experiment {experiment!r}; use one of"
      f" {', '.join(pools_lib.EXPERIMENTS)}"
    )
  return pools_lib.EXPERIMENTS[experiment]
