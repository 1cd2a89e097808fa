"""What transformers compute: dense layers, GELU, positions, attention, norms.

Every function below equals the formula of its paper. Among equal ways to
compute it, the one with the shortest measured time was chosen; see
docs/design/step_cost.md.
"""

import functools
import re
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Bool, Float

from structcomp_jax.models.layers.dense import product_of_rows

# {matrix of an attention: the axis along which its heads lie side by side, in
# equal parts}. All networks with attention name their matrices so; it follows
# from `attend`, which splits what they return or read.
_HEAD_AXES = {"query": -1, "key": -1, "value": -1, "key_value": -1, "output": 0}


def head_axes(paths: Iterable[str]) -> dict[str, dict[str, int]]:
  """Returns where attention heads lie in weights of BERT, ViT and others.

  >>> head_axes(["layer_0/attention/query/kernel", "layer_0/output/kernel"])
  {'layer_0/attention': {'layer_0/attention/query/kernel': -1}}

  Args:
    paths: of weights.

  Returns:
    {path of an attention: {path of its matrix: axis}}; along the axis, head h
    has the h-th of as many equal parts as there are heads. (Where heads share
    keys and values, these have fewer: `gpt.heads` tells them apart.)
  """
  found: dict[str, dict[str, int]] = {}
  for path in paths:
    match = re.fullmatch(r"(.*attention)/(\w+)/kernel", path)
    if match and match[2] in _HEAD_AXES:
      found.setdefault(match[1], {})[path] = _HEAD_AXES[match[2]]
  return found


def dense(
  features: int,
  initializer_range: float,
  dtype: Any,
  name: str | None = None,
  use_bias: bool = True,
) -> nn.Dense:
  """Returns a dense layer for any number of leading axes."""
  return nn.Dense(
    features,
    dtype=dtype,
    use_bias=use_bias,
    kernel_init=nn.initializers.normal(stddev=initializer_range),
    dot_general=product_of_rows,
    name=name,
  )


def layer_norm(
  epsilon: float, dtype: Any, name: str | None = None
) -> nn.LayerNorm:
  """Returns a layer norm over the last axis."""
  # The variance is E[(x - m)^2], as in the original; E[x^2] - m^2 loses digits.
  return nn.LayerNorm(
    epsilon=epsilon, dtype=dtype, use_fast_variance=False, name=name
  )


def rms_norm(epsilon: float, dtype: Any, name: str | None = None) -> nn.RMSNorm:
  """Returns x / sqrt(mean(x^2) + epsilon), scaled, over the last axis."""
  return nn.RMSNorm(epsilon=epsilon, dtype=dtype, name=name)


class StdNorm(nn.Module):
  """Layer norm that divides by a standard deviation plus a small number.

  `layer_norm` divides by the root of a variance plus a small number, and its
  variance is a mean of squares. Here they are summed and divided by one less
  than their number.

  Attributes:
    epsilon: number added to the standard deviation.
    dtype: of the result; it is computed in float32.
  """

  epsilon: float = 1e-5
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
    self, inputs: Float[Array, "... features"]
  ) -> Float[Array, "... features"]:
    size = inputs.shape[-1:]
    scale = self.param("scale", nn.initializers.ones, size)
    shift = self.param("bias", nn.initializers.zeros, size)
    wide = inputs.astype(jnp.float32)
    centred = wide - wide.mean(-1, keepdims=True)
    variance = (centred**2).sum(-1, keepdims=True) / (size[0] - 1)
    # The slope of a root is infinite at zero, where a mask left nothing.
    is_flat = variance == 0
    deviation = jnp.sqrt(jnp.where(is_flat, 1.0, variance))
    deviation = jnp.where(is_flat, 0.0, deviation)
    normal = centred / (deviation + self.epsilon)
    return (normal * scale + shift).astype(self.dtype)


def gelu(x: Float[Array, "..."]) -> Float[Array, "..."]:
  """x Phi(x): Hendrycks & Gimpel 2016, arXiv 1606.08415, equation 1.

  It uses erf, as BERT and ViT do, and computes in float32 whatever
  the dtype. `jax.nn.gelu` uses erfc, which takes three passes over the array,
  where erf takes one.

  >>> [round(y, 4) for y in gelu(jnp.array([-1.0, 0.0, 1.0])).tolist()]
  [-0.1587, 0.0, 0.8413]
  """
  wide = x.astype(jnp.float32)
  return (wide * (0.5 + 0.5 * jax.lax.erf(wide * 0.5**0.5))).astype(x.dtype)


