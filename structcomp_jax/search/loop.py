"""Many mask searches on one frozen network, in one compiled program."""

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from structcomp_jax import masks, trees, types
from structcomp_jax.engine import parallel
from structcomp_jax.search import candidates, memory, programs, step
from structcomp_jax.search.config import SearchConfig
from structcomp_jax.search.feed import make_feed


@dataclasses.dataclass(frozen=True)
class SearchResult:
  """What a search found; every array has the candidate axis in front.

  Attributes:
    candidates: the K rows.
    mask_logits: {path: f32[K, ...]} after the last epoch.
    masks: {path: bool[K, ...]}, the logits binarized.
    finite: bool[K]. False: stopped by a non-finite loss, do not use.
    history: one dict per candidate and epoch.
    best: the finite candidate with the lowest final loss (validation loss
      with the hard mask where there was validation data).
  """

  candidates: candidates.Candidate
  mask_logits: types.MaskLogits
  masks: types.Mask
  finite: np.ndarray
  history: list[dict[str, Any]]
  best: int

  @property
  def mask(self) -> types.Mask:
    """{path: bool[...]}: the mask of the best candidate."""
    return trees.row(self.masks, self.best)


def run(
  loss_fn: types.LossFn,
  params: types.Params,
  spec: masks.MaskSpec,
  dataset: types.Batch,
  config: SearchConfig | None = None,
  *,
  key: jax.Array,
  validation: types.Batch | None = None,
  metrics_fn: types.MetricsFn | None = None,
  state: step.SearchState | None = None,
  on_call: Callable[[step.SearchState, list[dict[str, Any]]], None]
  | None = None,
  devices: Sequence[Any] | None = None,
) -> SearchResult:
  """Learns one mask per candidate; `params` are never changed.

  >>> params = {"kernel": np.ones(2, np.float32)}
  >>> inputs = np.repeat(np.eye(2, dtype=np.float32), 8, axis=0)
  >>> def loss_fn(params, batch):
  ...   return ((batch["x"] @ params["kernel"] - batch["y"]) ** 2).mean()
  >>> result = run(
  ...   loss_fn,
  ...   params,
  ...   masks.select(params, [(".*", "weight")]),
  ...   {"x": inputs, "y": inputs[:, 0]},  # The first weight alone is needed.
  ...   SearchConfig(num_epochs=2, batch_size=8, learning_rates=(0.1,)),
  ...   key=jax.random.key(0),
  ... )
  >>> result.mask["kernel"].tolist()
  [True, False]

  Args:
    loss_fn: (params, batch) -> mean loss, f32 scalar. Any network will do.
    params: the frozen network.
    spec: which leaves are masked, from `masks.select`.
    dataset: {name: array [examples, ...]}; NumPy arrays, also `np.memmap`, if
      `config.feed` is "host".
    config: shared settings and the axes of the candidate grid.
    key: base key of data order and mask noise; one key, same bits.
    validation: like `dataset`, on the devices; looked at after every epoch.
    metrics_fn: per-example metrics for `validation`; needs a "loss".
    state: where to go on, from a checkpoint; default: the beginning. Its
      arrays are reused: copy what must last.
    on_call: called with the state and the new history rows each time the
      host sees the device: for checkpoints and progress. The next call begins
      when it returns and reuses the state's arrays; copy what must last.
      Without it the host asks for nothing before the end.
    devices: default: all of `jax.devices()`.

  Returns:
    A `SearchResult`.

  Raises:
    UserError: settings that do not fit the data, a search that does not fit
      in memory, or no candidate is finite.
  """
  config = SearchConfig() if config is None else config
  if (validation is None) != (metrics_fn is None):
    raise types.UserError("give validation and metrics_fn together, or neither")
  rows = config.candidates()
  mesh = parallel.row_mesh(trees.num_rows(rows), devices, config.data_devices)
  with contextlib.closing(make_feed(dataset, config, key, mesh)) as feed:
    shared = {"frozen": params, "key": key, **feed.shared}
    fixed = (spec, config, mesh, feed.steps_per_epoch)
    advance = programs.advance(loss_fn, *fixed)
    end_epoch = programs.end_epoch(metrics_fn, *fixed)
    memory.check(
      memory.Needs(loss_fn, spec, config, mesh, shared, feed, state),
      config.vmap_width,
      end_epoch,
      {"frozen": params, "key": key, "validation": validation},
    )
    shared, validation = parallel.replicate((shared, validation), mesh)
    history = _History(
      rows,
      end_epoch,
      {
        "frozen": shared["frozen"],
        "key": shared["key"],
        "validation": validation,
      },
      feed.steps_per_epoch,
    )
    state = parallel.spread(
      step.initial_state(rows, spec) if state is None else state, mesh
    )
    done = int(parallel.fetch(state.step)[0])
    total_steps = feed.steps_per_epoch * config.num_epochs
    if done == total_steps:  # The best one is chosen by the last epoch.
      history.add(state, done)
    while done < total_steps:
      left = feed.steps_per_epoch - done % feed.steps_per_epoch
      num_steps = min(feed.max_steps, left)
      state = advance(
        state,
        rows,
        {
          **shared,
          "done": np.int32(done),
          "num_steps": np.int32(num_steps),
        },
        *feed.batches(done),
      )
      done += num_steps
      if num_steps == left:
        history.add(state, done)
      if on_call is not None:
        on_call(state, history.read())
      elif config.feed == "host":
        jax.block_until_ready(state.step)  # Or batches pile up.
    history.read()
  return _result(rows, state, history.rows)


