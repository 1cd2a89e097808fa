"""Masks as what is learned: the loss, one optimiser step, and a look."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax

from structcomp_jax import masks, trees, types, varying
from structcomp_jax.engine import batching, micro_batches
from structcomp_jax.engine.learner import Now
from structcomp_jax.search import candidates, clipping, schedules
from structcomp_jax.search.config import SearchConfig
from structcomp_jax.search.state import SearchState, learned_logits
from structcomp_jax.search.two_sided import HALVES

# Folded into the key of a step, this is the key of a loss that draws. The noise
# of the masks folds in the numbers of leaves and samples only.
_LOSS = 0x6C6F7373
# So many leaves, times samples, are drawn in one loop body. XLA's time to
# compile it grows faster than its length.
_MOST_WRITTEN_OUT = 500


@dataclasses.dataclass(frozen=True)
class MaskLearner:
  """Learns one mask per row; rows are `Candidate`s, `fixed` is the network.

  Attributes:
    loss_fn: (params, batch) -> mean loss.
    metrics_fn: per-example metrics for validation, or None.
    spec: the masked leaves.
    config: of the search, see `SearchConfig.objective`.
    held: paths of masked leaves whose hard mask stays as it begins.
  """

  loss_fn: types.LossFn
  metrics_fn: types.MetricsFn | None
  spec: masks.MaskSpec
  config: SearchConfig
  held: frozenset[str] = frozenset()
  row_name = "candidate"

  @property
  def num_chunks(self) -> int:
    """Every mask sample sees a chunk of the batch of its own."""
    return self.config.num_mask_samples

  @property
  def relaxation(self) -> masks.Relaxation:
    """How logits become masks."""
    return masks.get_relaxation(self.config.relaxation)

  def objective(
    self,
    mask_logits: types.MaskLogits,
    frozen: types.Params,
    batch: types.Batch,
    penalty: jax.Array,
    *,
    now: Now,
  ) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    """Returns the penalised loss and (task loss, expected kept weights).

    L = mean over samples of loss_fn(frozen * m, chunk) + penalty * sum of the
    relaxation's penalty over all masked weights (Lepori et al. 2023, sec. 3.2;
    Csordás et al. 2021, sec. 2). A two-sided search adds the loss of
    frozen * (1 - m) on the other task's chunk.

    Args:
      mask_logits: {path: f32[...]} of all masked leaves.
      frozen: the network.
      batch: {name: array [batch, ...]}.
      penalty: f32, loss per weight.
      now: where the candidate is.
    """
    betas = self._betas(now.step, now)
    if self.config.loss_draws:
      keys = dataclasses.replace(
        now, key=jax.random.fold_in(now.key, _LOSS)
      ).example_keys()
      batch = self._with_keys(batch, keys)

    leaves = self._masked_leaves(mask_logits, frozen, betas, now.key)
    num_parts = self.config.micro_batches
    if num_parts == 1:
      task_loss = self._mean_loss(leaves, frozen, batch)
    else:
      task_loss = micro_batches.mean_loss(
        self._mean_loss, leaves, frozen, self.parts(batch, num_parts)
      )
    if now.setup.data_axis:
      # The transpose of a mean over devices averages the gradient, too.
      task_loss = jax.lax.pmean(task_loss, now.setup.data_axis)
    size = masks.expected_size(
      self.relaxation, mask_logits, self.spec, beta=betas
    )
    cost = masks.penalty(self.relaxation, mask_logits, self.spec, beta=betas)
    return task_loss + penalty * cost, (task_loss, size)

  def step(
    self,
    state: SearchState,
    row: candidates.Candidate,
    fixed: types.Params,
    batch: types.Batch,
    *,
    now: Now,
  ) -> SearchState:
    """Takes one Adam step on the mask logits alone; see `engine.Learner`."""

    def loss_of(learned, frozen):
      logits = {**state.mask_logits, **learned}
      return self.objective(logits, frozen, batch, row.penalty, now=now)

    if self.config.clips_all:
      # All candidates read the same weights, and the gradient of what is shared
      # would be summed over the devices of other candidates.
      fixed = varying.with_axes_of(fixed, row)
    learned = learned_logits(state.mask_logits, self.held)
    wanted = (0, 1) if self.config.clips_all else (0,)
    (loss, (task_loss, size)), (gradient, *frozen_gradient) = (
      jax.value_and_grad(loss_of, argnums=wanted, has_aux=True)(learned, fixed)
    )
    piled_up = None
    if state.stale is not None:
      piled_up = state.stale.add(frozen_gradient[0])
    norm, factor = clipping.norm_and_factor(
      gradient, piled_up, self.config.clip_norm
    )
    state = state.before_step(
      learned, loss, norm, is_first=now.steps_since_look == 0
    )

    def update(state: SearchState) -> SearchState:
      # Here, where gradients lie in memory: before, XLA would compute them once
      # for the norm and once more for the product.
      moved, state = state.moved(
        learned,
        optax.tree.scale(factor, gradient),
        learning_rate=row.learning_rate,
        task_loss=task_loss,
        size=size,
        key=now.key,
      )
      return state.replace(
        mask_logits={**state.mask_logits, **moved},
        stale=None if piled_up is None else clipping.Stale(piled_up, factor),
      )

    goes_on = state.finite
    if state.best is not None:
      goes_on &= state.best.active
    # `where` would write the new state, read both states and write again.
    return jax.lax.cond(goes_on, update, lambda state: state, state)

  def look(
    self,
    state: SearchState,
    row: candidates.Candidate,
    fixed: types.Params,
    validation: types.Batch | None,
    *,
    now: Now,
  ) -> tuple[SearchState, dict[str, jax.Array]]:
    """Measures soft and hard mask on validation data; see `engine.Learner`."""
    hard_mask = self._hard_mask(state.mask_logits)
    metrics: dict[str, Any] = {
      "mask_seed": row.seed,
      "learning_rate": row.learning_rate,
      "mask_init": row.init_logit,
      "penalty": row.penalty,
      "beta": self._beta(now.step - 1, now),
      "train/loss": state.loss_sum / now.steps_since_look,
      "train/size": state.size_sum / now.steps_since_look,
      "density": masks.weight_density(hard_mask, self.spec),
      "finite": state.finite,
    }
    if self.metrics_fn is not None:
      metrics |= self._validation_metrics(state, fixed, validation, now)
    if state.best is not None:
      metrics["active"] = state.best.active
      score = jnp.where(
        state.finite, metrics["validation/hard/loss"], jnp.float32(jnp.inf)
      )
      state = state.replace(
        best=state.best.after(
          state.mask_logits, score, now.look, self.config.patience
        )
      )
    return state, metrics

  def active(self, state: SearchState) -> jax.Array | None:
    """Returns bool[candidates] where candidates stop early, else None."""
    return None if state.best is None else state.best.active & state.finite

  def _with_keys(self, batch, keys):
    """Returns a batch with the keys of a loss that draws."""
    if self.config.two_sided:
      return {half: {**batch[half], "key": keys} for half in HALVES}
    return {**batch, "key": keys}

  def _task_loss(self, frozen, masked, batch):
    """Returns the loss of a masked network, or of both halves."""
    if not self.config.two_sided:
      return self.loss_fn(masked, batch)
    halves = self._halves(frozen, masked)
    return sum(self.loss_fn(halves[half], batch[half]) for half in HALVES)

  def _halves(self, frozen, masked):
    """Returns the networks of what a mask keeps and of what it removes."""
    rest = masks.remainder(frozen, masked, self.spec.paths)
    return dict(zip(HALVES, (masked, rest), strict=True))

  def _metrics(self, frozen, mask, batch):
    """Returns metrics of every example, of both halves if there are two."""
    metrics_fn: Any = self.metrics_fn
    masked = masks.merge(frozen, mask)
    if not self.config.two_sided:
      return metrics_fn(masked, batch)
    found = {
      half: metrics_fn(network, batch[half])
      for half, network in self._halves(frozen, masked).items()
    }
    return {
      f"{half}/{name}": values
      for half in HALVES
      for name, values in found[half].items()
    } | {"loss": sum(found[half]["loss"] for half in HALVES)}

  def _validation_metrics(self, state, frozen, validation, now):
    """Returns validation metrics of one candidate, soft and hard mask.

    The accuracy of a two-sided search is that of the worse half.
    """
    betas = self._betas(now.step - 1, now)
    soft_mask = self._soft_mask(state.mask_logits, betas, now.key)
    # One loop body for both, so that the network is compiled once.
    both = {
      path: jnp.stack([soft_mask[path], hard.astype(jnp.float32)])
      for path, hard in self._hard_mask(state.mask_logits).items()
    }
    means = jax.lax.map(
      lambda mask: batching.mean_over(
        functools.partial(self._metrics, frozen, mask),
        validation,
        now.setup.machine.eval_batch_size,
        data_axis=now.setup.data_axis,
      ),
      both,
    )
    if self.config.two_sided and "kept/accuracy" in means:
      means["accuracy"] = jnp.minimum(
        means["kept/accuracy"], means["rest/accuracy"]
      )
    return {
      f"validation/{name}/{metric}": values[index]
      for index, name in enumerate(("soft", "hard"))
      for metric, values in means.items()
    }

  def _mean_loss(self, leaves, frozen, batch):
    """Returns the mean loss over mask samples; see `_masked_leaves`."""

    def loss_of(leaves, chunk):
      masked = trees.replace_leaves(frozen, leaves)
      return self._task_loss(frozen, masked, chunk)

    num_samples = self.config.num_mask_samples
    if num_samples == 1:
      return loss_of(leaves, batch)
    chunks = jax.tree.map(
      lambda array: array.reshape(num_samples, -1, *array.shape[1:]), batch
    )
    return jnp.mean(jax.vmap(loss_of)(leaves, chunks))

  def parts(self, batch: types.Batch, num_parts: int) -> types.Batch:
    """Cuts a batch so that every mask sample sees in all parts what it would.

    Args:
      batch: {name: array [samples * parts * examples, ...]}.
      num_parts: micro-batches.

    Returns:
      {name: array [parts, samples * examples, ...]}.
    """
    num_samples = self.config.num_mask_samples

    def cut(array):
      shape = array.shape[1:]
      array = array.reshape(num_samples, num_parts, -1, *shape)
      return array.swapaxes(0, 1).reshape(num_parts, -1, *shape)

    return jax.tree.map(cut, batch)

  def _masked_leaves(self, mask_logits, frozen, betas, key):
    """Returns {path: masked weights}, [samples, ...] if there are several.

    A few draws are written out: XLA then adds up their gradients in one pass
    over the weights. Of many, a loop takes one after the other. They are drawn
    again for the gradient, which costs less than to keep a mask for every
    sample.
    """
    weights = trees.leaves_by_path(frozen)
    weights = {path: weights[path] for path in mask_logits}

    def draw(mask_logits, weights, key):
      return masks.merge(weights, self._soft_mask(mask_logits, betas, key))

    def draw_all(mask_logits, weights):
      return trees.stack([draw(mask_logits, weights, key) for key in keys])

    num_samples = self.config.num_mask_samples
    if num_samples == 1:
      return draw(mask_logits, weights, key)
    keys = jax.random.split(key, num_samples)
    if len(weights) * num_samples <= _MOST_WRITTEN_OUT:
      return jax.checkpoint(draw_all)(mask_logits, weights)
    again = jax.checkpoint(draw)
    return jax.lax.map(lambda key: again(mask_logits, weights, key), keys)

  def _soft_mask(self, mask_logits, betas, key):
    """Draws a mask; that of a held leaf is hard."""
    soft_mask = masks.sample(self.relaxation, mask_logits, beta=betas, key=key)
    # Sorted, so that all processes compile the same program.
    held = self._hard_mask(
      {path: mask_logits[path] for path in sorted(self.held)}
    )
    return soft_mask | {
      path: leaf.astype(jnp.float32) for path, leaf in held.items()
    }

  def _hard_mask(self, mask_logits):
    """Returns which units of some leaves the candidate keeps."""
    return masks.binarize(mask_logits, self.relaxation)

  def _beta(self, step: jax.Array, now: Now) -> jax.Array:
    schedule = schedules.get_schedule(self.config.schedule)
    setup = now.setup
    return schedule(
      step, setup.steps_per_epoch, setup.num_steps, self.config.max_beta
    )

  def _betas(self, step: jax.Array, now: Now) -> dict[str, Any]:
    return masks.leaf_betas(
      self.spec, self._beta(step, now), self.config.constant_beta
    )
