"""Base training: early stopping, the best weights, and which bits matter."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import training, trees
from structcomp_jax.types import UserError

KEY = jax.random.key(5)
INPUTS = np.random.default_rng(0).normal(size=(17, 3)).astype(np.float32)
TRUE_WEIGHTS = np.array([1.0, -2.0, 0.5], np.float32)
DATASET = {"x": INPUTS, "y": np.tanh(INPUTS @ TRUE_WEIGHTS)}
# 3 steps an epoch; two examples of each epoch are left out.
SETTINGS = {
  "batch_size": 5,
  "eval_batch_size": 4,
  "learning_rate": 0.05,
  "num_epochs": 4,
}
CONFIG = training.TrainConfig(**SETTINGS)
# tanh is flat here, so the gradient is exactly zero and the seed stands still.
STUCK_WEIGHTS = 1e6 * TRUE_WEIGHTS
CLOSE = {"rtol": 1e-5, "atol": 1e-6}


def metrics_fn(params, batch):
  error = jnp.tanh(batch["x"] @ params["w"]) - batch["y"]
  return {"loss": error**2, "error": jnp.abs(error)}


def loss_fn(params, batch):
  return jnp.mean(metrics_fn(params, batch)["loss"])


def fresh(seeds, config=CONFIG, weights=None):
  """Returns the stacked state before the first step."""
  if weights is None:
    weights = jnp.stack(
      [jax.random.normal(jax.random.key(seed), (3,)) for seed in seeds]
    )
  return jax.vmap(lambda seed, w: training.init_state(seed, {"w": w}, config))(
    jnp.asarray(seeds, jnp.int32), jnp.asarray(weights, jnp.float32)
  )


def train(state, config=CONFIG, **kwargs):
  """Returns the final state, its copies at each call, and the history."""
  states, history = [], []

  def on_call(state, rows):
    states.append(jax.tree.map(np.array, state))
    history.extend(rows)

  defaults = {
    "dataset": DATASET,
    "validation": DATASET,
    "key": KEY,
    "devices": jax.devices()[:1],
  }
  final = training.run(
    loss_fn,
    metrics_fn,
    state,
    config=config,
    on_call=on_call,
    **defaults | kwargs,
  )
  return final, states, history


@pytest.fixture(scope="module")
def trained():
  """Three seeds on one device."""
  return train(fresh((0, 1, 2)))


def test_training_lowers_the_loss_of_every_seed(trained):
  final, _, history = trained
  assert [(row["epoch"], row["seed"]) for row in history] == [
    (epoch, seed) for epoch in (1, 2, 3, 4) for seed in (0, 1, 2)
  ]
  assert [row["step"] for row in history[::3]] == [3, 6, 9, 12]
  for seed in range(3):
    losses = [row["validation/loss"] for row in history if row["seed"] == seed]
    assert losses[-1] < losses[0]
  assert (final.best.look > 0).all()


def test_history_reports_the_metrics_of_the_weights(trained):
  _, states, history = trained
  for row, state in zip(history[::3], states, strict=True):
    metrics = metrics_fn(trees.row(state.params, 0), DATASET)
    for name, values in metrics.items():
      assert row[f"validation/{name}"] == pytest.approx(
        float(values.mean()), rel=1e-5
      )


def test_same_key_same_bits_other_key_other_bits(trained):
  again, _, history = train(fresh((0, 1, 2)))
  chex.assert_trees_all_equal(trained[0], again)
  assert trained[2] == history
  other, _, _ = train(fresh((0, 1, 2)), key=jax.random.key(6))
  assert (other.params["w"] != again.params["w"]).any()


def test_seed_decides_the_data_order():
  final, _, _ = train(fresh((0, 1, 0), weights=np.zeros((3, 3))))
  weights = np.asarray(final.params["w"])
  np.testing.assert_array_equal(weights[0], weights[2])
  assert (weights[0] != weights[1]).any()


def test_seed_equals_its_single_run(trained):
  single, _, _ = train(fresh((1,)))
  chex.assert_trees_all_close(
    trees.row(jax.device_get(trained[0]), [1]), jax.device_get(single), **CLOSE
  )


def test_many_devices_match_one(trained):
  spread, _, _ = train(fresh((0, 1, 2)), devices=None)
  assert len(spread.params["w"].sharding.device_set) == 3
  chex.assert_trees_all_close(
    jax.device_get(spread), jax.device_get(trained[0]), **CLOSE
  )


@pytest.mark.parametrize("steps_per_call", [0, 2])
def test_training_goes_on_from_any_saved_state_with_the_same_bits(
  trained, steps_per_call
):
  config = training.TrainConfig(**SETTINGS, steps_per_call=steps_per_call)
  final, states, _ = train(fresh((0, 1, 2), config), config)
  chex.assert_trees_all_equal(final, trained[0])
  if steps_per_call:
    assert [int(state.step[0]) for state in states[:3]] == [2, 3, 5]
  for index, state in enumerate(states):
    resumed, later, _ = train(state, config)
    chex.assert_trees_all_equal(resumed, final)
    chex.assert_trees_all_equal(later, states[index + 1 :])


def test_one_seed_stops_while_another_goes_on():
  config = training.TrainConfig(**SETTINGS | {"num_epochs": 9}, patience=2)
  weights = np.stack([STUCK_WEIGHTS, np.zeros(3)])
  final, _, history = train(fresh((0, 1), config, weights), config)
  epochs = [[r["epoch"] for r in history if r["seed"] == s] for s in (0, 1)]
  assert epochs == [[1, 2, 3], list(range(1, 10))]
  assert final.best.active.tolist() == [False, True]
  assert final.step.tolist() == [27, 27]
  assert final.best.look.tolist() == [1, 9]


def test_stopped_seed_stands_still():
  config = training.TrainConfig(**SETTINGS | {"num_epochs": 9}, patience=1)
  # Validation likes zero, so the seed that starts there only gets worse.
  validation = {"x": INPUTS, "y": np.zeros(17, np.float32)}
  weights = np.stack([np.zeros(3), 3 * TRUE_WEIGHTS])
  final, states, history = train(
    fresh((0, 1), config, weights), config, validation=validation
  )
  assert [row["epoch"] for row in history if row["seed"] == 0] == [1, 2]
  assert len(states) > 3
  for state in states[2:]:
    np.testing.assert_array_equal(
      state.params["w"][0], states[1].params["w"][0]
    )
  assert (states[1].params["w"][0] != states[0].params["w"][0]).any()
  assert int(final.best.look[0]) == 1


def test_run_ends_when_the_last_seed_has_stopped():
  config = training.TrainConfig(**SETTINGS | {"num_epochs": 9}, patience=2)
  weights = np.stack([STUCK_WEIGHTS, STUCK_WEIGHTS])
  final, states, _ = train(fresh((0, 1), config, weights), config)
  assert len(states) == 3
  assert not final.best.active.any()


def test_best_weights_are_kept_not_the_last():
  config = training.TrainConfig(**SETTINGS | {"num_epochs": 20}, patience=20)
  # Validation likes the weights half way from zero to the training solution.
  validation = {"x": INPUTS, "y": np.tanh(INPUTS @ (TRUE_WEIGHTS / 2))}
  final, states, history = train(
    fresh((0,), config, np.zeros((1, 3))), config, validation=validation
  )
  losses = [row["validation/loss"] for row in history]
  best = int(np.argmin(losses))
  assert 0 < best < 19
  assert int(final.best.look[0]) == best + 1
  assert float(final.best.score[0]) == losses[best]
  chex.assert_trees_all_equal(
    jax.device_get(final.best.value), states[best].params
  )
  assert (final.best.value["w"] != final.params["w"]).any()
  fetched = training.fetch_best(final)
  np.testing.assert_array_equal(
    fetched["params"]["w"], states[best].params["w"]
  )
  assert fetched["epoch"].tolist() == [best + 1]


def test_seed_that_never_had_a_finite_loss_is_named():
  weights = np.zeros((3, 3))
  weights[1] = np.nan
  final, _, _ = train(fresh((7, 8, 9), weights=weights))
  assert training.failed_seeds(final) == [8]


@pytest.mark.parametrize(
  ("fields", "message"),
  [
    ({"num_epochs": 0}, "num_epochs 0 must be at least 1"),
    ({"patience": 0}, "patience 0 must be at least 1"),
    ({"learning_rate": 0.0}, r"learning_rate 0\.0 must be a positive number"),
    ({"learning_rate": float("nan")}, "learning_rate nan must be a positive"),
    ({"learning_rate": float("inf")}, "learning_rate inf must be a positive"),
  ],
)
def test_config_refuses_values_no_training_can_run_with(fields, message):
  with pytest.raises(UserError, match=message):
    training.TrainConfig(**fields)


def test_batch_larger_than_the_data_set_is_refused():
  config = training.TrainConfig(**SETTINGS | {"batch_size": 18})
  with pytest.raises(UserError, match=r"batch_size 18 .*; choose 1 to 17"):
    train(fresh((0,), config), config)
