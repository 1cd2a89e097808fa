"""How many candidates a device computes at once: `runtime.vmap_width`."""

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

import jax
from absl import logging

from structcomp_jax.pipeline import choices as recorded
from structcomp_jax.pipeline import experiment as experiments


def for_search(
  experiment: experiments.Experiment,
  masked_from: Any,
  num_candidates: int,
  batch_size: int,
  measure: Callable[[], Any],
) -> int:
  """Returns the width of a search, measuring where it is to be chosen.

  Args:
    experiment: the experiment; the choice is kept in its work directory.
    masked_from: the first masked stage.
    num_candidates: K.
    batch_size: of a step.
    measure: returns a `search.Width`.
  """
  width = experiment.config.runtime.vmap_width
  if width != "auto":
    return width
  name = (
    f"{_of_stage(masked_from)}{num_candidates} candidates, "
    f"batches of {batch_size}"
  )
  known = recorded.read(_file(experiment))
  found = recorded.recall(
    _file(experiment), name, lambda: dataclasses.asdict(measure())
  )
  if name not in known:
    logging.info("%s: %d at once on a device", name, found["width"])
  return found["width"]


def for_evaluation(experiment: experiments.Experiment, masked_from: Any) -> int:
  """Returns the width of an evaluation.

  Where it is to be chosen, that of a search of the same stages: a step needs
  more memory than an evaluation.
  """
  width = experiment.config.runtime.vmap_width
  if width != "auto":
    return width
  return min(
    (
      choice["width"]
      for name, choice in recorded.read(_file(experiment)).items()
      if name.startswith(_of_stage(masked_from))
    ),
    default=1,
  )


def _file(experiment: experiments.Experiment) -> pathlib.Path:
  return experiment.paths.workdir / "widths.json"


def _of_stage(masked_from: Any) -> str:
  kind = jax.local_devices()[0].device_kind
  return f"{kind}, masked from {masked_from}, "
