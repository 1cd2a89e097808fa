"""The state of a search, and how it begins."""

from collections.abc import Sequence
from typing import Any, Self

import flax.struct
import jax
import jax.numpy as jnp
import optax

from structcomp_jax import masks, types
from structcomp_jax.engine.best import Best
from structcomp_jax.search import adam, candidates, clipping
from structcomp_jax.search.config import SearchConfig

# Folded into the key of a step, this is the key that moments are rounded with.
_MOMENTS = 0x6D6F6D73


class SearchState(flax.struct.PyTreeNode):
  """Everything a search needs to go on; stacked over candidates.

  Attributes:
    step: i32, optimiser steps done.
    mask_logits: {path: f32[...]}.
    opt_state: Adam's moments of the logits that are not held.
    finite: bool. False once a loss or gradient was not a finite number; the
      candidate then keeps its last finite logits.
    loss_sum: f32, task loss summed over the steps since the last look.
    size_sum: f32, expected kept weights, summed likewise.
    best: the logits of the best look, for early stopping; else None.
    stale: gradients of the frozen weights, where `clip_scope` is "reference";
      else None.
  """

  step: jax.Array
  mask_logits: types.MaskLogits
  opt_state: Any
  finite: jax.Array
  loss_sum: jax.Array
  size_sum: jax.Array
  best: Best | None = None
  stale: clipping.Stale | None = None

  def before_step(
    self, learned: Any, loss: jax.Array, norm: jax.Array, *, is_first: jax.Array
  ) -> Self:
    """Returns the state that knows whether a step can be taken.

    Args:
      learned: what the step would change.
      loss: of the step.
      norm: of its gradient.
      is_first: the step is the first one since a look; sums begin anew.
    """
    # One number that is not finite makes a norm so. A finite gradient moves
    # logits by a few learning rates; theirs stops a candidate that runs away.
    finite = (
      self.finite
      & jnp.isfinite(loss)
      & jnp.isfinite(norm)
      & jnp.isfinite(optax.tree.norm(learned))
    )
    return self.replace(
      finite=finite,
      loss_sum=jnp.where(is_first, 0, self.loss_sum),
      size_sum=jnp.where(is_first, 0, self.size_sum),
    )

  def moved(
    self,
    learned: Any,
    gradient: Any,
    *,
    learning_rate: jax.Array,
    task_loss: jax.Array,
    size: jax.Array,
    key: jax.Array,
  ) -> tuple[Any, Self]:
    """Takes one step of Adam.

    Args:
      learned: what the step changes.
      gradient: of the same structure, clipped.
      learning_rate: f32.
      task_loss: f32, added to its sum.
      size: f32, expected kept weights, likewise.
      key: of the step, see `adam.update`.

    Returns:
      What was learned, and the state but for that.
    """
    direction, opt_state = adam.update(
      gradient, self.opt_state, jax.random.fold_in(key, _MOMENTS)
    )
    updates = optax.tree.scale(-learning_rate, direction)
    return optax.apply_updates(learned, updates), self.replace(
      opt_state=opt_state,
      loss_sum=self.loss_sum + task_loss,
      size_sum=self.size_sum + size,
    )


def learned_logits(
  mask_logits: types.MaskLogits, held: frozenset[str]
) -> types.MaskLogits:
  """Returns the logits of the leaves that are not held.

  >>> learned_logits({"head": jnp.ones(1), "stem": jnp.ones(1)}, {"head"})
  {'stem': Array([1.], dtype=float32)}
  """
  return {path: leaf for path, leaf in mask_logits.items() if path not in held}


def initial_state(
  candidate: candidates.Candidate,
  spec: masks.MaskSpec,
  config: SearchConfig | None = None,
  *,
  start: types.MaskLogits | None = None,
  held: Sequence[str] = (),
  params: types.Params | None = None,
) -> SearchState:
  """Returns the stacked state of K candidates before their first step.

  >>> spec = masks.select({"kernel": jnp.ones(2)}, [(".*", "weight")])
  >>> rows = candidates.grid(init_logits=(0.0, 0.5))
  >>> initial_state(rows, spec).mask_logits["kernel"].tolist()
  [[0.0, 0.0], [0.5, 0.5]]

  Args:
    candidate: the rows.
    spec: the masked leaves.
    config: of the search; only its `patience`, `clip_scope` and `moments`
      matter.
    start: see `search.run`.
    held: see `search.run`.
    params: one frozen network, or its shapes; needed where `clip_scope` is
      "reference".

  Raises:
    UserError: `start` does not have the shapes of the masked leaves, or a
      regex of `held` matches none.
  """
  held_paths = masks.matching(spec, held, "held")
  config = config or SearchConfig()

  def init(row, start):
    if start is None:
      mask_logits = masks.init(spec, row.init_logit)
    else:
      mask_logits = {path: jnp.asarray(start[path]) for path in spec.paths}
    return SearchState(
      step=jnp.int32(0),
      mask_logits=mask_logits,
      opt_state=adam.init(
        learned_logits(mask_logits, held_paths), config.moments
      ),
      finite=jnp.bool_(True),
      loss_sum=jnp.float32(0),
      size_sum=jnp.float32(0),
      best=Best.start(mask_logits) if config.patience else None,
      stale=clipping.Stale.start(params) if config.clips_all else None,
    )

  if start is None:
    return jax.vmap(lambda row: init(row, None))(candidate)
  num_rows = len(candidate.seed)
  start_axis = 0 if _has_rows(start, spec, num_rows) else None
  return jax.vmap(init, in_axes=(0, start_axis))(candidate, start)


def _has_rows(
  start: types.MaskLogits, spec: masks.MaskSpec, num_rows: int
) -> bool:
  """Whether logits to start from have a candidate axis in front."""
  shapes = {path: jnp.shape(leaf) for path, leaf in start.items()}
  single = {leaf.path: tuple(leaf.mask_shape) for leaf in spec.leaves}
  stacked = {path: (num_rows, *shape) for path, shape in single.items()}
  if shapes not in (single, stacked):
    wrong = sorted(
      path
      for path in {*shapes, *single}
      if shapes.get(path) != single.get(path)
    )
    raise types.UserError(
      f"start does not fit the masked leaves (first {wrong[0]!r}: shape "
      f"{shapes.get(wrong[0])}, wanted {single.get(wrong[0])}); give one array "
      "per masked leaf, all with or all without a leading candidate axis"
    )
  return shapes == stacked
