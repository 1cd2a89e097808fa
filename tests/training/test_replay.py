"""Base training, replayed step by step in plain JAX and optax."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from structcomp_jax import training
from structcomp_jax.engine import batching

from .test_supervised import (
  CONFIG,
  DATASET,
  KEY,
  fresh,
  loss_fn,
  metrics_fn,
  train,
)

# 3 steps an epoch, 4 epochs.
VALIDATION = {name: array[9:] for name, array in DATASET.items()}
DRAW_KEY = jax.random.key(77)


def noisy_loss(params, batch):
  """A loss that draws: every example has a key of its own."""
  noise = jax.vmap(jax.random.normal)(batch["key"])
  return loss_fn(params, {"x": batch["x"], "y": batch["y"] + 0.1 * noise})


def replay(seed, weights, loss_fn, optimizer, draw_key):
  """Returns the weights after each epoch and the losses of every step."""
  order_key = jax.random.fold_in(KEY, seed)
  params = {"w": jnp.asarray(weights)}
  state, epochs, losses = optimizer.init(params), [], []
  gradient_of = jax.jit(jax.value_and_grad(loss_fn))
  for step in range(12):
    order = batching.epoch_order(order_key, step // 3, 17, 5)[step % 3]
    batch = {name: array[order] for name, array in DATASET.items()}
    if draw_key is not None:
      key = jax.random.fold_in(jax.random.fold_in(draw_key, seed), step)
      batch["key"] = jax.random.split(key, 5)
    loss, gradient = gradient_of(params, batch)
    update, state = optimizer.update(gradient, state, params)
    params = optax.apply_updates(params, update)
    losses.append(float(loss))
    if step % 3 == 2:
      epochs.append(params)
  return epochs, losses


@pytest.mark.parametrize(
  ("loss", "optimizer", "draw_key"),
  [
    (loss_fn, None, None),
    (noisy_loss, None, DRAW_KEY),
    (loss_fn, optax.adamw(0.1, weight_decay=0.3), None),
  ],
  ids=["plain", "draws", "adamw"],
)
def test_every_step_is_the_one_written_out(loss, optimizer, draw_key):
  seeds, rows = (4, 9), []
  weights = np.random.default_rng(2).normal(size=(2, 3)).astype(np.float32)
  state = jax.vmap(
    lambda seed, w: training.init_state(
      seed, {"w": w}, CONFIG, optimizer=optimizer
    )
  )(jnp.asarray(seeds, jnp.int32), weights)
  state = training.run(
    loss,
    metrics_fn,
    state,
    DATASET,
    VALIDATION,
    CONFIG,
    key=KEY,
    draw_key=draw_key,
    optimizer=optimizer,
    on_call=lambda _, new: rows.extend(new),
    devices=jax.devices()[:1],
  )
  for index, seed in enumerate(seeds):
    epochs, losses = replay(
      seed, weights[index], loss, optimizer or optax.adam(0.05), draw_key
    )
    mine = [row for row in rows if row["seed"] == seed]
    scores = [
      float(metrics_fn(params, VALIDATION)["loss"].mean()) for params in epochs
    ]
    np.testing.assert_allclose(
      [row["train/loss"] for row in mine],
      np.reshape(losses, (4, 3)).mean(axis=1),
      rtol=1e-4,
    )
    np.testing.assert_allclose(
      [row["validation/loss"] for row in mine], scores, rtol=1e-4
    )
    best = int(np.argmin(scores))
    assert int(state.best.look[index]) == best + 1
    for found, expected in (
      (state.params, epochs[-1]),
      (state.best.value, epochs[best]),
    ):
      np.testing.assert_allclose(
        found["w"][index], expected["w"], rtol=1e-4, atol=1e-5
      )


def test_a_score_of_ones_own_decides_which_weights_are_kept():
  final, states, history = train(
    fresh((0,)), score_fn=lambda metrics: -metrics["error"]
  )
  worst = int(np.argmax([row["validation/error"] for row in history]))
  np.testing.assert_array_equal(
    final.best.value["w"], states[worst].params["w"]
  )


def test_a_seed_without_a_lower_loss_waits_for_exactly_its_patience():
  config = training.TrainConfig(
    batch_size=5, learning_rate=1e-12, num_epochs=9, patience=3
  )
  _, _, history = train(fresh((0,), config), config)
  # The first epoch is the best; three more without a lower loss.
  assert [row["epoch"] for row in history] == [1, 2, 3, 4]
