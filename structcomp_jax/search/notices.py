"""What a search says that is no error: settings or results of little use."""

import numpy as np

from structcomp_jax import masks
from structcomp_jax.search.config import SearchConfig

# Logits that move less than this, times the largest beta, decide next to
# nothing: the mask is where it began.
_LEAST_MOVE = 1.0
_STOCHASTIC_EXAMPLE = "0.03"


def about_settings(config: SearchConfig, num_steps: int) -> str | None:
  """Returns a notice if step sizes do not fit the relaxation, or None.

  An Adam step moves a logit by about a learning rate.

  >>> about_settings(SearchConfig(learning_rates=(0.1,)), num_steps=100)

  Args:
    config: of the search.
    num_steps: of the whole search.
  """
  relaxation = masks.get_relaxation(config.relaxation)
  sharpness = config.max_beta if relaxation.uses_beta else 1.0
  low = [
    rate
    for rate in config.learning_rates
    if rate * num_steps * sharpness < _LEAST_MOVE
  ]
  if not low:
    return None
  remedy = "raise learning_rates or num_epochs"
  if not relaxation.uses_beta:
    remedy += (
      f"; {type(relaxation).__name__} has no beta that sharpens small "
      f"logits, and needs rates such as {_STOCHASTIC_EXAMPLE}"
    )
  return (
    f"with learning_rates {', '.join(map(str, low))}, {num_steps} steps move "
    f"no logit by more than about {max(low) * num_steps:.2g}, and masks stay "
    f"as they begin; {remedy}"
  )


def about_masks(is_empty: np.ndarray) -> str | None:
  """Returns a notice if candidates keep no unit at all, or None.

  >>> about_masks(np.array([False, True]))
  'candidate 1 keeps nothing in any leaf; lower penalties or raise init_logits'

  Args:
    is_empty: bool[K].
  """
  empty = np.flatnonzero(is_empty)
  if not len(empty):
    return None
  who = "candidate" if len(empty) == 1 else "candidates"
  verb = "keeps" if len(empty) == 1 else "keep"
  return (
    f"{who} {', '.join(map(str, empty))} {verb} nothing in any leaf; lower "
    "penalties or raise init_logits"
  )
