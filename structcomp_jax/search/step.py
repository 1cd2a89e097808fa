"""The loss of a mask, one optimiser step on its logits, and their state."""

import dataclasses
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax

from structcomp_jax import batching, masks, parallel, trees, types
from structcomp_jax.search import candidates, schedules

# Adam with its published constants; the step size is a candidate's data.
ADAM = optax.scale_by_adam(b1=0.9, b2=0.999, eps=1e-8)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SearchConfig:
  """What all candidates of one search share.

  Attributes:
    num_epochs: passes over the training set.
    batch_size: examples per step; the remainder of an epoch is left out, a
      different one each epoch.
    relaxation: name in `masks.RELAXATIONS`.
    schedule: name in `schedules.SCHEDULES`.
    max_beta: beta at the end of the run (published: 200).
    constant_beta: path regexes of leaves held at beta = 1 throughout, as the
      head was in the published vision searches; default: none.
    num_mask_samples: the batch is cut into as many equal chunks, each of
      which sees its own sample of a stochastic relaxation.
    data_order: "per_candidate" (a function of its seed) or "shared".
    steps_per_call: steps between two looks of the host; 0: one epoch.
    vmap_width: candidates computed at once on a device; 0: all. See
      `search.choose_width`.
    eval_batch_size: validation examples held in memory at a time.
    feed: "device": the training set lies on every device. "host": it stays in
      the host's memory or in a memory-mapped file, and the batches of the
      coming steps are copied while the devices compute; same results.
    data_devices: devices that share every batch of a candidate, for networks
      whose batch does not fit on one. Each computes an equal part; losses and
      gradients are averaged over them.
    seeds, learning_rates, init_logits, penalties: the candidates are the
      product of these.
  """

  num_epochs: int = 90
  batch_size: int = 64
  relaxation: str = "continuous_sparsification"
  schedule: str = "geometric"
  max_beta: float = 200.0
  constant_beta: tuple[str, ...] = ()
  num_mask_samples: int = 1
  data_order: str = "per_candidate"
  steps_per_call: int = 0
  vmap_width: int = 0
  eval_batch_size: int = 256
  feed: str = "device"
  data_devices: int = 1
  seeds: tuple[int, ...] = (0,)
  learning_rates: tuple[float, ...] = (1e-4,)
  init_logits: tuple[float, ...] = (0.0,)
  penalties: tuple[float, ...] = (1e-8,)

  def __post_init__(self):
    """Raises UserError for values no search can run with."""
    masks.get_relaxation(self.relaxation)
    schedules.get_schedule(self.schedule)
    if self.num_epochs < 1:
      raise types.UserError(f"num_epochs {self.num_epochs} must be at least 1")
    if not self.max_beta >= 1:
      raise types.UserError(f"max_beta {self.max_beta} must be at least 1")
    if self.num_mask_samples < 1 or self.batch_size % self.num_mask_samples:
      raise types.UserError(
        f"batch_size {self.batch_size} is not a multiple of "
        f"num_mask_samples {self.num_mask_samples}; change one of them"
      )
    chunk = self.batch_size // self.num_mask_samples
    if self.data_devices < 1 or chunk % self.data_devices:
      raise types.UserError(
        f"data_devices {self.data_devices} cannot share {chunk} examples "
        "(batch_size over num_mask_samples) equally; change one of them"
      )
    if self.data_order not in ("per_candidate", "shared"):
      raise types.UserError(
        f"unknown data_order {self.data_order!r}; choose per_candidate or "
        "shared"
      )
    if self.feed not in ("device", "host"):
      raise types.UserError(
        f"unknown feed {self.feed!r}; choose device or host"
      )

  def candidates(self) -> candidates.Candidate:
    """Returns the stacked candidates, seeds varying fastest."""
    return candidates.grid(
      seeds=self.seeds,
      learning_rates=self.learning_rates,
      init_logits=self.init_logits,
      penalties=self.penalties,
    )


