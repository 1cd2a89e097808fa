"""Sections of the study's config, each as an object, and their checks."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from structcomp_jax import search, types
from structcomp_jax.pipeline import checks, config
from structcomp_jax.pipeline.config import Runtime


@dataclasses.dataclass(frozen=True, kw_only=True)
class MaskSearch(config.MaskSearch):
  """How masks are searched: the section `search`.

  Attributes (besides those of `pipeline.config.MaskSearch`):
    betas: weights of the penalty; each is a mask of its own. The loss has
      beta / `penalty_batch_size` for every logit, as in Csordás et al. 2021.
    hold_output: whose mask of the output layer the masks of subtasks have:
      that of none ("off"), of the control mask, or of the first subtask.
    penalty_batch_size: b, the batch size of the base networks, whatever that of
      the search is.
  """

  betas: tuple[float, ...] = ()
  hold_output: str = "off"
  penalty_batch_size: int = 1

  def search_config(
    self, runtime: Runtime, eval_batch_size: int, **changes: Any
  ) -> search.SearchConfig:
    """Returns the settings of one search, some of them changed."""
    penalties = tuple(beta / self.penalty_batch_size for beta in self.betas)
    return super().search_config(
      runtime, eval_batch_size, **{"penalties": penalties} | changes
    )


def check(config: ConfigDict, choices: Mapping[str, Sequence[str]]) -> None:
  """Checks every field that names something or that must be a number.

  Args:
    config: of an experiment.
    choices: {field: its values} of the domain.

  Raises:
    UserError: a value, named by its field, means nothing.
  """
  check_search(config, choices)
  _steps(config, "training")


def check_search(
  config: ConfigDict, choices: Mapping[str, Sequence[str]]
) -> None:
  """Checks the same of an experiment whose networks have no training."""
  checks.names(config, choices)
  checks.check_common(config)
  for field in ("search.learning_rates", "search.init_logits", "search.betas"):
    checks.distinct(config, field)
  checks.finite(config, "search.betas")
  if min(config.search.betas) < 0:
    raise types.UserError(
      f"search.betas {tuple(config.search.betas)} rewards what is kept; "
      "give 0 or more"
    )
  _steps(config, "search")
  for field in ("masked_from", "learning_rates", "init_logits"):
    values = tuple(config.search[field])
    if len(values) != 1:
      raise types.UserError(
        f"search.{field} {values} must be one value, because masks of one "
        "penalty are compared; only search.betas may have several"
      )


def _steps(config: ConfigDict, section: str) -> None:
  for field in ("num_steps", "batch_size"):
    checks.integers(config, f"{section}.{field}", 1)
  checks.finite(config, f"{section}.clip_norm")
