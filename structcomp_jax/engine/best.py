"""Early stopping: what was best so far, and whether to go on."""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp


class Best(flax.struct.PyTreeNode):
  """The best of one row so far; stacked over rows.

  Attributes:
    value: what is kept, e.g. weights.
    score: f32, its score, the lower the better; infinite: none yet.
    look: i32, the look (from 1) at which it was taken; 0: none yet.
    active: bool. False once patience ran out; the row then stands still.
  """

  value: Any
  score: jax.Array
  look: jax.Array
  active: jax.Array

  @classmethod
  def start(cls, value: Any) -> "Best":
    """Returns the state before the first look."""
    return cls(
      # A copy: a buffer that is donated must not appear twice.
      value=jax.tree.map(jnp.copy, value),
      score=jnp.float32(jnp.inf),
      look=jnp.int32(0),
      active=jnp.bool_(True),
    )

  def after(
    self, value: Any, score: jax.Array, look: jax.Array, patience: int
  ) -> "Best":
    """Returns the state after a look.

    >>> best = Best.start(jnp.float32(7)).after(jnp.float32(8), 0.5, 1, 2)
    >>> float(best.value), int(best.look), bool(best.active)
    (8.0, 1, True)

    Args:
      value: of the row now.
      score: f32 scalar, the lower the better. NaN is never better.
      look: i32, number of this look, from 1.
      patience: looks without a lower score before the row stops.
    """
    is_better = self.active & (score < self.score)
    last = jnp.where(is_better, look, self.look)
    return Best(
      value=jax.tree.map(
        lambda new, old: jnp.where(is_better, new, old), value, self.value
      ),
      score=jnp.where(is_better, score, self.score),
      look=last,
      active=self.active & (look - last < patience),
    )

  def latest(self, value: Any, score: jax.Array, look: jax.Array) -> "Best":
    """Returns the state after a look where the last value is kept.

    >>> last = Best.start(jnp.float32(7)).latest(jnp.float32(8), jnp.inf, 1)
    >>> float(last.value), int(last.look), bool(last.active)
    (8.0, 1, True)

    Args:
      value, score, look: as for `after`; the row goes on whatever they are.
    """
    return self.replace(value=value, score=score, look=look)
