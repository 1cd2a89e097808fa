"""Weights and masks learned together; some weights stay as they are.

Csordás et al. 2021 learned one permutation of a task after another so: what
earlier masks use stays frozen, and the new mask may keep it or not.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from structcomp_jax import masks, trees, types
from structcomp_jax.engine import loop
from structcomp_jax.engine.learner import Keys, Now
from structcomp_jax.engine.plan import Machine, Plan, refuse_model_devices
from structcomp_jax.search import adam, candidates, clipping, problems
from structcomp_jax.search.config import SearchConfig
from structcomp_jax.search.learner import MaskLearner
from structcomp_jax.search.state import SearchState


class JointState(SearchState):
  """The state of a search whose weights are learned, too.

  Attributes (besides those of `SearchState`):
    params: the weights. `opt_state` has the moments of logits and weights.
  """

  params: Any = None


@dataclasses.dataclass(frozen=True)
class JointLearner:
  """Learns one network and its mask per row; `fixed` says what stays.

  `fixed` is {path: bool[...]} of the masked leaves: True where a weight is not
  learned. Its mask is learned all the same.

  Attributes:
    masks: the loss, and how a mask is looked at.
  """

  masks: MaskLearner
  row_name = "candidate"

  @property
  def num_chunks(self) -> int:
    """Every mask sample sees a chunk of the batch of its own."""
    return self.masks.num_chunks

  def step(
    self,
    state: JointState,
    row: candidates.Candidate,
    fixed: types.Mask,
    batch: types.Batch,
    *,
    now: Now,
  ) -> JointState:
    """Takes one Adam step on logits and weights; see `engine.Learner`."""
    learned = {"logits": state.mask_logits, "params": state.params}

    def loss_of(learned):
      return self.masks.objective(
        learned["logits"], learned["params"], batch, row.penalty, now=now
      )

    (loss, (task_loss, size)), gradient = jax.value_and_grad(
      loss_of, has_aux=True
    )(learned)
    gradient["params"] = _only_free(gradient["params"], fixed)
    norm, factor = clipping.norm_and_factor(
      gradient, None, self.masks.config.clip_norm
    )
    state = state.before_step(
      learned, loss, norm, is_first=now.steps_since_look == 0
    )

    def update(state: JointState) -> JointState:
      moved, state = state.moved(
        learned,
        optax.tree.scale(factor, gradient),
        learning_rate=row.learning_rate,
        task_loss=task_loss,
        size=size,
        key=now.key,
      )
      return state.replace(mask_logits=moved["logits"], params=moved["params"])

    return jax.lax.cond(state.finite, update, lambda state: state, state)

  def look(
    self,
    state: JointState,
    row: candidates.Candidate,
    fixed: types.Mask,
    validation: types.Batch | None,
    *,
    now: Now,
  ) -> tuple[JointState, dict[str, jax.Array]]:
    """Measures soft and hard mask on validation data; see `engine.Learner`."""
    _, metrics = self.masks.look(state, row, state.params, validation, now=now)
    return state, metrics

  def active(self, state: JointState) -> None:
    """Returns None: no row ever stops early."""
    return None


def _only_free(gradient: types.Params, fixed: types.Mask) -> types.Params:
  """Returns the gradient with zeros where weights stay."""
  leaves = trees.leaves_by_path(gradient)
  return trees.replace_leaves(
    gradient,
    {path: jnp.where(stays, 0, leaves[path]) for path, stays in fixed.items()},
  )


def start(params: types.Params, mask_logits: types.AnyMask) -> JointState:
  """Returns the state of one row before its first step.

  >>> start({"kernel": jnp.ones(2)}, {"kernel": jnp.zeros(2)}).step.item()
  0

  Args:
    params: weights.
    mask_logits: {path: f32[...]}.
  """
  logits = {path: jnp.asarray(leaf) for path, leaf in mask_logits.items()}
  learned = {"logits": logits, "params": params}
  return JointState(
    step=jnp.int32(0),
    mask_logits=logits,
    params=params,
    opt_state=adam.init(learned),
    finite=jnp.bool_(True),
    loss_sum=jnp.float32(0),
    size_sum=jnp.float32(0),
  )


def run_together(
  loss_fn: types.LossFn,
  metrics_fn: types.MetricsFn,
  state: JointState,
  spec: masks.MaskSpec,
  dataset: types.Batch,
  validation: types.Batch,
  config: SearchConfig,
  *,
  fixed: Mapping[str, Any],
  rows: candidates.Candidate,
  key: jax.Array,
  on_call: loop.OnCall | None = None,
  devices: Sequence[Any] | None = None,
) -> JointState:
  """Learns weights and masks of all rows until the plan ends.

  >>> params = {"kernel": jnp.array([0.5, 0.5])}
  >>> inputs = jnp.repeat(jnp.eye(2), 8, axis=0)
  >>> data = {"x": inputs, "y": inputs[:, 0]}
  >>> def metrics_fn(params, batch):
  ...   loss = (batch["x"] @ params["kernel"] - batch["y"]) ** 2
  ...   return {"loss": loss, "accuracy": loss}
  >>> config = SearchConfig(num_epochs=9, batch_size=8, learning_rates=(0.1,))
  >>> final = run_together(
  ...   lambda params, batch: metrics_fn(params, batch)["loss"].mean(),
  ...   metrics_fn,
  ...   trees.stack([start(params, {"kernel": jnp.ones(2)})]),
  ...   masks.select(params, [(".*", "weight")]),
  ...   data,
  ...   data,
  ...   config,
  ...   fixed={"kernel": jnp.array([[False, True]])},
  ...   rows=config.candidates(),
  ...   key=jax.random.key(0),
  ... )
  >>> before, after = final.params["kernel"][0].tolist()
  >>> before > 0.9, after  # The second weight stays.
  (True, 0.5)

  Args:
    loss_fn: (params, batch) -> mean loss.
    metrics_fn: per-example metrics for `validation`; needs a "loss".
    state: stacked, from `start` or a checkpoint; its arrays are reused.
    spec: which leaves are masked.
    dataset: {name: array [examples, ...]}.
    validation: like `dataset`.
    config: shared settings. The norm that is clipped is that of all gradients,
      whatever `clip_scope` says.
    fixed: {path: bool[rows, ...]} of the masked leaves: True where a weight
      stays as it is.
    rows: the candidates. The caller makes them: one per row of the state.
    key: base key of data order and mask noise.
    on_call: see `loop.run`.
    devices: default: all of `jax.devices()`.

  Returns:
    The final state.

  Raises:
    UserError: settings and data that do not fit each other, or a search that
      does not fit in memory.
  """
  trees.check_key(key)
  refuse_model_devices(config, "a search of masks and weights together")
  problems.check(config, dataset, validation)
  if config.micro_batches > 1:
    raise types.UserError(
      f"micro_batches {config.micro_batches} has no gradient of the weights, "
      "which are learned together with the masks; set it to 1"
    )
  if config.moments != "float32":
    raise types.UserError(
      f"moments {config.moments} are not kept so for weights, which are "
      "learned together with the masks; set it to float32"
    )
  objective = dataclasses.replace(config.objective(), clip_scope="masks")
  job = loop.Job(
    learner=JointLearner(MaskLearner(loss_fn, metrics_fn, spec, objective)),
    init=lambda: state,
    state=state,
    rows=rows,
    dataset=dataset,
    plan=Plan.of(config),
    machine=Machine.of(config),
    keys=Keys(*jax.random.split(key)),
    fixed=dict(fixed),
    fixed_has_rows=True,
    validation=validation,
    devices=devices,
  )
  final, _ = loop.run(job, on_call=on_call)
  return final
