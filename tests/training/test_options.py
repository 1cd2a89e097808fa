"""What trainings have from the loop that they share with searches."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from structcomp_jax import training
from structcomp_jax.engine import batching, memory, width
from structcomp_jax.types import UserError

from .test_supervised import (
  CLOSE,
  CONFIG,
  DATASET,
  KEY,
  fresh,
  loss_fn,
  train,
)


def test_batches_from_the_host_give_the_same_bits():
  from_device, _, history = train(fresh((0, 1, 2)))
  config = dataclasses.replace(CONFIG, feed="host")
  from_host, _, host_history = train(fresh((0, 1, 2), config), config)
  chex.assert_trees_all_equal(from_device, from_host)
  assert history == host_history


def test_devices_that_share_batches_train_what_one_device_trains():
  config = dataclasses.replace(CONFIG, batch_size=4)
  alone, _, history = train(fresh((0, 1), config), config)
  shared_config = dataclasses.replace(config, data_devices=2)
  shared, _, shared_history = train(
    fresh((0, 1), config), shared_config, devices=jax.devices()[:4]
  )
  assert shared.params["w"].sharding.mesh.devices.shape == (2, 2)
  chex.assert_trees_all_close(
    jax.device_get(shared), jax.device_get(alone), **CLOSE
  )
  for row, expected in zip(shared_history, history, strict=True):
    assert row == pytest.approx(expected, rel=1e-4)


def test_a_training_that_does_not_fit_in_memory_is_refused(monkeypatch):
  monkeypatch.setattr(memory, "free_bytes", lambda mesh: 100)
  with pytest.raises(UserError, match=r"^3 seeds, one at once, need .* GB; "):
    train(fresh((0, 1, 2)))


def test_a_width_is_measured_for_trainings_too(monkeypatch):
  monkeypatch.setattr(width, "_SECONDS", 0.02)
  chosen = training.choose_width(
    loss_fn,
    lambda: fresh((0, 1, 2, 3)),
    DATASET,
    CONFIG,
    key=KEY,
    devices=jax.devices()[:1],
  )
  assert set(chosen.seconds_per_step) <= {1, 2, 4}
  assert chosen.width in chosen.seconds_per_step
  assert set(chosen.bytes_per_device) >= set(chosen.seconds_per_step)


def replay(config, seed, weights):
  """Returns the weights after every step."""
  order_key = jax.random.fold_in(KEY, seed)
  params, adam = {"w": jnp.asarray(weights)}, optax.adam(0.05)
  state, found = adam.init(params), []
  for step in range(config.total_steps(3)):
    if config.with_replacement:
      key = jax.random.fold_in(order_key, step)
      order = jax.random.randint(key, (5,), 0, 17)
    else:
      order = batching.epoch_order(order_key, step // 3, 17, 5)[step % 3]
    batch = {name: array[order] for name, array in DATASET.items()}
    gradient = jax.grad(loss_fn)(params, batch)["w"]
    if config.clip_norm:
      norm = float(jnp.sqrt((gradient**2).sum()))
      gradient = gradient * min(1.0, config.clip_norm / norm)
    update, state = adam.update({"w": gradient}, state)
    params = optax.apply_updates(params, update)
    found.append(np.asarray(params["w"]))
  return found


@pytest.mark.parametrize(
  "changes",
  [
    {"with_replacement": True},
    {"clip_norm": 0.05},
    {"num_steps": 7, "look_every": 2},
  ],
  ids=str,
)
def test_every_step_is_the_one_written_out(changes):
  config = dataclasses.replace(CONFIG, **changes)
  weights = np.random.default_rng(3).normal(size=(2, 3)).astype(np.float32)
  final, states, history = train(fresh((4, 9), config, weights), config)
  for index, seed in enumerate((4, 9)):
    expected = replay(config, seed, weights[index])
    np.testing.assert_allclose(
      final.params["w"][index], expected[-1], rtol=1e-4, atol=1e-5
    )
    for state in states:
      np.testing.assert_allclose(
        state.params["w"][index],
        expected[int(state.step[index]) - 1],
        rtol=1e-4,
        atol=1e-5,
      )
  if config.look_every:
    steps = [row["step"] for row in history if row["seed"] == 4]
    assert steps == [2, 4, 6, 7]
    assert (np.asarray(final.best.look) <= 4).all()


def test_the_last_weights_are_kept_where_that_is_asked_for():
  """Although an earlier look was better, and patience is short."""
  config = dataclasses.replace(
    CONFIG, keep="last", patience=1, num_epochs=9, learning_rate=2.0
  )
  final, _, history = train(fresh((4, 9), config), config)
  losses = {
    seed: [row["validation/loss"] for row in history if row["seed"] == seed]
    for seed in (4, 9)
  }
  best, _, _ = train(fresh((4, 9)), dataclasses.replace(config, keep="best"))
  assert (np.asarray(best.best.look) < 9).any()
  assert all(len(values) == 9 for values in losses.values())
  kept = training.fetch_best(final)
  chex.assert_trees_all_equal(kept["params"], jax.device_get(final.params))
  assert kept["epoch"].tolist() == [9, 9]
  np.testing.assert_allclose(
    kept["loss"], [values[-1] for values in losses.values()], rtol=1e-6
  )
  with pytest.raises(UserError, match="unknown keep 'first'; choose best"):
    dataclasses.replace(CONFIG, keep="first")


def test_steps_warm_up_in_equal_parts():
  """On a constant gradient, Adam's steps are as long as its rate."""
  adam = training.Adam(0.4, warmup_steps=4, b2=0.5, epsilon=1e-30)
  params, gradient = {"w": jnp.zeros(2)}, {"w": jnp.array([1.0, -3.0])}
  state, lengths = adam.init(params), []
  for _ in range(6):
    updates, state = adam.update(gradient, state, params)
    lengths.append(np.asarray(updates["w"]))
  wanted = np.array([0.1, 0.2, 0.3, 0.4, 0.4, 0.4])
  np.testing.assert_allclose(
    lengths, np.stack([-wanted, wanted], axis=1), rtol=1e-5
  )


