"""Leaves that follow the batches, and gradient descent with momentum."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import training, trees
from structcomp_jax.types import UserError

DATA = {"x": np.arange(8, dtype=np.float32), "y": np.ones(8, np.float32)}
START = {"weight": jnp.float32(0.5), "mean": jnp.float32(2.0)}


def loss_fn(params, batch):
  return jnp.square(params["weight"] * batch["x"] - batch["y"]).mean()


def moving_loss_fn(params, batch):
  moved = 0.9 * params["mean"] + 0.1 * batch["x"].mean()
  return loss_fn(params, batch), {"mean": moved}


def metrics_fn(params, batch):
  return {"loss": jnp.square(params["weight"] * batch["x"] - batch["y"])}


def train(num_steps, moving=moving_loss_fn, **settings):
  config = training.TrainConfig(
    num_steps=num_steps, batch_size=8, keep="last", **settings
  )
  state = trees.stack([training.init_state(jnp.int32(0), START, config)])
  final = training.run(
    loss_fn,
    metrics_fn,
    state,
    DATA,
    DATA,
    config,
    key=jax.random.key(0),
    moving_loss_fn=moving,
  )
  return trees.row(jax.device_get(final.params), 0)


def test_what_moves_follows_the_batches_and_is_not_decayed():
  found = train(3, optimizer="sgd", learning_rate=0.01, weight_decay=0.5)
  # Every batch holds all examples, of mean 3.5.
  expected = 3.5 + (2.0 - 3.5) * 0.9**3
  np.testing.assert_allclose(found["mean"], expected, rtol=1e-5)


def test_descent_by_hand():
  weight, velocity = 0.5, 0.0
  for step in range(5):
    rate = 0.01 * 0.1 ** (step >= 2) * 0.1 ** (step >= 4)
    slope = np.mean(2 * DATA["x"] * (weight * DATA["x"] - DATA["y"]))
    velocity = 0.8 * velocity + slope + 0.3 * weight
    weight -= rate * velocity
  found = train(
    5,
    optimizer="sgd",
    learning_rate=0.01,
    momentum=0.8,
    weight_decay=0.3,
    drops=(2, 4),
  )
  np.testing.assert_allclose(found["weight"], weight, rtol=1e-4)


def test_without_it_nothing_moves():
  assert train(3, moving=None, learning_rate=0.01)["mean"] == 2.0


@pytest.mark.parametrize(
  ("setting", "message"),
  [
    ({"optimizer": "lion"}, "unknown optimizer 'lion'"),
    ({"drops": (0,)}, "drops"),
    ({"momentum": 1.5}, "momentum"),
    ({"weight_decay": -1.0}, "weight_decay"),
  ],
)
def test_settings_that_mean_nothing(setting, message):
  with pytest.raises(UserError, match=message):
    training.TrainConfig(**setting)
