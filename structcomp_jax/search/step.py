"""The loss of a mask, one optimiser step on its logits, and their state."""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax

from structcomp_jax import masks, trees, types
from structcomp_jax.engine import batching, parallel
from structcomp_jax.search import candidates, schedules
from structcomp_jax.search.config import SearchConfig

# Adam with its published constants; the step size is a candidate's data.
ADAM = optax.scale_by_adam(b1=0.9, b2=0.999, eps=1e-8)


class SearchState(flax.struct.PyTreeNode):
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
  """Returns the stacked state of K candidates before their first step.

  >>> spec = masks.select({"kernel": jnp.ones(2)}, [(".*", "weight")])
  >>> rows = candidates.grid(init_logits=(0.0, 0.5))
  >>> initial_state(rows, spec).mask_logits["kernel"].tolist()
  [[0.0, 0.0], [0.5, 0.5]]
  """
  return jax.vmap(lambda row: init_state(row, spec))(candidate)


def init_state(
  candidate: candidates.Candidate, spec: masks.MaskSpec
) -> SearchState:
  """Returns the state of one candidate before its first step.

  >>> spec = masks.select({"kernel": jnp.ones(2)}, [(".*", "weight")])
  >>> row = trees.row(candidates.grid(init_logits=(0.5,)), 0)
  >>> init_state(row, spec).mask_logits["kernel"].tolist()
  [0.5, 0.5]
  """
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

  >>> frozen = {"kernel": jnp.array([2.0])}
  >>> loss, (task_loss, size) = objective(
  ...   {"kernel": jnp.zeros(1)},  # Half of the weight is expected to be kept.
  ...   frozen,
  ...   {},
  ...   loss_fn=lambda params, batch: params["kernel"].sum(),
  ...   spec=masks.select(frozen, [(".*", "weight")]),
  ...   config=SearchConfig(),
  ...   beta=1.0,
  ...   key=jax.random.key(0),
  ...   penalty=0.5,
  ... )
  >>> float(loss), float(task_loss), float(size)
  (1.25, 1.0, 0.5)

  L = mean over samples of loss_fn(frozen * m, chunk) + penalty * sum of the
  relaxation's penalty over all masked weights (Lepori et al. 2023, sec. 3.2;
  Csordás et al. 2021, sec. 2).
  """
  relaxation = masks.get_relaxation(config.relaxation)
  betas = masks.leaf_betas(spec, beta, config.constant_beta)

  def sample_loss(key, chunk):
    soft_mask = masks.sample(relaxation, mask_logits, beta=betas, key=key)
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
  size = masks.expected_size(relaxation, mask_logits, spec, beta=betas)
  cost = masks.penalty(relaxation, mask_logits, spec, beta=betas)
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
  """Returns the state after one Adam step on the mask logits alone.

  >>> frozen = {"kernel": jnp.array([1.0, -1.0])}
  >>> spec = masks.select(frozen, [(".*", "weight")])
  >>> candidate = trees.row(candidates.grid(learning_rates=(0.5,)), 0)
  >>> state = search_step(
  ...   init_state(candidate, spec),
  ...   candidate,
  ...   frozen,
  ...   {},
  ...   loss_fn=lambda params, batch: params["kernel"].sum(),
  ...   spec=spec,
  ...   config=SearchConfig(),
  ...   beta=1.0,
  ...   key=jax.random.key(0),
  ... )
  >>> state.mask_logits["kernel"].round(3).tolist()
  [-0.5, 0.5]
  """
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

  >>> epoch_order(jax.random.key(0), 0, 0, 10, SearchConfig(batch_size=4)).shape
  (2, 1, 4)

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

  >>> frozen = {"kernel": jnp.ones(2)}
  >>> spec = masks.select(frozen, [(".*", "weight")])
  >>> candidate = trees.row(candidates.grid(), 0)
  >>> state = run_steps(
  ...   init_state(candidate, spec),
  ...   candidate,
  ...   {"frozen": frozen, "key": jax.random.key(0), "done": 0, "num_steps": 3},
  ...   {"x": jnp.ones((3, 4, 2))},  # Three batches of four examples.
  ...   loss_fn=lambda params, batch: (params["kernel"] * batch["x"]).mean(),
  ...   spec=spec,
  ...   config=SearchConfig(),
  ...   steps_per_epoch=3,
  ... )
  >>> int(state.step)
  3

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