def test_steps_cool_down_at_the_end():
  config = dataclasses.replace(
    CONFIG, num_steps=8, cooldown_steps=4, warmup_steps=2, learning_rate=0.4
  )
  adam = training.config.make_optimizer(config)
  params, gradient = {"w": jnp.zeros(())}, {"w": jnp.array(2.0)}
  state, lengths = adam.init(params), []
  for _ in range(8):
    updates, state = adam.update(gradient, state, params)
    lengths.append(-float(updates["w"]))
  wanted = [0.2, 0.4, 0.4, 0.4, 0.4, 0.3, 0.2, 0.1]
  np.testing.assert_allclose(lengths, wanted, rtol=1e-4)
  with pytest.raises(UserError, match="cooldown_steps 9 is more than num_st"):
    dataclasses.replace(config, cooldown_steps=9)


def test_second_moments_and_epsilon_are_those_of_the_config():
  """After gradients 1 and 3, from Adam's formulas."""
  config = dataclasses.replace(CONFIG, b2=0.75, epsilon=0.5, warmup_steps=0)
  state = training.init_state(jnp.int32(0), {"w": jnp.zeros(())}, config)
  adam = training.config.make_optimizer(config)
  opt_state = state.opt_state
  for value in (1.0, 3.0):
    updates, opt_state = adam.update(
      {"w": jnp.array(value)}, opt_state, {"w": jnp.zeros(())}
    )
  mean = (0.9 * 0.1 * 1 + 0.1 * 3) / (1 - 0.9**2)
  square = (0.75 * 0.25 * 1 + 0.25 * 9) / (1 - 0.75**2)
  clipped = config.clip_norm in (0, None)
  assert clipped  # The gradients are as given.
  np.testing.assert_allclose(
    updates["w"], -config.learning_rate * mean / (square**0.5 + 0.5), rtol=1e-5
  )


def test_equal_settings_are_equal_learners():
  """Then programs are found again, whoever asks for them."""
  first, second = (
    training.Supervised(
      loss_fn,
      loss_fn,
      training.Adam(config.learning_rate, config.clip_norm),
      max,
      3,
    )
    for config in (CONFIG, dataclasses.replace(CONFIG))
  )
  assert first == second
  assert hash(first) == hash(second)


@pytest.mark.parametrize(
  ("fields", "message"),
  [
    ({"clip_norm": -1.0}, r"clip_norm -1\.0 must be at least 0"),
    ({"warmup_steps": -1}, "warmup_steps -1 must be"),
    ({"b2": 1.0}, r"b2 1\.0 must be at least 0 and at most"),
    ({"epsilon": 0.0}, r"epsilon 0\.0 must be a positive number"),
    ({"data_devices": 3}, "data_devices 3 cannot share 32 examples"),
    ({"feed": "disk"}, "unknown feed 'disk'; choose device or host"),
  ],
)
def test_config_refuses_values_no_training_can_run_with(fields, message):
  with pytest.raises(UserError, match=message):
    training.TrainConfig(**fields)
