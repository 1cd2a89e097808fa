"""Rotary positions (Su et al. 2021, arXiv 2104.09864)."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def rotate(
  projected: Float[Array, "batch length hidden"],
  num_heads: int,
  base: float,
  stretch: Sequence[float] = (),
) -> Float[Array, "batch length hidden"]:
  """Turns queries or keys by their positions (equation 34).

  Numbers i and i + d/2 of a head of size d are turned as a pair, by the angle
  position / base^(2i / d). (The paper pairs neighbours; checkpoints of the
  Llama kind have their columns in this order.)

  Args:
    projected: queries or keys, heads side by side.
    num_heads: divides the last axis.
    base: see above.
    stretch: see `speeds`.

  Returns:
    The same shape and dtype; it is computed in float32.
  """
  length = projected.shape[1]
  pairs = projected.reshape(*projected.shape[:2], num_heads, 2, -1)
  places = np.arange(length, dtype=np.float32)
  angles = places[:, None] * speeds(pairs.shape[-1], base, stretch)
  cosine, sine = (x[:, None] for x in (np.cos(angles), np.sin(angles)))
  first, second = jnp.unstack(pairs.astype(jnp.float32), axis=-2)
  turned = jnp.stack(
    [first * cosine - second * sine, second * cosine + first * sine], axis=-2
  )
  return turned.reshape(projected.shape).astype(projected.dtype)


def speeds(
  num_pairs: int, base: float, stretch: Sequence[float] = ()
) -> np.ndarray:
  """Returns the angle per token of every pair.

  >>> [round(x, 4) for x in speeds(2, 100.0).tolist()]
  [1.0, 0.1]
  >>> stretch = (8.0, 1.0, 4.0, 50.0)
  >>> [round(x, 4) for x in speeds(2, 100.0, stretch).tolist()]
  [1.0, 0.0125]

  Args:
    num_pairs: half the size of a head.
    base: see `rotate`.
    stretch: (factor, low, high, length), how Llama 3.1 reads texts longer than
      the `length` it was first trained on: pairs that turn less than `low`
      times in it turn by `factor` more slowly, those that turn more than `high`
      times as ever, others by something between. Empty: all as ever.

  Returns:
    f32[num_pairs]. In float32, as the networks were trained: at position 1000
    the rounding of a speed is that of an angle of 1000.
  """
  powers = np.arange(num_pairs, dtype=np.float32) / np.float32(num_pairs)
  plain = 1 / np.float32(base) ** powers
  if not len(stretch):
    return plain
  factor, low, high, length = (np.float32(number) for number in stretch)
  turns = length * plain / np.float32(2 * np.pi)
  share = np.clip((turns - low) / (high - low), 0, 1)
  return (1 - share) * plain / factor + share * plain
