"""What odd-one-out experiments and their data sets are called.

An experiment is about two subroutines, each of which says what its problems
have in common. Its data sets have *roles*: `base` (the task that needs both
subroutines), one role named after each subroutine, and `odd_X` (the odd item
breaks X and nothing else), which is for evaluation only. A *policy* says how
problems are drawn.
"""

import dataclasses
from collections.abc import Mapping

from structcomp_jax.types import UserError

# Drawn as by Lepori et al. 2023; the names of its data sets carry no suffix.
DEFAULT_POLICY = "published"


@dataclasses.dataclass(frozen=True)
class DatasetName:
  """A data set: experiment, role and policy.

  >>> str(DatasetName("sv_singular", "odd_verb"))
  'sv_singular.odd_verb'
  >>> str(DatasetName("inside_contact", "odd_inside", "balanced"))
  'inside_contact.odd_inside.balanced'
  """

  experiment: str
  role: str
  policy: str = DEFAULT_POLICY

  def __str__(self) -> str:
    parts = [self.experiment, self.role]
    if self.policy != DEFAULT_POLICY:
      parts.append(self.policy)
    return ".".join(parts)


@dataclasses.dataclass(frozen=True)
class ExperimentSpec:
  """The roles of the data sets of one experiment.

  Attributes:
    subroutines: data sets on which masks are trained.
    test_tasks: data sets on which every network is evaluated: all there are.
  """

  subroutines: tuple[str, str]
  test_tasks: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Family:
  """Experiments about one kind of item.

  Attributes:
    kind: what error messages call it.
    experiments: {experiment: its data sets}.
    policies: ways to draw problems.
  """

  kind: str
  experiments: Mapping[str, ExperimentSpec]
  policies: tuple[str, ...]

  @property
  def dataset_names(self) -> dict[str, DatasetName]:
    """All data sets, policy by policy, under the names of their files.

    >>> list(SHAPES.dataset_names)[:2]
    ['inside_contact.base', 'inside_contact.inside']
    """
    names = (
      DatasetName(experiment, role, policy)
      for policy in self.policies
      for experiment, spec in self.experiments.items()
      for role in spec.test_tasks
    )
    return {str(name): name for name in names}

  def experiment_spec(self, experiment: str) -> ExperimentSpec:
    """Returns the roles of one experiment.

    >>> SYNTAX.experiment_spec("sv_singular").subroutines
    ('subject', 'verb')
    >>> SHAPES.experiment_spec("inside_count").test_tasks
    ('base', 'inside', 'count', 'odd_inside', 'odd_count', 'odd_both')

    Raises:
      UserError: this family has no such experiment.
    """
    if experiment not in self.experiments:
      raise UserError(
        f"no {self.kind} experiment {experiment!r}; use one of"
        f" {', '.join(self.experiments)}"
      )
    return self.experiments[experiment]


def has_training_split(role: str) -> bool:
  """Returns whether networks are trained on the data sets of a role.

  >>> has_training_split("base"), has_training_split("odd_verb")
  (True, False)
  """
  return not role.startswith("odd_")


def _about(first: str, second: str, *further_roles: str) -> ExperimentSpec:
  """Returns the roles of an experiment about two subroutines."""
  return ExperimentSpec(
    (first, second),
    ("base", first, second, f"odd_{first}", f"odd_{second}", *further_roles),
  )


# Sentences. The order of the experiments is the order in which the random
# numbers of the policy "published" run through them.
SYNTAX = Family(
  kind="syntax",
  experiments={
    "sv_singular": _about("subject", "verb"),
    "sv_plural": _about("subject", "verb"),
    "anaphora_singular": _about("antecedent", "pronoun"),
    "anaphora_plural": _about("antecedent", "pronoun"),
  },
  # "published" draws as Lepori et al. 2023 did; "disjoint" evaluates on
  # sentences that no network was trained on, "unseen_words" tests on sentences
  # whose nouns, verbs and adjectives no network was trained on.
  policies=(DEFAULT_POLICY, "disjoint", "unseen_words"),
)

# Pictures. In `odd_both` the odd picture breaks both rules.
SHAPES = Family(
  kind="shape",
  experiments={
    "inside_contact": _about("inside", "contact", "odd_both"),
    "inside_count": _about("inside", "count", "odd_both"),
    "contact_count": _about("contact", "count", "odd_both"),
  },
  # "published" draws as Lepori et al. 2023 did; "balanced" without what tells
  # the odd picture apart although no subroutine asks for it.
  policies=(DEFAULT_POLICY, "balanced"),
)
