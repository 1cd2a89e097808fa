"""Masks of several base networks, searched as rows of one program.

A row is a base network and a mask seed, once for every setting of the search;
all settings of a row see the same noise and examples. While the search runs its
files lie in a directory of its own; then every base network gets its masks, as
if they had been searched by themselves. Rows that are wanted later are a search
of their own, and what was found before stays as it is.
"""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from structcomp_jax import search, trees, types
from structcomp_jax.engine import parallel
from structcomp_jax.io import files, metrics
from structcomp_jax.pipeline import mask_search, mask_sets, resumable, widths
from structcomp_jax.pipeline.frozen import FrozenNetwork
from structcomp_jax.pipeline.mask_search import Search
from structcomp_jax.pipeline.workplace import COMPILING, Workplace

_ROWS = "rows.json"
# (base seed, mask seed)
Row = tuple[int, int]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Networks:
  """Base networks, and where the masks of each one lie.

  Attributes:
    frozen: {base seed: network}.
    directories: {base seed: directory of its masks}.
  """

  frozen: Mapping[int, FrozenNetwork]
  directories: Mapping[int, pathlib.Path]


def row_seed(base_seed: int, mask_seed: int) -> int:
  """Returns the seed of a row: of its noise and of its order of examples.

  >>> row_seed(0, 1) != row_seed(1, 0)
  True
  """
  words = np.random.SeedSequence((base_seed, mask_seed)).generate_state(1)
  return int(words[0] >> 1)


def missing_rows(
  fingerprints: Mapping[int, str],
  directories: Mapping[int, pathlib.Path],
  mask_seeds: Sequence[int],
) -> list[Row]:
  """Returns the rows that are not stored yet; reads no weights.

  Args:
    fingerprints: {base seed: fingerprint of the network}.
    directories: {base seed: directory of its masks}.
    mask_seeds: wanted of each network.

  Raises:
    UserError: masks belong to another network, or their file is lost.
  """
  return [
    (base_seed, mask_seed)
    for base_seed, directory in directories.items()
    for mask_seed in mask_seeds
    if not mask_search.is_complete(
      directory, [mask_seed], fingerprints[base_seed]
    )
  ]


def learn(networks: Networks, job: Search) -> None:
  """Searches the masks that are not there yet, and stores them.

  Args:
    networks: in which masks are searched.
    job: what is searched in each of them; its directory is that of the search.

  Raises:
    UserError: no candidate stayed finite, or a file is damaged.
  """
  fingerprints = {
    seed: frozen.fingerprint for seed, frozen in networks.frozen.items()
  }
  record = job.directory / _ROWS
  missing = missing_rows(fingerprints, networks.directories, job.config.seeds)
  begun = [(base, mask) for base, mask in files.read_json(record, [])]
  if not set(begun) & set(missing):
    begun = []
    forget(job.directory)
  for rows in (begun, [row for row in missing if row not in begun]):
    if rows:
      files.write_json(record, rows)
      result = _search(networks, job, rows)
      _store(networks, job, rows, result)
      forget(job.directory)


def forget(directory: pathlib.Path) -> None:
  """Removes what a search needed whose masks are stored by now.

  The record goes last: without it a torn checkpoint would be taken for one of
  a search that goes on.
  """
  resumable.forget_checkpoint(directory)
  files.remove(directory / resumable.METRICS)
  files.remove(directory / _ROWS)