@flax.struct.dataclass
class SearchState:
  """Everything a search needs to go on; stacked over candidates.

  Attributes:
    step: i32, optimiser steps done.
    mask_logits: {path: f32[...]}.
    opt_state: Adam's moments of `mask_logits`.
    finite: bool. False once a loss or gradient was not a finite number; the
      candidate then keeps its last finite logits.
    loss_sum: f32, task loss summed over the steps of this epoch.
    size_sum: f32, expected kept weights summed over the steps of this epoch.
  """

  step: jax.Array
  mask_logits: types.MaskLogits
  opt_state: Any
  finite: jax.Array
  loss_sum: jax.Array
  size_sum: jax.Array


def initial_state(
  candidate: candidates.Candidate, spec: masks.MaskSpec
) -> SearchState:
  """Returns the stacked state of K candidates before their first step."""
  return jax.vmap(lambda row: init_state(row, spec))(candidate)


def init_state(
  candidate: candidates.Candidate, spec: masks.MaskSpec
) -> SearchState:
  """Returns the state of one candidate before its first step."""
  mask_logits = masks.init(spec, candidate.init_logit)
  return SearchState(
    step=jnp.int32(0),
    mask_logits=mask_logits,
    opt_state=ADAM.init(mask_logits),
    finite=jnp.bool_(True),
    loss_sum=jnp.float32(0),
    size_sum=jnp.float32(0),
  )


