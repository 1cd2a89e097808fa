"""Odd-one-out scores and metrics."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax.tasks.odd_one_out import metrics as odd_one_out


def _embeddings(seed=0, shape=(6, 4, 5)):
  return jax.random.normal(jax.random.key(seed), shape)


def test_scores_are_minus_the_summed_cosines():
  embeddings = np.asarray(_embeddings(), np.float64)
  unit = embeddings / np.linalg.norm(embeddings, axis=-1, keepdims=True)
  expected = -np.einsum("bif,bjf->bi", unit, unit)
  chex.assert_trees_all_close(
    odd_one_out.scores(jnp.asarray(embeddings, jnp.float32)),
    expected.astype(np.float32),
    atol=1e-5,
  )


def test_hand_computed_problem():
  # cos: a.a = 1, a.b = 0, a.c = 0.6, b.c = 0.8; items a, a, c, b.
  a, b, c = [1.0, 0.0], [0.0, 5.0], [3.0, 4.0]
  metrics = odd_one_out.problem_metrics(jnp.array([[a, a, c, b]]))
  scores = np.array([-2.6, -2.6, -3.0, -1.8])
  chex.assert_trees_all_close(
    metrics,
    {
      "loss": np.float32([np.log(np.exp(scores + 1.8).sum())]),
      "accuracy": np.float32([1.0]),
      "margin": np.float32([0.8]),
    },
    atol=1e-5,
  )


def test_permuting_the_items_permutes_the_scores():
  embeddings = _embeddings()
  order = jnp.array([2, 0, 3, 1])
  chex.assert_trees_all_close(
    odd_one_out.scores(embeddings[:, order]),
    odd_one_out.scores(embeddings)[:, order],
    atol=1e-6,
  )


def test_permuting_the_rule_items_changes_no_metric():
  embeddings = _embeddings()
  chex.assert_trees_all_close(
    odd_one_out.problem_metrics(embeddings[:, jnp.array([2, 0, 1, 3])]),
    odd_one_out.problem_metrics(embeddings),
    atol=1e-6,
  )


def test_scores_ignore_the_length_of_a_vector():
  embeddings = _embeddings()
  lengths = jnp.array([1e-3, 1.0, 10.0, 1e4])[None, :, None]
  chex.assert_trees_all_close(
    odd_one_out.scores(embeddings * lengths),
    odd_one_out.scores(embeddings),
    atol=1e-5,
  )


@pytest.mark.parametrize("value", [0.0, 1.0, -0.3])
@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit])
def test_constant_network_scores_exactly_chance(value, wrap):
  constant = jnp.full((3, 4, 7), value)
  metrics = wrap(odd_one_out.problem_metrics)(constant)
  assert metrics["accuracy"].tolist() == [0.25] * 3
  assert metrics["margin"].tolist() == [0.0] * 3
  np.testing.assert_allclose(metrics["loss"], np.log(4), rtol=1e-6)


@pytest.mark.parametrize(
  ("items", "accuracy"),
  [
    # The odd one (last) and how many items share the greatest score.
    (["x", "x", "x", "y"], 1.0),
    (["x", "x", "y", "z"], 0.5),
    (["x", "y", "z", "w"], 0.25),
    (["x", "x", "y", "x"], 0.0),
  ],
)
def test_ties_count_as_expected_accuracy(items, accuracy):
  axis = dict(zip("xyzw", np.eye(4), strict=True))
  embeddings = jnp.array([[axis[item] for item in items]])
  metrics = odd_one_out.problem_metrics(embeddings)
  assert metrics["accuracy"].tolist() == [accuracy]


@pytest.mark.parametrize("name", ["loss", "margin"])
@pytest.mark.parametrize(
  "embeddings",
  [
    jnp.zeros((2, 4, 3)),
    jnp.ones((2, 4, 3)),
    jnp.full((2, 4, 3), 1e-30),
    jnp.zeros((2, 4, 3)).at[:, 0].set(1.0),
    jnp.full((2, 4, 3), 1e-11),
  ],
  ids=["zero", "identical", "subnormal", "one_not_zero", "short"],
)
def test_gradients_are_finite(name, embeddings):
  def total(x):
    return odd_one_out.problem_metrics(x)[name].sum()

  chex.assert_tree_all_finite(jax.jit(jax.grad(total))(embeddings))


def test_zero_vector_is_similar_to_nothing():
  embeddings = jnp.ones((1, 4, 3)).at[:, 3].set(0.0)
  scores = odd_one_out.scores(embeddings)
  np.testing.assert_allclose(scores, [[-3.0, -3.0, -3.0, 0.0]], rtol=1e-6)


def test_cosines_are_float32_for_half_precision_inputs():
  embeddings = _embeddings().astype(jnp.bfloat16)
  scores = odd_one_out.scores(embeddings)
  chex.assert_type(scores, jnp.float32)
  chex.assert_trees_all_equal(
    scores, odd_one_out.scores(embeddings.astype(jnp.float32))
  )


def test_vmap_over_candidates_matches_a_loop():
  stacked = np.asarray(_embeddings(shape=(3, 6, 4, 5)))
  single = jax.jit(odd_one_out.problem_metrics)
  rows = [jax.device_get(single(row)) for row in stacked]
  chex.assert_trees_all_close(
    jax.jit(jax.vmap(odd_one_out.problem_metrics))(stacked),
    jax.tree.map(lambda *leaves: np.stack(leaves), *rows),
    atol=1e-6,
  )


def test_missing_batch_axis_is_refused():
  with pytest.raises(AssertionError, match="rank"):
    odd_one_out.scores(jnp.ones((4, 3)))
