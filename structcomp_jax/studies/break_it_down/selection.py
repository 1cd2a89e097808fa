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

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from structcomp_jax import evaluation, trees, types
from structcomp_jax.io import files
from structcomp_jax.io.layout import SELECTION
from structcomp_jax.pipeline import mask_search, mask_sets
from structcomp_jax.pipeline.experiment import Experiment
from structcomp_jax.pipeline.forecast import steps as forecast
from structcomp_jax.pipeline.frozen import FrozenNetwork
from structcomp_jax.pipeline.tables import SETTINGS
from structcomp_jax.studies.break_it_down.findings.task_difference import (
  OWN_THRESHOLD,
  clamp,
)

# Accuracies this close on a validation split are the same.
_AS_ACCURATE = 0.01
# The variants that a mask of the grid is judged by.
_JUDGED = ("none", "zero")


def search_subroutine(
  study: Any,
  work: Experiment,
  regime: str,
  base_seed: int,
  subroutine: str,
  label: str,
) -> None:
  """Chooses a setting where there are several, then searches all its seeds.

  Args:
    study: the study.
    work: where.
    regime, base_seed: of the base network.
    subroutine: what the masks are for.
    label: for progress.
  """
  directory = work.paths.masks(regime, base_seed, subroutine)
  seeds = study.mask_search.seeds
  fingerprint = work.fingerprint(regime, base_seed)
  if mask_search.skip(directory, seeds, fingerprint, label):
    return
  frozen = work.frozen(regime, base_seed)
  job = mask_search.Search(
    directory=directory,
    task=subroutine,
    masked_from=None,
    config=study.search_config(),
    key=work.key("search", base_seed, study.subroutines.index(subroutine)),
    label=label,
  )
  if files.is_done(directory):
    setting = {name: files.read_done(directory)[name] for name in SETTINGS}
  else:
    setting = _choose(study, frozen, job)
  work.learn(
    frozen,
    dataclasses.replace(
      job,
      masked_from=setting["masked_from"],
      config=study.search_config(
        learning_rates=(setting["learning_rate"],),
        init_logits=(setting["mask_init"],),
        penalties=(setting["penalty"],),
      ),
      info=setting,
    ),
  )
  frozen.forget_features()


def _choose(
  study: Any, frozen: FrozenNetwork, job: mask_search.Search
) -> dict[str, Any]:
  """Returns {setting: value} to use, searching the grid where there is one."""
  section = study.mask_search
  axes = _axes(section)
  if not has_grid(study):
    return dict(zip(SETTINGS, (axis[0] for axis in axes), strict=True))
  record = job.directory / SELECTION
  if not files.exists(record):
    rows = []
    for masked_from in section.masked_from:
      grid = mask_search.learn(
        frozen,
        dataclasses.replace(
          job,
          directory=job.directory / "grid" / f"from_{masked_from}",
          masked_from=masked_from,
          config=study.search_config(seeds=(section.grid_seed,)),
          label=f"{job.label}, grid from {masked_from}",
        ),
      )
      rows += _judge(study, frozen, grid, job.task)
    best = best_row(rows, section.selection)
    content = {"rule": section.selection, "chosen": best, "settings": rows}
    files.write_json(record, content)
  try:
    chosen = files.read_json(record)["chosen"]
    return {name: chosen[name] for name in SETTINGS}
  except (KeyError, TypeError) as error:
    raise types.UserError(
      f"{record} is torn; delete it and run {types.command('search')} again"
    ) from error


def _axes(section: Any) -> tuple[Sequence[Any], ...]:
  """Returns the values of each of `SETTINGS`."""
  return (
    section.learning_rates,
    section.init_logits,
    section.penalties,
    section.masked_from,
  )


def has_grid(study: Any) -> bool:
  """Returns whether there are several settings to choose from."""
  return any(len(axis) > 1 for axis in _axes(study.mask_search))


def outline(study: Any) -> list[forecast.Step]:
  """Returns the steps that searching all masks takes."""
  section, subroutines = study.mask_search, study.subroutines
  num_bases = len(study.config.regimes) * len(study.config.base_seeds)
  found: list[forecast.Step] = []
  # Which stage is chosen is not known; the first one leaves the most to learn.
  final = section.masked_from[0]
  learned = [
    (task, split)
    for name in subroutines
    for task, split in ((name, "train"), (name, "validation"))
  ]
  stages = section.masked_from if has_grid(study) else ()
  for masked_from in stages:
    grid = study.search_config(seeds=(section.grid_seed,))
    where = f", masked from {masked_from}"
    judged = [(f"odd_{name}", "validation") for name in subroutines]
    found += [
      forecast.Features(
        label=f"grid{where}",
        splits=[*learned, *judged * len(subroutines)],
        masked_from=masked_from,
        times=num_bases,
      ),
      forecast.Search(
        label=f"grid{where}",
        tasks=subroutines,
        masked_from=masked_from,
        config=grid,
        times=num_bases,
      ),
      forecast.Evaluation(
        label=f"choice{where}",
        make_variants=_judged,
        num_masks=trees.num_rows(grid.candidates()),
        tasks=(subroutines[0], *(task for task, _ in judged)),
        split="validation",
        masked_from=masked_from,
        times=num_bases * len(subroutines),
      ),
    ]
  one = {
    "learning_rates": section.learning_rates[:1],
    "init_logits": section.init_logits[:1],
    "penalties": section.penalties[:1],
  }
  return [
    *found,
    forecast.Features(
      label="masks",
      splits=learned,
      masked_from=final,
      times=num_bases,
    ),
    forecast.Search(
      label="masks",
      tasks=subroutines,
      masked_from=final,
      config=study.search_config(**one),
      times=num_bases,
    ),
  ]


def _judged(stacked: types.AnyMask) -> dict[str, evaluation.Variant]:
  """Returns the networks that a choice is made by."""
  seeds = [0] * trees.num_rows(stacked)
  variants = evaluation.ablations(stacked, seeds)
  return {name: variants[name] for name in _JUDGED}


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


def _judge(
  study: Any,
  frozen: FrozenNetwork,
  grid: mask_sets.MaskSet,
  subroutine: str,
) -> list[dict[str, Any]]:
  """Returns one row per candidate of a grid search, on validation data."""
  other = next(name for name in study.subroutines if name != subroutine)
  tasks = (subroutine, f"odd_{subroutine}", f"odd_{other}")
  variants = evaluation.ablations(grid.stacked, grid.seeds)
  found = frozen.evaluate(
    grid.masked_from,
    {name: variants[name] for name in _JUDGED},
    tasks,
    "validation",
    key=frozen.work.key("ablation"),
  )
  own, target, rest = tasks
  removed = variants["zero"].kept_weights(grid.spec)
  return [
    {
      **{name: setting[name] for name in ("mask_seed", *SETTINGS)},
      "finite": bool(grid.finite[row]),
      "own_accuracy": float(found["none"][own]["accuracy"][row]),
      "removed": int(removed[row]),
      "own_loss": float(found["none"][own]["loss"][row]),
      "ablated_target": float(found["zero"][target]["accuracy"][row]),
      "ablated_other": float(found["zero"][rest]["accuracy"][row]),
    }
    for row, setting in enumerate(grid.settings)
  ]
