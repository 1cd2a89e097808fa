"""Moments in bfloat16 follow those in float32, and take half of the memory."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import search, trees
from structcomp_jax.search import adam

from . import tiny

pytestmark = pytest.mark.usefixtures("optimised")

CONFIG = search.SearchConfig(
  **tiny.SETTINGS, learning_rates=(0.1,), seeds=(0, 1), moments="bfloat16"
)


def follow(gradients, dtype):
  """Returns the moments after some gradients of one leaf."""
  state = adam.init({"kernel": jnp.zeros(gradients.shape[1:])}, dtype)
  key = jax.random.key(0)

  def step(state, given):
    index, gradient = given
    _, state = adam.update(
      {"kernel": gradient}, state, jax.random.fold_in(key, index)
    )
    return state, None

  steps = jnp.arange(len(gradients))
  return jax.lax.scan(step, state, (steps, gradients))[0]


def test_a_second_moment_fades_as_in_float32():
  """Rounded to the nearest number it would stay for ever."""
  size, num_steps = 20_000, 700
  gradients = jnp.zeros((num_steps, size)).at[0].set(1.0)
  exact = follow(gradients[:, :1], "float32").nu["kernel"]
  rounded = follow(gradients, "bfloat16").nu["kernel"]
  assert rounded.dtype == jnp.bfloat16
  # It has fallen to a half; the mean of so many has a spread below 0.2 %.
  assert float(exact[0]) == pytest.approx(1e-3 * 0.999**699, rel=1e-3)
  mean = float(jnp.mean(rounded.astype(jnp.float32)))
  assert mean == pytest.approx(float(exact[0]), rel=0.01)


def test_rounding_takes_one_of_the_two_neighbours():
  values = jax.random.normal(jax.random.key(1), (10_000,)) * 1e3
  rounded = adam.round_at_random(values, jax.random.key(2))
  off = jnp.abs(rounded.astype(jnp.float32) - values) / jnp.abs(values)
  assert float(off.max()) <= 2**-7
  exact = jnp.array([0.0, -2.0, 1.5])
  kept = adam.round_at_random(exact, jax.random.key(2)).astype(jnp.float32)
  chex.assert_trees_all_equal(kept, exact)


def test_equal_leaves_are_not_rounded_alike():
  gradient = {"one": jnp.full(100, 0.3), "two": jnp.full(100, 0.3)}
  state = adam.init(gradient, "bfloat16")
  _, state = adam.update(gradient, state, jax.random.key(0))
  assert (state.mu["one"] != state.mu["two"]).any()
  assert (state.nu["one"] != state.mu["one"]).any()


def test_float32_moments_are_those_of_optax():
  gradient = {"kernel": jnp.array([0.1, -2.0])}
  found = adam.update(gradient, adam.init(gradient), jax.random.key(0))
  expected = adam.ADAM.update(gradient, adam.ADAM.init(gradient))
  chex.assert_trees_all_equal(found, expected)


def test_a_search_in_bfloat16_finds_nearly_the_same():
  narrow, wide = (
    tiny.run(dataclasses.replace(CONFIG, moments=dtype)).mask_logits
    for dtype in adam.DTYPES[::-1]
  )
  for path, logits in wide.items():
    # A tenth of a step for each of nine steps; more where a gradient changes
    # its sign, and nothing but rounding says how far it goes.
    near = np.abs(narrow[path] - logits) < 9 * 0.1 * 0.1
    assert near.mean() > 0.8
    assert (narrow[path] != logits).any()


def test_a_state_is_a_third_smaller():
  rows = CONFIG.candidates()
  sizes = [
    trees.num_bytes(
      search.initial_state(
        rows, tiny.SPEC, dataclasses.replace(CONFIG, moments=dtype)
      )
    )
    for dtype in adam.DTYPES
  ]
  weights = 2 * tiny.SPEC.num_weights
  assert sizes[0] - sizes[1] == 4 * weights


def test_devices_that_share_a_candidate_round_alike():
  config = dataclasses.replace(CONFIG, batch_size=4)
  alone = tiny.run(config).mask_logits
  shared = tiny.run(
    dataclasses.replace(config, data_devices=2), devices=jax.devices()[:4]
  ).mask_logits
  # A sum in another order may round one number up instead of down.
  for path, logits in alone.items():
    close = np.isclose(jax.device_get(shared[path]), logits, atol=1e-4)
    assert close.mean() > 0.9


def test_every_candidate_is_rounded_by_its_own_seed():
  """They see the same batches and draw no masks: nothing else tells them."""
  config = dataclasses.replace(CONFIG, data_order="shared")
  logits = tiny.run(config).mask_logits["hidden"]
  assert (logits[0] != logits[1]).any()
  wide = dataclasses.replace(config, moments="float32")
  logits = tiny.run(wide).mask_logits["hidden"]
  chex.assert_trees_all_equal(logits[0], logits[1])


def test_a_search_that_goes_on_rounds_as_it_would_have():
  states = []
  whole = tiny.run(
    CONFIG, on_call=lambda state, rows: states.append(tiny.copy(state))
  )
  again = tiny.run(CONFIG, state=states[0])
  assert states[0].opt_state.nu["hidden"].dtype == jnp.bfloat16
  chex.assert_trees_all_equal(again.mask_logits, whole.mask_logits)
