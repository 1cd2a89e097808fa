"""One mask search and its files."""

import dataclasses
import functools
import pathlib
from typing import Any

import jax
import numpy as np
from absl import logging

from structcomp_jax import masks, search, trees
from structcomp_jax.engine import batching, parallel
from structcomp_jax.io import files, hosts, mask_files
from structcomp_jax.io.layout import MASKS
from structcomp_jax.io.values import plain
from structcomp_jax.pipeline import resumable as long_run
from structcomp_jax.pipeline import widths
from structcomp_jax.pipeline.frozen import FrozenNetwork


def search_masks(
  frozen: FrozenNetwork,
  directory: pathlib.Path,
  task: str,
  masked_from: Any,
  config: search.SearchConfig,
  *,
  key: jax.Array,
  label: str,
  **info: Any,
) -> None:
  """Searches masks and stores them in `directory`, unless they are there.

  Args:
    frozen: the network.
    directory: gets masks.npz, metrics.jsonl and, last, the mark of a finished
      step.
    task: whose training problems the masks learn.
    masked_from: the first masked stage.
    config: settings and candidates.
    key: base key of the search.
    label: for progress.
    **info: further fields of the mark.

  Raises:
    UserError: no candidate stayed finite, or a file is damaged.
  """
  if not files.is_done(directory):
    finite = _search(frozen, directory, task, masked_from, config, key, label)
    files.mark_done(
      directory,
      {
        **info,
        "masked_from": masked_from,
        "fingerprint": frozen.fingerprint,
        "finite": finite,
      },
    )
  long_run.forget_checkpoint(directory)


def _search(
  frozen: FrozenNetwork,
  directory: pathlib.Path,
  task: str,
  masked_from: Any,
  config: search.SearchConfig,
  key: jax.Array,
  label: str,
) -> list[bool]:
  """Runs one search, going on where it was; returns who stayed finite."""
  params, fingerprint = frozen.params, frozen.fingerprint
  spec = frozen.mask_spec(masked_from)
  network = frozen.network(masked_from)
  candidates = config.candidates()
  _say_what_is_masked(spec)
  dataset = frozen.problems(masked_from, task, "train")
  config = dataclasses.replace(config, feed=frozen.feed(masked_from))
  width = widths.for_search(
    frozen.experiment,
    masked_from,
    num_candidates=trees.num_rows(candidates),
    batch_size=config.batch_size,
    measure=lambda: search.choose_width(
      network.loss_fn, params, spec, dataset, config, key=key
    ),
  )
  config = dataclasses.replace(config, vmap_width=width)
  steps_per_epoch = batching.steps_per_epoch(dataset, config.batch_size)
  say_stopped = _SayStopped(directory, candidates)
  with long_run.LongRun(
    directory,
    search.initial_state(candidates, spec),
    total_steps=steps_per_epoch * config.num_epochs,
    label=label,
    checkpoint_seconds=frozen.experiment.config.runtime.checkpoint_seconds,
    accuracy="validation/hard/accuracy",
    fingerprint=fingerprint,
  ) as keep:

    def on_call(state, rows):
      say_stopped(state)
      keep(state, rows)

    result = search.run(
      network.loss_fn,
      params,
      spec,
      dataset,
      config,
      key=key,
      validation=frozen.problems(masked_from, task, "validation"),
      metrics_fn=network.metrics_fn,
      state=keep.state,
      on_call=on_call,
    )
  if trees.fingerprint(params) != fingerprint:
    raise RuntimeError(f"the search in {directory} changed frozen weights")
  hosts.by_first(mask_files.save)(
    directory / MASKS,
    parallel.fetch(result.masks),
    fingerprint=fingerprint,
    stacked=True,
    metadata=_describe_candidates(result),
  )
  return result.finite.tolist()


def _describe_candidates(result: search.SearchResult) -> dict[str, Any]:
  """Returns the columns of all candidates as JSON lists."""
  rows = jax.device_get(result.candidates)
  columns = {
    "mask_seed": rows.seed,
    "learning_rate": rows.learning_rate,
    "mask_init": rows.init_logit,
    "penalty": rows.penalty,
    "finite": result.finite,
  }
  return {
    name: [plain(value) for value in values] for name, values in columns.items()
  }


@functools.cache
def _say_what_is_masked(spec: masks.MaskSpec) -> None:
  """Logs the table of masked leaves, once for each selection."""
  logging.info("masked leaves:\n%s", spec.describe())


class _SayStopped:
  """Names every candidate that stops, once."""

  def __init__(
    self, directory: pathlib.Path, candidates: search.Candidate
  ) -> None:
    self._directory, self._candidates = directory, candidates
    self._said: set[int] = set()

  def __call__(self, state: search.SearchState) -> None:
    step, finite = parallel.fetch((state.step, state.finite))
    stopped = set(np.flatnonzero(~finite).tolist())
    for index in sorted(stopped - self._said):
      logging.warning(
        "%s: candidate %d (%s) stopped by step %d: its loss is not a finite "
        "number; the others go on",
        self._directory,
        index,
        trees.row(self._candidates, index).describe(),
        int(step[0]),
      )
    self._said |= stopped
