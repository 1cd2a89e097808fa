"""The pieces that BERT and ViT share, against JAX's own."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from structcomp_jax.models.layers import transformer


def normal(seed, *shape):
  return jax.random.normal(jax.random.key(seed), shape)


def dense(dtype=jnp.float32):
  return transformer.dense(5, 0.3, dtype)


@pytest.mark.parametrize("shape", [(7,), (2, 7), (2, 3, 7), (2, 2, 3, 7)])
def test_dense_of_any_rank_equals_linen(shape):
  inputs = normal(0, *shape)
  variables = dense().init(jax.random.key(1), inputs)
  expected = nn.Dense(5).apply(variables, inputs)
  chex.assert_trees_all_close(
    dense().apply(variables, inputs), expected, atol=1e-6
  )


def test_gradient_of_a_dense_layer_is_a_product_of_matrices():
  """Two leading axes would be transposed with all that is fused to them."""
  inputs = normal(0, 2, 3, 7)
  variables = dense().init(jax.random.key(1), inputs)

  def loss(variables):
    return (dense().apply(variables, inputs) ** 2).sum()

  lowered = jax.jit(jax.grad(loss)).lower(variables).as_text()
  products = [line for line in lowered.splitlines() if "dot_general" in line]
  assert len(products) == 2  # Forward, and the kernel's gradient.
  assert all("tensor<6x7xf32>" in line for line in products), products


@pytest.mark.parametrize("differentiate", [False, True])
def test_gelu_is_exact(differentiate):
  x = jnp.linspace(-12.0, 12.0, 4801)
  exact = functools.partial(jax.nn.gelu, approximate=False)
  ours, theirs = (
    jax.jit(jax.vmap(jax.grad(fn) if differentiate else fn))(x)
    for fn in (transformer.gelu, exact)
  )
  chex.assert_trees_all_close(ours, theirs, atol=1e-6)


def test_gelu_of_bfloat16_is_rounded_once():
  x = jnp.linspace(-6.0, 6.0, 241).astype(jnp.bfloat16)
  exact = transformer.gelu(x.astype(jnp.float32)).astype(jnp.bfloat16)
  chex.assert_trees_all_equal(transformer.gelu(x), exact)


@pytest.mark.parametrize("num_queries", [1, 5])
@pytest.mark.parametrize("masked", [False, True])
def test_attention_equals_that_of_jax(num_queries, masked):
  mask = np.arange(5) < np.array([[5], [3]]) if masked else None
  inputs = [
    normal(0, 2, num_queries, 8),
    normal(1, 2, 5, 8),
    normal(2, 2, 5, 8),
  ]

  def ours(inputs):
    return transformer.attend(*inputs, num_heads=4, attention_mask=mask)

  def theirs(inputs):
    mixed = jax.nn.dot_product_attention(
      *(x.reshape(*x.shape[:-1], 4, -1) for x in inputs),
      mask=None if mask is None else mask[:, None, None],
    )
    return mixed.reshape(*mixed.shape[:-2], -1)

  for fn, other in (
    (ours, theirs),
    (
      jax.grad(lambda inputs: (ours(inputs) ** 2).sum()),
      jax.grad(lambda inputs: (theirs(inputs) ** 2).sum()),
    ),
  ):
    chex.assert_trees_all_close(
      jax.jit(fn)(inputs), jax.jit(other)(inputs), atol=1e-5
    )


def test_std_norm_divides_by_the_deviation_of_a_sample():
  inputs = 3 * normal(0, 2, 3, 7) + 1
  variables = {"params": {"scale": normal(1, 7), "bias": normal(2, 7)}}
  initial = transformer.StdNorm().init(jax.random.key(0), inputs)
  chex.assert_trees_all_equal_shapes(initial, variables)
  normed = transformer.StdNorm(epsilon=0.5).apply(variables, inputs)
  deviation = np.std(inputs, axis=-1, ddof=1, keepdims=True)
  expected = (inputs - inputs.mean(-1, keepdims=True)) / (deviation + 0.5)
  expected = expected * variables["params"]["scale"]
  chex.assert_trees_all_close(
    normed, expected + variables["params"]["bias"], atol=1e-5
  )


def test_std_norm_of_equal_values_has_a_finite_gradient():
  """A mask can leave nothing of what enters a norm."""
  norm = transformer.StdNorm()
  variables = norm.init(jax.random.key(0), jnp.zeros(4))
  value, gradient = jax.value_and_grad(
    lambda x: (norm.apply(variables, x) * jnp.arange(4.0)).sum()
  )(jnp.zeros(4))
  assert float(value) == 0
  assert bool(jnp.isfinite(gradient).all())


def test_attention_weights_pass_through_dropout():
  inputs = [normal(0, 2, 3, 8), normal(1, 2, 5, 8), normal(2, 2, 5, 8)]
  plain = transformer.attend(*inputs, num_heads=4)
  doubled = transformer.attend(
    *inputs, num_heads=4, dropout=lambda weights: 2 * weights
  )
  chex.assert_trees_all_close(doubled, 2 * plain, atol=1e-6)


def test_positions_repeat_with_periods_from_2_pi_on():
  vectors = transformer.position_vectors(50, 8)
  place = np.arange(50)
  for pair, turn in enumerate([1.0, 10.0, 100.0, 1000.0]):
    np.testing.assert_allclose(
      vectors[:, 2 * pair], np.sin(place / turn), atol=1e-6
    )
    np.testing.assert_allclose(
      vectors[:, 2 * pair + 1], np.cos(place / turn), atol=1e-6
    )