class _History:
  """The metrics of all epochs, read from the devices when asked for.

  Attributes:
    rows: what was read, one dict per candidate and epoch.
  """

  def __init__(self, candidates, end_epoch, shared, steps_per_epoch):
    self.rows = []
    self._candidates = jax.device_get(candidates)
    self._end_epoch, self._shared = end_epoch, shared
    self._steps_per_epoch = steps_per_epoch
    self._unread = []

  def add(self, state: step.SearchState, done: int) -> None:
    """Starts the computation of the metrics of the epoch that ends here."""
    state = state.replace(opt_state=())  # Not needed.
    self._unread.append((done, self._end_epoch(state, self._shared)))

  def read(self) -> list[dict[str, Any]]:
    """Returns the new rows; waits for the devices if there are any."""
    new_rows = [
      row
      for done, metrics in self._unread
      for row in _history_rows(
        self._candidates, parallel.fetch(metrics), done, self._steps_per_epoch
      )
    ]
    self._unread = []
    self.rows += new_rows
    return new_rows


def _history_rows(rows, metrics, done, steps_per_epoch):
  """Returns one dict of NumPy scalars per candidate."""
  return [
    {
      "step": done,
      "epoch": done // steps_per_epoch,
      "candidate": index,
      "mask_seed": int(rows.seed[index]),
      "learning_rate": rows.learning_rate[index],
      "mask_init": rows.init_logit[index],
      "penalty": rows.penalty[index],
      **{name: values[index] for name, values in metrics.items()},
    }
    for index in range(trees.num_rows(rows))
  ]


def _result(rows, state, history):
  """Returns the result of a finished search."""
  finite = parallel.fetch(state.finite)
  if not finite.any():
    raise types.UserError(
      f"all {finite.size} candidates stopped at a non-finite loss (the first: "
      f"{trees.row(rows, 0).describe()}); lower the learning rate or look "
      "for non-finite weights in the network"
    )
  final = np.full(finite.size, np.nan)
  for line in history:
    final[line["candidate"]] = line.get(
      "validation/hard/loss", line["train/loss"]
    )
  final = np.where(finite & ~np.isnan(final), final, np.inf)
  return SearchResult(
    candidates=rows,
    mask_logits=state.mask_logits,
    masks=masks.binarize(state.mask_logits),
    finite=finite,
    history=history,
    best=int(np.argmin(final)),
  )