def objective(
  mask_logits: types.MaskLogits,
  frozen: types.Params,
  batch: types.Batch,
  *,
  loss_fn: types.LossFn,
  spec: masks.MaskSpec,
  config: SearchConfig,
  beta: jax.Array,
  key: jax.Array,
  penalty: jax.Array,
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
  """Returns the penalised loss and (task loss, expected kept weights).

  L = mean over samples of loss_fn(frozen * m, chunk) + penalty * sum of the
  relaxation's penalty over all masked weights (Lepori et al. 2023, sec. 3.2;
  Csordás et al. 2021, sec. 2).
  """
  relaxation = masks.get_relaxation(config.relaxation)
  beta = masks.leaf_betas(spec, beta, config.constant_beta)

  def sample_loss(key, chunk):
    soft_mask = masks.sample(relaxation, mask_logits, beta=beta, key=key)
    return loss_fn(masks.merge(frozen, soft_mask), chunk)

  if config.num_mask_samples == 1:
    task_loss = sample_loss(key, batch)
  else:
    chunks = jax.tree.map(
      lambda array: array.reshape(
        config.num_mask_samples, -1, *array.shape[1:]
      ),
      batch,
    )
    keys = jax.random.split(key, config.num_mask_samples)
    task_loss = jnp.mean(jax.vmap(sample_loss)(keys, chunks))
  if config.data_devices > 1:
    # Its transpose averages the gradient, too.
    task_loss = jax.lax.pmean(task_loss, parallel.DATA_AXIS)
  size = masks.expected_size(relaxation, mask_logits, spec, beta=beta)
  cost = masks.penalty(relaxation, mask_logits, spec, beta=beta)
  return task_loss + penalty * cost, (task_loss, size)


def search_step(
  state: SearchState,
  candidate: candidates.Candidate,
  frozen: types.Params,
  batch: types.Batch,
  *,
  loss_fn: types.LossFn,
  spec: masks.MaskSpec,
  config: SearchConfig,
  beta: jax.Array,
  key: jax.Array,
) -> SearchState:
  """Returns the state after one Adam step on the mask logits alone."""
  (loss, (task_loss, size)), gradient = jax.value_and_grad(
    objective, has_aux=True
  )(
    state.mask_logits,
    frozen,
    batch,
    loss_fn=loss_fn,
    spec=spec,
    config=config,
    beta=beta,
    key=key,
    penalty=candidate.penalty,
  )
  # One number that is not finite makes a norm so. A finite gradient moves
  # logits by a few learning rates; theirs stops a candidate that runs away.
  finite = (
    state.finite
    & jnp.isfinite(loss)
    & jnp.isfinite(optax.tree.norm(gradient))
    & jnp.isfinite(optax.tree.norm(state.mask_logits))
  )

  def update(state: SearchState) -> SearchState:
    direction, opt_state = ADAM.update(gradient, state.opt_state)
    return state.replace(
      mask_logits=optax.apply_updates(
        state.mask_logits,
        optax.tree.scale(-candidate.learning_rate, direction),
      ),
      opt_state=opt_state,
      loss_sum=state.loss_sum + task_loss,
      size_sum=state.size_sum + size,
    )

  # A branch instead of choosing among two states, which passes over both.
  return jax.lax.cond(
    finite,
    update,
    lambda state: state,
    state.replace(step=state.step + 1, finite=finite),
  )


def epoch_order(
  key: jax.Array,
  seed: jax.Array,
  epoch: jax.Array,
  num_examples: int,
  config: SearchConfig,
) -> jax.Array:
  """Returns which examples each step of an epoch sees.

  Args:
    key: base key of the search.
    seed: i32, of the candidate.
    epoch: i32, from 0.
    num_examples: size of the training set.
    config: what all candidates share.

  Returns:
    i32[steps, data_devices, batch_size / data_devices]: each device has an
    equal part of each of the `num_mask_samples` chunks of a batch.
  """
  order_key, _ = jax.random.split(key)
  if config.data_order == "per_candidate":
    order_key = jax.random.fold_in(order_key, seed)
  order = batching.epoch_order(
    order_key, epoch, num_examples, config.batch_size
  )
  parts = order.reshape(
    len(order), config.num_mask_samples, config.data_devices, -1
  )
  return parts.swapaxes(1, 2).reshape(len(order), config.data_devices, -1)


def run_steps(
  state: SearchState,
  candidate: candidates.Candidate,
  shared: dict[str, Any],
  batches: types.Batch | None = None,
  *,
  loss_fn: types.LossFn,
  spec: masks.MaskSpec,
  config: SearchConfig,
  steps_per_epoch: int,
) -> SearchState:
  """Returns the state `shared["num_steps"]` steps on, within one epoch.

  Args:
    state: of one candidate; a first step of an epoch clears the sums.
    candidate: one row.
    shared: "frozen" (params), "key", "done" and "num_steps" (i32: steps of
      all candidates before and in this call), and "dataset" (arrays [examples,
      ...]) unless there are `batches`.
    batches: {name: array [steps, batch, ...]} of these steps, or more.
    loss_fn: mean loss of a batch.
    spec: the masked leaves.
    config: what all candidates share.
    steps_per_epoch: full batches of the training set.
  """
  _, noise_key = jax.random.split(shared["key"])
  noise_key = jax.random.fold_in(noise_key, candidate.seed)
  schedule = schedules.get_schedule(config.schedule)
  # Not `state.step`, which counts the same: in a shared order, what depends on
  # no candidate is computed once for all.
  epoch, first_step = jnp.divmod(shared["done"], steps_per_epoch)
  if batches is None:
    order = epoch_order(
      shared["key"],
      candidate.seed,
      epoch,
      trees.num_rows(shared["dataset"]),
      config,
    )
    device = (
      jax.lax.axis_index(parallel.DATA_AXIS) if config.data_devices > 1 else 0
    )
  state = state.replace(
    loss_sum=jnp.where(first_step == 0, 0, state.loss_sum),
    size_sum=jnp.where(first_step == 0, 0, state.size_sum),
  )

  def batch_of(index):
    if batches is not None:
      return trees.row(batches, index)
    examples = order[first_step + index, device]
    return batching.take(shared["dataset"], examples)

  def body(index, state):
    step = shared["done"] + index
    return search_step(
      state,
      candidate,
      shared["frozen"],
      batch_of(index),
      loss_fn=loss_fn,
      spec=spec,
      config=config,
      beta=schedule(step, steps_per_epoch, config.num_epochs, config.max_beta),
      key=jax.random.fold_in(noise_key, step),
    )

  return jax.lax.fori_loop(0, shared["num_steps"], body, state)
