"""Masks of subtasks that have the output layer of another mask.

A mask that may choose its own output layer can drop a class by cutting what is
read out. Csordás et al. 2021 therefore gave masks of subtasks the output layer
of the control mask.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from structcomp_jax import masks, types
from structcomp_jax.io import hosts, layout, logit_files, mask_files
from structcomp_jax.pipeline.experiment import Experiment
from structcomp_jax.pipeline.study import param_shapes
from structcomp_jax.studies.are_nets_modular.domain import CONTROL


def held_output(
  study: Any, work: Experiment, regime: str, subroutine: str
) -> dict[str, Any]:
  """Returns the fields of a search that give masks an output layer.

  Args:
    study: says whose output layer (`search.hold_output`).
    work: where the masks are that have one.
    regime: of the networks.
    subroutine: whose masks are searched.

  Returns:
    `start_of` and `held` of `mask_search.Search`; nothing where all of the mask
    is learned.
  """
  other = _whose(study, subroutine)
  if not other:
    return {}
  source = _Source(study, work, regime, other)
  return {"start_of": source, "held": study.domain.output_leaves()}


def _whose(study: Any, subroutine: str) -> str:
  """Returns the subroutine whose output layer another one has, or ""."""
  setting = study.mask_search.hold_output
  if setting == "off" or subroutine == CONTROL:
    return ""
  other = CONTROL if setting == CONTROL else study.subroutines[1]
  return "" if subroutine == other else other


class _Source:
  """Logits to start from: those of another mask in the output layer.

  Of the control, the mask with the same seed and penalty; of the first subtask,
  its mask with the first seed, whatever the seed.
  """

  def __init__(self, study: Any, work: Experiment, regime: str, other: str):
    self._study, self._work = study, work
    self._regime, self._other = regime, other
    spec = masks.select(
      param_shapes(study.network),
      study.mask_rules(study.mask_search.masked_from[0]),
    )
    self._held = masks.matching(spec, study.domain.output_leaves(), "held")
    (logit,) = study.mask_search.init_logits
    self._blank = {
      leaf.path: np.full(leaf.mask_shape, logit, np.float32)
      for leaf in spec.leaves
    }

  def __call__(
    self, base_seed: int, mask_seed: int, penalty: float
  ) -> types.AnyMask:
    """Returns {path: f32[...]}."""
    columns, logits = self._stored(base_seed)
    if self._other != CONTROL:
      mask_seed = self._study.mask_search.seeds[0]
    row = next(
      row
      for row, found in enumerate(columns["mask_seed"])
      if found == mask_seed and _is(columns["penalty"][row], penalty)
    )
    return self._blank | {path: logits[path][row] for path in self._held}

  def _stored(
    self, base_seed: int
  ) -> tuple[Mapping[str, Any], Mapping[str, np.ndarray]]:
    """Returns the columns and the logits of the other masks of a network."""
    directory = self._work.paths.masks(self._regime, base_seed, self._other)
    fingerprint = self._work.fingerprint(self._regime, base_seed)
    _, columns = hosts.by_first(mask_files.load)(
      directory / layout.MASKS, fingerprint
    )
    logits = hosts.by_first(logit_files.load)(
      directory / layout.LOGITS, fingerprint
    )
    return columns, logits


def _is(stored: float, penalty: float) -> bool:
  """Returns whether two penalties are one, which may be tiny."""
  return bool(np.isclose(stored, penalty, rtol=1e-5, atol=0))
