"""The two compiled programs of a search: some steps, and the end of an epoch.

Both are kept, so that searches that differ in data, weights and candidates
alone run what was compiled before.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec

from structcomp_jax import masks, types
from structcomp_jax.engine import batching, parallel
from structcomp_jax.search import schedules, step
from structcomp_jax.search.config import SearchConfig


def advance(
  loss_fn: types.LossFn,
  spec: masks.MaskSpec,
  config: SearchConfig,
  mesh: Mesh,
  steps_per_epoch: int,
) -> parallel.Program:
  """Returns program(state, candidates, shared[, batches]) -> state.

  >>> spec = masks.select({"kernel": jnp.ones(2)}, [(".*", "weight")])
  >>> config = SearchConfig(batch_size=2, seeds=(0, 1))
  >>> loss_fn = lambda params, batch: (params["kernel"] * batch["x"]).mean()
  >>> program = advance(loss_fn, spec, config, parallel.row_mesh(2), 2)
  >>> shared = {
  ...   "frozen": {"kernel": jnp.ones(2)},
  ...   "dataset": {"x": jnp.ones((4, 2))},
  ...   "key": jax.random.key(0),
  ...   "done": jnp.int32(0),
  ...   "num_steps": jnp.int32(2),
  ... }
  >>> rows = config.candidates()
  >>> program(step.initial_state(rows, spec), rows, shared).step.tolist()
  [2, 2]

  The memory of `state` is reused. See `step.run_steps` for `shared`, and
  `batch_spec` for where the batches of `feed = "host"` lie.
  """
  return _advance(loss_fn, spec, as_compiled(config), mesh, steps_per_epoch)


def end_epoch(
  metrics_fn: types.MetricsFn | None,
  spec: masks.MaskSpec,
  config: SearchConfig,
  mesh: Mesh,
  steps_per_epoch: int,
) -> parallel.Program:
  """Returns program(state, shared) -> {name: f32[K]}.

  >>> spec = masks.select({"kernel": jnp.ones(2)}, [(".*", "weight")])
  >>> config = SearchConfig(init_logits=(-1.0, 1.0))
  >>> program = end_epoch(None, spec, config, parallel.row_mesh(2), 10)
  >>> state = step.initial_state(config.candidates(), spec)
  >>> shared = {"frozen": None, "validation": None, "key": jax.random.key(0)}
  >>> program(state, shared)["density"].tolist()
  [0.0, 1.0]

  `shared` has "frozen", "validation" and "key", unused without `metrics_fn`.
  """
  config = as_compiled(config)
  config = dataclasses.replace(config, feed="device")  # Either will do.
  return _end_epoch(metrics_fn, spec, config, mesh, steps_per_epoch)


def as_compiled(config: SearchConfig) -> SearchConfig:
  """Returns the settings without those that are data to the programs.

  >>> as_compiled(SearchConfig(seeds=(0, 1))) == as_compiled(SearchConfig())
  True
  """
  return dataclasses.replace(
    config,
    seeds=(),
    learning_rates=(),
    init_logits=(),
    penalties=(),
    steps_per_call=0,
  )


def batch_spec(config: SearchConfig) -> PartitionSpec:
  """Returns where batches [K, steps, batch, ...] from the host lie.

  >>> tuple(batch_spec(SearchConfig()))
  ('candidate', None, None)

  Without K in a shared order. The data axis cuts the batches.
  """
  data = parallel.DATA_AXIS if config.data_devices > 1 else None
  if config.data_order == "shared":
    return PartitionSpec(None, data)
  return PartitionSpec(parallel.ROW_AXIS, None, data)


@functools.lru_cache(maxsize=16)
def _advance(loss_fn, spec, config, mesh, steps_per_epoch):
  def run_steps(state, candidate, shared, *batches):
    return step.run_steps(
      state,
      candidate,
      shared,
      *batches,
      loss_fn=loss_fn,
      spec=spec,
      config=config,
      steps_per_epoch=steps_per_epoch,
    )

  from_host = (batch_spec(config),) if config.feed == "host" else ()
  return parallel.over_rows(
    run_steps,
    mesh,
    specs=(parallel.ROWS, parallel.ROWS, parallel.EVERYWHERE, *from_host),
    width=config.vmap_width,
    in_place=True,
  )


@functools.lru_cache(maxsize=16)
def _end_epoch(metrics_fn, spec, config, mesh, steps_per_epoch):
  def epoch_metrics(state, shared):
    beta = schedules.get_schedule(config.schedule)(
      state.step - 1, steps_per_epoch, config.num_epochs, config.max_beta
    )
    metrics = _training_metrics(state, spec, steps_per_epoch)
    if metrics_fn is not None:
      metrics |= _validation_metrics(
        state, beta, shared, metrics_fn, spec, config
      )
    return {"beta": beta, **metrics}

  return parallel.over_rows(epoch_metrics, mesh, width=config.vmap_width)


def _training_metrics(state, spec, steps_per_epoch):
  """Returns {name: f32} of the training steps of the last epoch."""
  kept = masks.kept_weights(masks.binarize(state.mask_logits), spec)
  return {
    "train/loss": state.loss_sum / steps_per_epoch,
    "train/size": state.size_sum / steps_per_epoch,
    "density": sum(kept.values()) / spec.num_weights,
    "finite": state.finite,
  }


def _validation_metrics(state, beta, shared, metrics_fn, spec, config):
  """Returns validation metrics of one candidate, soft and hard mask."""
  soft_mask = masks.sample(
    masks.get_relaxation(config.relaxation),
    state.mask_logits,
    beta=masks.leaf_betas(spec, beta, config.constant_beta),
    key=jax.random.fold_in(shared["key"], state.step),
  )
  # One loop body for both, so that the network is compiled once.
  both = {
    path: jnp.stack([soft_mask[path], hard.astype(jnp.float32)])
    for path, hard in masks.binarize(state.mask_logits).items()
  }
  means = jax.lax.map(
    lambda mask: batching.mean_over(
      functools.partial(metrics_fn, masks.merge(shared["frozen"], mask)),
      shared["validation"],
      config.eval_batch_size,
      data_axis=parallel.DATA_AXIS if config.data_devices > 1 else None,
    ),
    both,
  )
  return {
    f"validation/{name}/{metric}": values[index]
    for index, name in enumerate(("soft", "hard"))
    for metric, values in means.items()
  }
