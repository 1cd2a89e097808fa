"""Masks of one network: searched, stored, and added to."""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from absl import logging

from structcomp_jax import search, trees, types
from structcomp_jax.engine import parallel
from structcomp_jax.io import files, layout
from structcomp_jax.io.values import plain
from structcomp_jax.pipeline import mask_sets, resumable, widths
from structcomp_jax.pipeline.frozen import FrozenNetwork
from structcomp_jax.pipeline.workplace import COMPILING

# Where mask seeds that were added to a finished search are searched.
_ADDED = "added"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Search:
  """Masks to learn in one frozen network.

  Attributes:
    directory: of their files.
    task: whose training problems they learn.
    rest_task: of a two-sided search: what the weights that a mask removes
      learn. Such a search needs `search_together`.
    masked_from: the first masked stage.
    config: settings and candidates.
    key: base key of the search.
    label: for progress.
    info: further fields of the mark of the finished search.
    start: {path: f32[...]}, logits to start from; see `search.run`.
    held: regexes of masked leaves that are not learned; see `search.run`.
    start_of: of a search in several networks: (base seed, mask seed, penalty)
      -> logits to start from, instead of `start`.
  """

  directory: pathlib.Path
  task: str
  masked_from: Any
  config: search.SearchConfig
  key: jax.Array
  label: str
  info: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  start: types.MaskLogits | None = None
  held: Sequence[str] = ()
  start_of: Callable[[int, int, float], types.AnyMask] | None = None
  rest_task: str = ""


def is_complete(
  directory: pathlib.Path, seeds: Sequence[int], fingerprint: str
) -> bool:
  """Returns whether all masks that are wanted are there; reads no arrays.

  Args:
    directory: of the masks.
    seeds: mask seeds that are wanted.
    fingerprint: of the network.

  Raises:
    UserError: the masks belong to another network, or their file is lost.
  """
  if not files.is_done(directory):
    return False
  done = files.read_done(directory)
  if done.get("fingerprint") != fingerprint:
    raise types.UserError(
      f"{directory} holds masks of another base network; delete it to search "
      "again"
    )
  if not files.exists(directory / layout.MASKS):
    raise types.UserError(
      f"{directory} has lost {layout.MASKS}; delete the directory to search "
      "again"
    )
  return set(seeds) <= set(done["mask_seeds"])


def skip(
  directory: pathlib.Path, seeds: Sequence[int], fingerprint: str, label: str
) -> bool:
  """Returns what `is_complete` does; where it is true, says so and tidies up.

  It reads no weights: ask before a network is loaded for its masks.
  """
  if not is_complete(directory, seeds, fingerprint):
    return False
  forget_leftovers(directory)
  logging.info("%s: done before", label)
  return True


def learn(frozen: FrozenNetwork, job: Search) -> mask_sets.MaskSet:
  """Searches masks and stores them, unless they are there.

  Mask seeds that are wanted beside those of a finished search are searched by
  themselves and appended: what was found before stays as it is.

  Raises:
    UserError: no candidate stayed finite, or a file is damaged.
  """
  seeds = job.config.seeds
  is_new = not is_complete(job.directory, seeds, frozen.fingerprint)
  if is_new:
    if files.is_done(job.directory):
      _add(frozen, job)
    else:
      _search(frozen, job)
  found = mask_sets.load(frozen, job.directory, job.masked_from)
  if is_new:
    _mark_done(job, found, frozen.fingerprint)
  forget_leftovers(job.directory)
  return found


def forget_leftovers(directory: pathlib.Path) -> None:
  """Removes what a finished search needed while it ran.

  Call it after the search is marked as done: a kill may leave half of a
  checkpoint, which would be refused as torn.
  """
  resumable.forget_checkpoint(directory)
  files.remove(directory / _ADDED)


def _mark_done(job: Search, found: mask_sets.MaskSet, fingerprint: str) -> None:
  files.mark_done(
    job.directory,
    {
      **job.info,
      "masked_from": job.masked_from,
      "fingerprint": fingerprint,
      "mask_seeds": found.seeds,
      "finite": found.finite.tolist(),
    },
  )


