"""A mask and the probe on what it leaves as what is learned together."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax

from structcomp_jax import masks, trees, types
from structcomp_jax.engine import batching
from structcomp_jax.engine.learner import Now
from structcomp_jax.probing import softmax

# (params, batch) -> float[batch, features].
VectorFn = Callable[[types.Params, types.Batch], jax.Array]
# What the task adds to the inputs of a network.
_TASK = ("labels", "types")


class SubnetworkRow(flax.struct.PyTreeNode):
  """One mask with its probe, as data.

  Attributes:
    seed: i32, decides the order of the examples and the noise of the mask.
    network: i32, which network is masked.
    target: i32, which column of labels is learned.
    penalty: f32, loss per weight that the mask is expected to keep.
    is_whole: bool. True: nothing is masked, the probe alone is learned.
  """

  seed: jax.Array
  network: jax.Array
  target: jax.Array
  penalty: jax.Array
  is_whole: jax.Array


class SubnetworkState(flax.struct.PyTreeNode):
  """Everything a mask and its probe need to go on; stacked over rows.

  Attributes:
    step: i32, optimiser steps done.
    learned: {"mask_logits": {path: f32[...]}, "probe": `softmax.Probe`}.
    opt_state: Adam's.
    finite: bool. False once a loss or gradient was not a finite number; the row
      then stands still.
    loss_sum: f32, training loss summed over the steps since the last look.
  """

  step: jax.Array
  learned: dict[str, Any]
  opt_state: Any
  finite: jax.Array
  loss_sum: jax.Array


@dataclasses.dataclass(frozen=True)
class SubnetworkLearner:
  """Learns a mask and a probe per row; rows are `SubnetworkRow`s.

  What is fixed are the networks, stacked, with mean and scale of their whole
  features: {"networks", "mean": f32[networks, 1, width], "scale": likewise}.

  Attributes:
    feature_fn: (params, batch) -> float[batch, width].
    spec: the masked leaves.
    relaxation: how logits become masks.
    learning_rate, mask_learning_rate, weight_decay: see `SubnetworkConfig`.
  """

  feature_fn: VectorFn
  spec: masks.MaskSpec
  relaxation: masks.Relaxation
  learning_rate: float
  mask_learning_rate: float
  weight_decay: float
  row_name = "probe"
  num_chunks = 1

  def start(
    self, width: int, num_classes: int, init_logit: float
  ) -> SubnetworkState:
    """Returns the state of one row before its first step."""
    learned = {
      "mask_logits": masks.init(self.spec, init_logit),
      "probe": softmax.zeros(width, num_classes),
    }
    return SubnetworkState(
      step=jnp.int32(0),
      learned=learned,
      opt_state=softmax.ADAM.init(learned),
      finite=jnp.bool_(True),
      loss_sum=jnp.float32(0),
    )

  def step(
    self,
    state: SubnetworkState,
    row: SubnetworkRow,
    fixed: Mapping[str, Any],
    batch: types.Batch,
    *,
    now: Now,
  ) -> SubnetworkState:
    """Takes one Adam step on mask logits and probe; see `engine.Learner`."""

    def loss_of(learned):
      mask = masks.sample(
        self.relaxation, learned["mask_logits"], beta=1.0, key=now.key
      )
      features, labels = self._read(fixed, row, mask, batch)
      probe = learned["probe"]
      loss = softmax.mean_loss(probe, features, labels, now.setup.data_axis)
      size = masks.penalty(
        self.relaxation, learned["mask_logits"], self.spec, beta=1.0
      )
      price = jnp.where(row.is_whole, 0, row.penalty * size)
      return loss + price + softmax.decay(probe, self.weight_decay), loss

    (total, loss), gradient = jax.value_and_grad(loss_of, has_aux=True)(
      state.learned
    )
    # One number that is not finite makes a norm so.
    finite = (
      state.finite
      & jnp.isfinite(total)
      & jnp.isfinite(optax.tree.norm(gradient))
    )
    is_first = now.steps_since_look == 0
    state = state.replace(
      finite=finite, loss_sum=jnp.where(is_first, 0, state.loss_sum)
    )

    def update(state: SubnetworkState) -> SubnetworkState:
      direction, opt_state = softmax.ADAM.update(gradient, state.opt_state)
      step_sizes = {
        "mask_logits": self.mask_learning_rate,
        "probe": self.learning_rate,
      }
      moved = {
        part: optax.tree.scale(-size, direction[part])
        for part, size in step_sizes.items()
      }
      return state.replace(
        learned=optax.apply_updates(state.learned, moved),
        opt_state=opt_state,
        loss_sum=state.loss_sum + loss,
      )

    # `where` would write the new state, read both states and write again.
    return jax.lax.cond(finite, update, lambda state: state, state)

  def look(
    self,
    state: SubnetworkState,
    row: SubnetworkRow,
    fixed: Mapping[str, Any],
    validation: types.Batch | None,
    *,
    now: Now,
  ) -> tuple[SubnetworkState, dict[str, jax.Array]]:
    """Measures the hard mask on validation data; see `engine.Learner`."""
    mask = self.hard_mask(state, row)
    found = {
      "seed": row.seed,
      "network": row.network,
      "target": row.target,
      "penalty": row.penalty,
      "is_whole": row.is_whole,
      "train/loss": state.loss_sum / now.steps_since_look,
      "density": masks.weight_density(mask, self.spec),
      "finite": state.finite,
    }
    if validation is not None:
      means = batching.mean_over(
        functools.partial(self.metrics, state, row, fixed),
        validation,
        now.setup.machine.eval_batch_size,
        data_axis=now.setup.data_axis,
      )
      found |= {f"validation/{name}": value for name, value in means.items()}
    return state, found

  def active(self, state: SubnetworkState) -> None:
    """Returns None: no row stops before the end."""
    return None

  def metrics(
    self,
    state: SubnetworkState,
    row: SubnetworkRow,
    fixed: Mapping[str, Any],
    batch: types.Batch,
  ) -> dict[str, jax.Array]:
    """Returns {"loss", "accuracy"}: f32[batch], under the hard mask."""
    mask = self.hard_mask(state, row)
    features, labels = self._read(fixed, row, mask, batch)
    return softmax.metrics(state.learned["probe"], features, labels)

  def hard_mask(self, state: SubnetworkState, row: SubnetworkRow) -> types.Mask:
    """Returns {path: bool[...]}: what the row keeps."""
    mask = masks.binarize(state.learned["mask_logits"], self.relaxation)
    return {path: leaf | row.is_whole for path, leaf in mask.items()}

  def _read(self, fixed, row, mask, batch):
    """Returns scaled features of a masked network, and labels."""
    # A single network is not copied for every row.
    index = row.network if trees.num_rows(fixed) > 1 else 0
    of_network = trees.row(fixed, index)
    mask = {
      path: jnp.where(row.is_whole, 1.0, leaf) for path, leaf in mask.items()
    }
    features = self.feature_fn(
      masks.merge(of_network["networks"], mask), inputs_of(batch)
    )
    scaled = (features - of_network["mean"]) / of_network["scale"]
    return scaled, batch["labels"][:, row.target]


def inputs_of(batch: types.Batch) -> types.Batch:
  """Returns what a network reads of a batch: not its task.

  >>> inputs_of({"x": 1, "labels": 2, "types": 3})
  {'x': 1}
  """
  return {name: part for name, part in batch.items() if name not in _TASK}
