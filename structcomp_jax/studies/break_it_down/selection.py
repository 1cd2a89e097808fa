"""Which setting of the mask grid is used: a recorded step.

Every setting is searched with one seed and judged on validation data:

    own_task   of the subnetworks within 0.01 of the best accuracy on their
               own task, the one that removes the most weights; then the first
               of the grid
    published  the largest  max(other, 1/4) - max(target, 1/4)  after zero
               ablation, among settings with own-task accuracy >= 0.9; among
               equals the most accurate, then the first of the grid

`published` prefers masks whose ablation hurts, on the very tasks that are
reported later (of other problems): its D_abl is optimistic.
"""

import json
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np

from structcomp_jax import evaluation, types
from structcomp_jax.io import files, hosts, mask_files
from structcomp_jax.io.layout import MASKS, SELECTION
from structcomp_jax.pipeline.frozen import FrozenNetwork
from structcomp_jax.pipeline.keys import purpose_key
from structcomp_jax.pipeline.tables import SETTINGS
from structcomp_jax.studies.break_it_down.findings.task_difference import (
  OWN_THRESHOLD,
  clamp,
)

# Accuracies this close on a validation split are the same.
_AS_ACCURATE = 0.01


def choose(
  frozen: FrozenNetwork,
  directory: pathlib.Path,
  subroutine: str,
  search_masks: Callable[..., None],
  label: str,
) -> dict[str, Any]:
  """Returns the setting to use, searching the grid where there is one.

  Args:
    frozen: the network.
    directory: of the final masks; the grid lies in `grid/` below it.
    subroutine: what the masks are for.
    search_masks: (directory, masked_from=, config=, label=); runs one search
      and stores its masks, unless it did so before.
    label: for progress.

  Returns:
    {setting: value} of all `SETTINGS`.
  """
  config = frozen.experiment.config.search
  # In the order of `SETTINGS`.
  axes = (
    config.learning_rates,
    config.init_logits,
    config.penalties,
    config.masked_from,
  )
  if all(len(axis) == 1 for axis in axes):
    return dict(zip(SETTINGS, (axis[0] for axis in axes), strict=True))
  record = directory / SELECTION
  if not files.exists(record):
    rows = []
    for masked_from in config.masked_from:
      grid = directory / "grid" / f"from_{masked_from}"
      search_masks(
        grid,
        masked_from=masked_from,
        config=frozen.experiment.search_config(seeds=(config.grid_seed,)),
        label=f"{label}, grid from {masked_from}",
      )
      rows += _judge(frozen, grid, subroutine, masked_from)
    best = best_row(rows, config.selection)
    content = {"rule": config.selection, "chosen": best, "settings": rows}
    files.write_atomic(record, json.dumps(content, indent=2) + "\n")
  try:
    chosen = json.loads(files.read_text(record))["chosen"]
    return {name: chosen[name] for name in SETTINGS}
  except (ValueError, KeyError, TypeError) as error:
    raise types.UserError(
      f"{record} is torn; delete it and run python -m launch.search again"
    ) from error


def best_row(rows: list[dict[str, Any]], rule: str) -> dict[str, Any]:
  """Returns the winner under `rule`.

  Raises:
    UserError: no candidate of the grid stayed finite.
  """
  rows = [row for row in rows if row["finite"] and np.isfinite(row["own_loss"])]
  if not rows:
    raise types.UserError(
      "no setting of the mask grid stayed finite; lower the learning rates"
    )
  if rule == "own_task":
    best = max(row["own_accuracy"] for row in rows)
    accurate = [
      row for row in rows if row["own_accuracy"] >= best - _AS_ACCURATE
    ]
    # Not the one that keeps the fewest maskable weights: a mask of the last
    # layer alone leaves all of the others in place.
    return max(accurate, key=lambda row: row["removed"])
  return max(rows, key=lambda row: (_ablation_score(row), row["own_accuracy"]))


def _ablation_score(row: dict[str, Any]) -> float:
  """Published score; minus infinity, not 0, for a mask that did not learn."""
  if row["own_accuracy"] < OWN_THRESHOLD:
    return -np.inf
  return float(clamp(row["ablated_other"]) - clamp(row["ablated_target"]))


def _judge(frozen, grid, subroutine, masked_from):
  """Returns one row per candidate of a grid search, on validation data."""
  experiment = frozen.experiment
  load = hosts.by_first(mask_files.load)
  stacked, settings = load(grid / MASKS, frozen.fingerprint)
  spec = frozen.mask_spec(masked_from)
  other = next(name for name in experiment.subroutines if name != subroutine)
  tasks = (subroutine, f"odd_{subroutine}", f"odd_{other}")
  variants = evaluation.ablations(stacked, settings["mask_seed"])
  found = frozen.evaluate(
    masked_from,
    {name: variants[name] for name in ("none", "zero")},
    tasks,
    "validation",
    key=purpose_key(experiment.config.seed, "ablation"),
  )
  own, target, rest = tasks
  removed = variants["zero"].kept_weights(spec)
  return [
    {
      **{name: settings[name][index] for name in settings},
      "masked_from": masked_from,
      "own_accuracy": float(found["none"][own]["accuracy"][index]),
      "removed": int(removed[index]),
      "own_loss": float(found["none"][own]["loss"][index]),
      "ablated_target": float(found["zero"][target]["accuracy"][index]),
      "ablated_other": float(found["zero"][rest]["accuracy"][index]),
    }
    for index in range(len(settings["mask_seed"]))
  ]