def _search(
  networks: Networks, job: Search, rows: Sequence[Row]
) -> search.SearchResult:
  """Runs the search of some rows, going on where it was."""
  first = next(iter(networks.frozen.values()))
  work, spec = first.work, first.mask_spec(job.masked_from)
  work.say_once(f"masked leaves:\n{spec.describe()}")
  dataset = _load(work, job, "train")
  network = work.study.frozen_network
  config = dataclasses.replace(
    job.config, seeds=tuple(row_seed(*row) for row in rows)
  )
  rows = _of_candidates(rows, trees.num_rows(config.candidates()))
  params = trees.stack([networks.frozen[base].params for base, _ in rows])
  width = widths.for_search(
    work,
    job.masked_from,
    num_candidates=len(rows),
    batch_size=config.batch_size,
    measure=lambda: search.choose_width(
      network.loss_fn,
      params,
      spec,
      dataset,
      config,
      key=job.key,
      params_have_rows=True,
    ),
  )
  config = dataclasses.replace(config, vmap_width=width)
  say_stopped = mask_search.SayStopped(
    job.directory,
    len(rows),
    lambda index: "base seed {}, mask seed {}".format(*rows[index]),
  )
  work.say_once(COMPILING)
  with resumable.Run(
    work,
    job.directory,
    search.initial_state(
      config.candidates(),
      spec,
      config,
      start=_start(job, rows, config),
      held=job.held,
      params=trees.row(params, 0),
    ),
    total_steps=config.total_steps(config.steps_per_epoch(dataset)),
    label=job.label,
    accuracy="validation/hard/accuracy",
    fingerprint=trees.fingerprint(params),
  ) as run:

    def on_call(state, history):
      say_stopped(state)
      run(state, _named(history, rows))

    result = search.run(
      network.loss_fn,
      params,
      spec,
      dataset,
      config,
      key=job.key,
      validation=_load(work, job, "validation"),
      metrics_fn=network.metrics_fn,
      held=job.held,
      params_have_rows=True,
      state=run.state,
      on_call=on_call,
    )
  for index, (base, _) in enumerate(rows):
    if trees.fingerprint(trees.row(params, index)) != (
      networks.frozen[base].fingerprint
    ):
      raise RuntimeError(f"the search in {job.directory} changed base {base}")
  return result


def _load(work: Workplace, job: Search, split: str) -> types.Batch:
  """Returns problems as they are stored: features differ between networks."""
  if not job.rest_task:
    return work.load(job.task, split)
  return search.halves(
    work.load(job.task, split), work.load(job.rest_task, split)
  )


def _start(
  job: Search, rows: Sequence[Row], config: search.SearchConfig
) -> types.MaskLogits | None:
  """Returns the logits that every candidate starts from, if not its own."""
  if job.start_of is None:
    return None
  penalties = np.asarray(config.candidates().penalty)
  return trees.stack(
    [
      job.start_of(*row, float(penalty))
      for row, penalty in zip(rows, penalties, strict=True)
    ]
  )


def _of_candidates(rows: Sequence[Row], num_candidates: int) -> list[Row]:
  """Returns the row of every candidate; seeds vary fastest."""
  return list(rows) * (num_candidates // len(rows))


def _named(
  history: Sequence[dict[str, Any]], rows: Sequence[Row]
) -> list[dict[str, Any]]:
  """Returns the history with the seeds that a reader knows."""
  named = []
  for line in history:
    base_seed, mask_seed = rows[line["candidate"]]
    named.append(line | {"base_seed": base_seed, "mask_seed": mask_seed})
  return named


def _store(
  networks: Networks,
  job: Search,
  rows: Sequence[Row],
  result: search.SearchResult,
) -> None:
  """Gives every base network its masks, unless a kill came after it."""
  masks, logits = parallel.fetch((result.masks, result.mask_logits))
  columns = mask_search.columns(result)
  history = metrics.read(job.directory / resumable.METRICS)
  rows = _of_candidates(rows, len(result.finite))
  for base in dict.fromkeys(base for base, _ in rows):
    frozen, directory = networks.frozen[base], networks.directories[base]
    own = [index for index, row in enumerate(rows) if row[0] == base]
    seeds = [rows[index][1] for index in own]
    if mask_search.is_complete(directory, seeds, frozen.fingerprint):
      continue
    found = mask_sets.Found(
      masks=trees.row(masks, np.array(own)),
      logits=trees.row(logits, np.array(own)),
      columns={
        name: [values[index] for index in own]
        for name, values in columns.items()
      }
      | {"mask_seed": seeds},
      history=[
        line | {"candidate": own.index(line["candidate"])}
        for line in history
        if line["candidate"] in own
      ],
    )
    mask_search.store(
      frozen, dataclasses.replace(job, directory=directory), found
    )