_gelu_tanh = functools.partial(jax.nn.gelu, approximate=True)
# Hugging Face's names of activations; some formulas have several names.
ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
  "gelu": gelu,
  "gelu_new": _gelu_tanh,
  "gelu_fast": _gelu_tanh,
  "gelu_pytorch_tanh": _gelu_tanh,
  "relu": jax.nn.relu,
  "silu": jax.nn.silu,
}


def position_vectors(length: int, size: int) -> Float[Array, "length size"]:
  """Returns sines and cosines in turn (Vaswani et al. 2017, section 3.5).

  >>> [[round(x, 2) for x in row] for row in position_vectors(2, 4).tolist()]
  [[0.0, 1.0, 0.0, 1.0], [0.84, 0.54, 0.01, 1.0]]
  """
  places = np.arange(length)[:, None]
  angles = places / 10000.0 ** (2 * (np.arange(size)[None] // 2) / size)
  is_even = np.arange(size) % 2 == 0
  return jnp.asarray(np.where(is_even, np.sin(angles), np.cos(angles)), "f4")


def seen_before(
  is_real: Bool[Array, "batch tokens"],
) -> Bool[Array, "batch tokens tokens"]:
  """Returns which tokens each one may look at: real ones up to itself.

  >>> seen_before(jnp.array([[True, False, True]])).astype(int).tolist()
  [[[1, 0, 0], [1, 0, 0], [1, 0, 1]]]
  """
  length = is_real.shape[1]
  return jnp.tril(jnp.ones((length, length), bool)) & is_real[:, None]


def attend(
  query: Float[Array, "batch queries hidden"],
  key: Float[Array, "batch tokens key_hidden"],
  value: Float[Array, "batch tokens key_hidden"],
  *,
  num_heads: int,
  num_key_heads: int | None = None,
  attention_mask: Bool[Array, "batch tokens"]
  | Bool[Array, "batch #queries tokens"]
  | None = None,
  dropout: Callable[[jax.Array], jax.Array] | None = None,
) -> Float[Array, "batch queries hidden"]:
  """Scaled dot-product attention (Vaswani et al. 2017, section 3.2).

  Args:
    query: projected queries; head h has the h-th of `num_heads` equal parts
      of the last axis.
    key: projected keys.
    value: projected values.
    num_heads: divides the last axis.
    num_key_heads: of keys and values, a divisor of `num_heads`, as many as
      these by default; the n-th serves the n-th of equally many heads.
    attention_mask: true at tokens that may be looked at, by all queries or by
      each; None: all of them. A query that sees no token returns the mean of
      the values.
    dropout: sets some of the weights to zero.

  Returns:
    The weighted values, heads side by side. Scores are in float32.
  """

  def heads_first(x: jax.Array, count: int) -> jax.Array:
    split = x.reshape(*x.shape[:-1], count, -1).swapaxes(1, 2)
    if count == num_heads:
      return split
    return jnp.repeat(split, num_heads // count, axis=1)

  # The axis of heads is moved next to the batch before the products; inside of
  # them XLA:CPU would move more axes.
  query = heads_first(query, num_heads)
  key, value = (
    heads_first(x, num_key_heads or num_heads) for x in (key, value)
  )
  scores = jnp.einsum("bhqd,bhkd->bhqk", query, key)
  scores = scores.astype(jnp.float32) * query.shape[-1] ** -0.5
  if attention_mask is not None:
    # With -inf, a sentence without any token would become NaN.
    masked_score = jnp.finfo(jnp.float32).min
    if attention_mask.ndim == 2:
      attention_mask = attention_mask[:, None]
    scores = jnp.where(attention_mask[:, None], scores, masked_score)
  weights = jax.nn.softmax(scores, axis=-1).astype(value.dtype)
  if dropout is not None:
    weights = dropout(weights)
  mixed = jnp.einsum("bhqk,bhkd->bhqd", weights, value).swapaxes(1, 2)
  return mixed.reshape(*mixed.shape[:2], -1)
