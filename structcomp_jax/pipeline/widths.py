"""How many candidates a device computes at once: `runtime.vmap_width`."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
from absl import logging

from structcomp_jax import search
from structcomp_jax.pipeline import choices
from structcomp_jax.pipeline.workplace import Workplace

_FILE = "widths.json"


def for_search(
  work: Workplace,
  masked_from: Any,
  *,
  num_candidates: int,
  batch_size: int,
  measure: Callable[[], search.Width],
) -> int:
  """Returns the width of a search, measuring where it is to be chosen.

  Args:
    work: the choice is kept in its work directory.
    masked_from: the first masked stage.
    num_candidates: K.
    batch_size: of a step.
    measure: times some steps.
  """
  if work.runtime.vmap_width != "auto":
    return int(work.runtime.vmap_width)
  asked = {
    **_where(masked_from),
    "candidates": num_candidates,
    "batch_size": batch_size,
  }
  name = ", ".join(f"{name} {value}" for name, value in asked.items())

  def make():
    found = dataclasses.asdict(measure())
    logging.info("%s: %d at once on a device", name, found["width"])
    return asked | found

  width: int = work.choose(_FILE, name, make)["width"]
  return width


def for_evaluation(work: Workplace, masked_from: Any) -> int:
  """Returns the width of an evaluation.

  Where it is to be chosen, that of a search of the same stages: a step needs
  more memory than an evaluation.
  """
  if work.runtime.vmap_width != "auto":
    return int(work.runtime.vmap_width)
  known = choices.read(work.paths.workdir / _FILE).values()
  where = _where(masked_from)
  return min(
    (choice["width"] for choice in known if where.items() <= choice.items()),
    default=1,
  )


def _where(masked_from: Any) -> dict[str, str]:
  kind = jax.local_devices()[0].device_kind
  return {"device": kind, "masked_from": str(masked_from)}
