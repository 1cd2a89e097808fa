"""The time of a search in which no compiled program runs."""

import dataclasses
import itertools
import statistics
import time
from typing import Any
from unittest import mock

import jax

from benchmarks.workload import Workload
from structcomp_jax import search, trees
from structcomp_jax.engine import parallel

_NUM_EPOCHS = 4


class _Watch:
  """Adds up the seconds inside of compiled programs, which it waits for."""

  def __init__(self):
    self.seconds = 0.0

  def watched(self, call):
    """Returns a `parallel.Program.__call__` that reports its seconds here."""

    def watched_call(program, *arguments):
      started = time.perf_counter()
      result = jax.block_until_ready(call(program, *arguments))
      self.seconds += time.perf_counter() - started
      return result

    return watched_call


def share_of_search(workload: Workload, stage: Any) -> dict[str, Any]:
  """Runs `search.run` for some epochs and says how long no program ran.

  One candidate, masked from the last stage, has the shortest steps. The first
  epoch, in which programs are compiled, does not count. No program is started
  before the last one has ended, so this is more than a search loses.
  """
  network, problems = workload.read(stage, workload.can_be_cached(stage))
  config = dataclasses.replace(
    workload.search_config(),
    num_epochs=_NUM_EPOCHS,
    eval_batch_size=workload.batch_size,
  )
  watch, stamps = _Watch(), []

  def on_call(state, rows):
    del rows
    jax.block_until_ready(state)
    stamps.append((time.perf_counter(), watch.seconds))

  watched_call = watch.watched(parallel.Program.__call__)
  with mock.patch.object(parallel.Program, "__call__", watched_call):
    search.run(
      network.loss_fn,
      workload.params,
      workload.spec(stage),
      problems,
      config,
      key=jax.random.key(0),
      validation=trees.row(problems, slice(workload.batch_size)),
      metrics_fn=network.metrics_fn,
      on_call=on_call,
      devices=jax.devices()[:1],
    )
  epochs = [
    (now - then, inside - before)
    for (then, before), (now, inside) in itertools.pairwise(stamps)
  ]
  outside = statistics.median(wall - inside for wall, inside in epochs)
  epoch = statistics.median(inside for _, inside in epochs)
  steps = workload.steps_per_epoch
  published = _published_steps(workload)
  return {
    "masked_from": stage,
    "steps_per_epoch": steps,
    "outside_seconds_per_epoch": outside,
    "share": outside / (outside + epoch),
    "published_steps_per_epoch": published,
    "published_share": outside / (outside + epoch / steps * published),
  }


def _published_steps(workload: Workload) -> int:
  """Returns the steps of an epoch of the whole data set."""
  study = workload.study
  num_problems = study.datasets[study.subroutines[0]].sizes["train"]
  return num_problems // study.mask_search.batch_size
