"""Real tokens first, so that padding need not be computed.

Dense layers and norms see a token at a time; only attention looks at others.
Between two attentions, tokens can therefore lie in any order: the real ones of
a whole batch first, the padding behind them, cut in two parts at a fixed place.
The second part is computed only in batches whose real tokens reach into it:
any batch is computed exactly, the usual one without its padding.

Packing does not work where devices share a batch: they would take different
branches, and the sum of the gradient over devices stands inside of a branch.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Bool, Float

# Tokens [rows, features] of a batch in one part or two.
Rows = tuple[jax.Array, ...]

# The first part holds this many times the expected number of real tokens, so
# that most batches fit in.
_MARGIN = 1.04
# Tokens are moved only if the first part lacks at least this share of them.
_LEAST_SAVING = 0.1
# The first part is a multiple of this: matrix products compute whole blocks.
_BLOCK = 64


class Packing:
  """The order of the tokens of one batch, given which of them are real.

  Attributes:
    attention_mask: bool[batch, length], true at real tokens.
    num_first: tokens of the first part.
  """

  def __init__(
    self,
    attention_mask: Bool[Array, "batch length"],
    tokens_per_sentence: float | None = None,
  ) -> None:
    """Decides how the tokens lie.

    Args:
      attention_mask: true (or 1) at real tokens.
      tokens_per_sentence: mean number of real tokens; None, or one that saves
        too little: all tokens stay where they are, in one part.
    """
    self.attention_mask = jnp.asarray(attention_mask) != 0
    self.num_first = _size_of_first_part(
      self.attention_mask.shape, tokens_per_sentence
    )
    if self.num_first < self.attention_mask.size:
      is_real = self.attention_mask.reshape(-1)
      self._order = jnp.argsort(~is_real, stable=True)
      self._place = jnp.argsort(self._order)
      self._has_more = _in_any_row(is_real.sum() > self.num_first)

  def pack(self, hidden: Float[Array, "batch length hidden"]) -> Rows:
    """Returns the tokens as rows, real ones first."""
    rows = hidden.reshape(-1, hidden.shape[-1])
    if self.num_first == len(rows):
      return (rows,)
    rows = _permute(rows, self._order, self._place)
    return rows[: self.num_first], rows[self.num_first :]

  def unpack(self, rows: Rows) -> Float[Array, "batch length hidden"]:
    """Returns the tokens in sentences; padding has any finite values."""
    whole = jnp.concatenate(rows)
    if len(rows) > 1:
      whole = _permute(whole, self._place, self._order)
    return whole.reshape(*self.attention_mask.shape, -1)

  def map(self, fn: Callable[..., Any], module: nn.Module, *rows: Rows) -> Any:
    """Applies `fn(module, *tokens)`, a function of each token by itself.

    Args:
      fn: takes arrays [rows, features] and returns a PyTree of such arrays.
      module: the module whose parameters `fn` uses; they must exist already.
      *rows: one `Rows` for each array that `fn` takes.

    Returns:
      The PyTree with `Rows` as leaves.
    """
    first, *rest = zip(*rows, strict=True)
    results = [fn(module, *first)]

    def zeros(module, tokens, *others):
      del module, others
      return jax.tree.map(
        lambda result: jax.lax.full_like(
          result, 0, shape=(len(tokens), *result.shape[1:])
        ),
        results[0],
      )

    for part in rest:
      results.append(nn.cond(self._has_more, fn, zeros, module, *part))
    return jax.tree.map(lambda *parts: parts, *results)


def _size_of_first_part(
  shape: tuple[int, ...], tokens_per_sentence: float | None
) -> int:
  """Returns a number of tokens, all of them where packing does not pay."""
  batch, length = shape
  num_tokens = batch * length
  if tokens_per_sentence is None:
    return num_tokens
  blocks = -(-batch * tokens_per_sentence * _MARGIN // _BLOCK)
  usual = int(blocks) * _BLOCK
  return usual if usual <= (1 - _LEAST_SAVING) * num_tokens else num_tokens


@jax.custom_batching.custom_vmap
def _in_any_row(condition: jax.Array) -> jax.Array:
  """Returns a condition as it is; `vmap` over rows makes it one for all.

  With a condition for each row, `vmap` would compute both branches.
  """
  return condition


@_in_any_row.def_vmap
def _in_any_row_batched(axis_size, in_batched, condition):
  del axis_size
  return (condition.any() if in_batched[0] else condition), False


@jax.custom_vjp
def _permute(
  rows: jax.Array, order: jax.Array, inverse: jax.Array
) -> jax.Array:
  """Returns `rows[order]`; its gradient is a permutation, not a scatter."""
  del inverse
  return rows.at[order].get(mode="promise_in_bounds", unique_indices=True)


def _permute_forward(rows, order, inverse):
  return _permute(rows, order, inverse), (order, inverse)


def _permute_backward(residual, cotangent):
  order, inverse = residual
  return _permute(cotangent, inverse, order), None, None


_permute.defvjp(_permute_forward, _permute_backward)
