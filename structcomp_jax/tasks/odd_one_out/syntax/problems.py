"""Problems by name: four experiments, five data sets each, three policies."""

from collections.abc import Callable

import numpy as np

from structcomp_jax.tasks.odd_one_out import names
from structcomp_jax.tasks.odd_one_out.syntax import (
  disjoint,
  published,
  unseen_words,
)
from structcomp_jax.types import UserError

_Make = Callable[[str], dict[str, dict[str, np.ndarray]]]

_MAKERS: dict[str, _Make] = {
  "published": published.make,
  "disjoint": disjoint.make,
  "unseen_words": unseen_words.make,
}


def make_datasets(
  experiment: str, policy: str = names.DEFAULT_POLICY
) -> dict[str, dict[str, np.ndarray]]:
  """Makes all problems of an experiment.

  Args:
    experiment: a key of `names.SYNTAX.experiments`.
    policy: one of `names.SYNTAX.policies`.

  Returns:
    {role: {split: object[problems, 4]}} of str: three rule sentences, then
    the odd one. The splits are train, validation and test; `odd_*` has no
    train. The same at every call; treat it as read-only.

  Raises:
    UserError: there is no such experiment or policy.
  """
  names.SYNTAX.experiment_spec(experiment)
  if policy not in names.SYNTAX.policies:
    raise UserError(
      f"no policy {policy!r} of syntax problems; use one of"
      f" {', '.join(names.SYNTAX.policies)}"
    )
  return _MAKERS[policy](experiment)