def _search(frozen: FrozenNetwork, job: Search) -> None:
  """Runs one search, going on where it was, and writes its masks."""
  params, masked_from = frozen.params, job.masked_from
  spec, network = frozen.mask_spec(masked_from), frozen.network(masked_from)
  frozen.work.say_once(f"masked leaves:\n{spec.describe()}")
  dataset = frozen.examples(masked_from, job.task, "train")
  config = _with_width(frozen, job, dataset)
  candidates = config.candidates()
  say_stopped = SayStopped(
    job.directory,
    trees.num_rows(candidates),
    lambda index: trees.row(candidates, index).describe(),
  )
  frozen.work.say_once(COMPILING)
  with resumable.Run(
    frozen.work,
    job.directory,
    search.initial_state(
      candidates,
      spec,
      config,
      start=job.start,
      held=job.held,
      params=params,
    ),
    total_steps=config.total_steps(config.steps_per_epoch(dataset)),
    label=job.label,
    accuracy="validation/hard/accuracy",
    fingerprint=frozen.fingerprint,
  ) as run:

    def on_call(state, rows):
      say_stopped(state)
      run(state, rows)

    result = search.run(
      network.loss_fn,
      params,
      spec,
      dataset,
      config,
      key=job.key,
      validation=frozen.examples(masked_from, job.task, "validation"),
      metrics_fn=network.metrics_fn,
      held=job.held,
      state=run.state,
      on_call=on_call,
    )
  if trees.fingerprint(params) != frozen.fingerprint:
    raise RuntimeError(f"the search in {job.directory} changed frozen weights")
  mask_sets.save(
    frozen,
    job.directory,
    parallel.fetch(result.masks),
    parallel.fetch(result.mask_logits),
    columns(result),
  )


def _add(frozen: FrozenNetwork, job: Search) -> None:
  """Searches the mask seeds that are missing and appends them."""
  known = files.read_done(job.directory)["mask_seeds"]
  seeds = tuple(seed for seed in job.config.seeds if seed not in known)
  added = dataclasses.replace(
    job,
    directory=job.directory / _ADDED,
    config=dataclasses.replace(job.config, seeds=seeds),
    label=f"{job.label}, {len(seeds)} more",
  )
  learn(frozen, added)
  mask_sets.append(
    frozen, job.directory, mask_sets.read(added.directory, frozen.fingerprint)
  )


def store(frozen: FrozenNetwork, job: Search, found: mask_sets.Found) -> None:
  """Writes masks of a finished search, after those that are there by then.

  A kill at any moment leaves what was there, or all of it.
  """
  mask_sets.append(frozen, job.directory, found)
  masks = mask_sets.load(frozen, job.directory, job.masked_from)
  _mark_done(job, masks, frozen.fingerprint)


def _with_width(
  frozen: FrozenNetwork, job: Search, dataset: types.Batch
) -> search.SearchConfig:
  """Returns the settings with the feed and the width that fit the machine."""
  masked_from = job.masked_from
  config = dataclasses.replace(job.config, feed=frozen.feed(masked_from))
  width = widths.for_search(
    frozen.work,
    masked_from,
    num_candidates=trees.num_rows(config.candidates()),
    batch_size=config.batch_size,
    measure=lambda: search.choose_width(
      frozen.network(masked_from).loss_fn,
      frozen.params,
      frozen.mask_spec(masked_from),
      dataset,
      config,
      key=job.key,
    ),
  )
  return dataclasses.replace(config, vmap_width=width)


def columns(result: search.SearchResult) -> dict[str, Any]:
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


class SayStopped:
  """Names every candidate that stops, once."""

  def __init__(
    self,
    directory: pathlib.Path,
    num_candidates: int,
    describe: Callable[[int], str],
  ) -> None:
    """Says nothing yet.

    Args:
      directory: of the search.
      num_candidates: of the search; a state may have further rows.
      describe: index of a candidate -> which one it is.
    """
    self._directory, self._describe = directory, describe
    self._num_candidates = num_candidates
    self._said: set[int] = set()

  def __call__(self, state: search.SearchState) -> None:
    step, finite = parallel.fetch((state.step, state.finite))
    stopped = set(np.flatnonzero(~finite[: self._num_candidates]).tolist())
    for index in sorted(stopped - self._said):
      logging.warning(
        "%s: candidate %d (%s) stopped by step %d: its loss is not a finite "
        "number; the others go on",
        self._directory,
        index,
        self._describe(index),
        int(step[0]),
      )
    self._said |= stopped
