"""Many mask searches on one frozen network, in one compiled program."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from structcomp_jax import batching, masks, parallel, trees, types
from structcomp_jax.search import candidates, schedules, step


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


def initial_state(
  candidate: candidates.Candidate, spec: masks.MaskSpec
) -> step.SearchState:
  """Returns the stacked state of K candidates before their first step."""
  return jax.vmap(lambda row: step.init_state(row, spec))(candidate)


def run(
  loss_fn: types.LossFn,
  params: types.Params,
  spec: masks.MaskSpec,
  dataset: types.Batch,
  config: step.SearchConfig | None = None,
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

  Args:
    loss_fn: (params, batch) -> mean loss, f32 scalar. Any network will do.
    params: the frozen network.
    spec: which leaves are masked, from `masks.select`.
    dataset: {name: array [examples, ...]}.
    config: shared settings and the axes of the candidate grid.
    key: base key of data order and mask noise; one key, same bits.
    validation: like `dataset`; looked at after every epoch.
    metrics_fn: per-example metrics for `validation`; needs a "loss".
    state: where to go on, from a checkpoint; default: the beginning. Its
      arrays are reused: copy what must last.
    on_call: called with the state and the new history rows each time the
      host sees the device: for checkpoints and progress. The state's arrays
      are reused by the next call; copy what must last.
    devices: default: all of `jax.devices()`.

  Returns:
    A `SearchResult`.

  Raises:
    UserError: settings that do not fit the data, or no candidate is finite.
  """
  config = step.SearchConfig() if config is None else config
  if (validation is None) != (metrics_fn is None):
    raise types.UserError("give validation and metrics_fn together, or neither")
  rows = config.candidates()
  devices = None if devices is None else tuple(devices)
  advance, validate = _programs(
    loss_fn,
    metrics_fn,
    spec,
    # The candidates are data: other values run the same program.
    dataclasses.replace(
      config, seeds=(), learning_rates=(), init_logits=(), penalties=()
    ),
    trees.num_rows(rows),
    devices,
  )
  steps_per_epoch = batching.steps_per_epoch(dataset, config.batch_size)
  total_steps = steps_per_epoch * config.num_epochs
  max_steps = config.steps_per_call or steps_per_epoch
  schedule = schedules.get_schedule(config.schedule)
  shared, validation = parallel.replicate(
    ({"frozen": params, "dataset": dataset, "key": key}, validation),
    parallel.row_mesh(trees.num_rows(rows), devices),
  )
  state = initial_state(rows, spec) if state is None else state
  # NumPy arrays of a checkpoint would round the epoch metrics otherwise.
  state = jax.tree.map(jnp.asarray, state)
  history = []

  def epoch_rows(state, done):
    beta = schedule(
      jnp.int32(done - 1), steps_per_epoch, config.num_epochs, config.max_beta
    )
    metrics = _epoch_metrics(state, steps_per_epoch, spec)
    if validation is not None:
      metrics |= validate(
        state.mask_logits,
        {
          "frozen": shared["frozen"],
          "validation": validation,
          "beta": beta,
          "key": jax.random.fold_in(key, done),
        },
      )
    return _history_rows(
      rows, jax.device_get(metrics), done, steps_per_epoch, float(beta)
    )

  done = int(state.step[0])
  if done == total_steps:  # The best one is chosen by the last epoch.
    history = epoch_rows(state, done)
  while done < total_steps:
    num_steps = min(max_steps, steps_per_epoch - done % steps_per_epoch)
    (state, rows) = advance(
      (state, rows), {**shared, "num_steps": jnp.int32(num_steps)}
    )
    done += num_steps
    is_end = done % steps_per_epoch == 0
    new_rows = epoch_rows(state, done) if is_end else []
    history += new_rows
    if on_call is not None:
      on_call(state, new_rows)

  return _result(rows, state, history)


@functools.lru_cache(maxsize=16)
def _programs(loss_fn, metrics_fn, spec, config, num_rows, devices):
  """Compiled once for all searches that differ in data and weights only."""
  mesh = parallel.row_mesh(num_rows, devices)

  def advance_row(row, shared):
    state, candidate = row
    state = step.run_steps(
      state, candidate, shared, loss_fn=loss_fn, spec=spec, config=config
    )
    return state, candidate

  advance = parallel.over_rows(
    advance_row, mesh, width=config.vmap_width, donate=True
  )
  validate = parallel.over_rows(
    functools.partial(
      _validation_metrics, metrics_fn=metrics_fn, spec=spec, config=config
    ),
    mesh,
    width=config.vmap_width,
  )
  return advance, validate


def _epoch_metrics(state, steps_per_epoch, spec):
  """Returns {name: f32[K]} of the training steps of the last epoch."""
  kept = jax.vmap(lambda mask: masks.kept_weights(mask, spec))(
    masks.binarize(state.mask_logits)
  )
  return {
    "train/loss": state.loss_sum / steps_per_epoch,
    "train/size": state.size_sum / steps_per_epoch,
    "density": sum(kept.values()) / spec.num_weights,
    "finite": state.finite,
  }


def _validation_metrics(mask_logits, shared, *, metrics_fn, spec, config):
  """Returns validation metrics of one candidate, soft and hard mask."""
  soft_mask = masks.sample(
    masks.get_relaxation(config.relaxation),
    mask_logits,
    beta=masks.leaf_betas(spec, shared["beta"], config.constant_beta),
    key=shared["key"],
  )
  # One loop body for both, so that the network is compiled once.
  both = {
    path: jnp.stack([soft_mask[path], hard.astype(jnp.float32)])
    for path, hard in masks.binarize(mask_logits).items()
  }
  means = jax.lax.map(
    lambda mask: batching.mean_over(
      functools.partial(metrics_fn, masks.merge(shared["frozen"], mask)),
      shared["validation"],
      config.eval_batch_size,
    ),
    both,
  )
  return {
    f"validation/{name}/{metric}": values[index]
    for index, name in enumerate(("soft", "hard"))
    for metric, values in means.items()
  }


def _history_rows(rows, metrics, done, steps_per_epoch, beta):
  """Returns one dict of NumPy scalars per candidate."""
  rows = jax.device_get(rows)
  return [
    {
      "step": done,
      "epoch": done // steps_per_epoch,
      "candidate": index,
      "mask_seed": int(rows.seed[index]),
      "learning_rate": rows.learning_rate[index],
      "mask_init": rows.init_logit[index],
      "penalty": rows.penalty[index],
      "beta": beta,
      **{name: values[index] for name, values in metrics.items()},
    }
    for index in range(trees.num_rows(rows))
  ]


def _result(rows, state, history):
  """Returns the result of a finished search."""
  finite = np.asarray(state.finite)
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
    best=int(np.argmin(np.where(finite, final, np.inf))),
  )
