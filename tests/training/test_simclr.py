"""Contrastive pretraining: loss, ranks, schedule, views, resume, transfer."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from structcomp_jax import training, trees
from structcomp_jax.training import simclr
from structcomp_jax.types import UserError

KEY = jax.random.key(5)
RANDOM = np.random.default_rng(0)
EMBEDDINGS = RANDOM.normal(size=(2, 6, 4)).astype(np.float32)
# One colour for each problem, the two pictures a little apart.
COLOURS = RANDOM.integers(0, 256, size=(9, 1, 1, 1, 3))
DATASET = {
  "images": np.clip(
    COLOURS + RANDOM.integers(-20, 20, size=(9, 2, 6, 6, 3)), 0, 255
  ).astype(np.uint8)
}
# 2 steps an epoch; one problem of each epoch is left out. All tests share this
# one program with two rows: compiling it takes most of the time.
SETTINGS = {
  "num_epochs": 12,
  "batch_size": 4,
  "learning_rate": 0.03,
  "steps_per_call": 1,
}
CONFIG = simclr.SimclrConfig(**SETTINGS)
contrast = jax.jit(simclr.contrast, static_argnums=1)


def embed_fn(params, images):
  features = images.reshape(len(images), -1)
  return jnp.tanh(features @ params["body"]["w"]) @ params["head"]["w"]


def init(seed):
  keys = jax.random.split(jax.random.key(seed))
  return {
    "body": {"w": 0.1 * jax.random.normal(keys[0], (108, 8))},
    "head": {"w": jax.random.normal(keys[1], (8, 4))},
  }


def fresh(seeds, init_seeds=None):
  """Returns the stacked state before the first step."""
  return trees.stack(
    [
      simclr.init_state(jnp.int32(seed), init(init_seed), CONFIG)
      for seed, init_seed in zip(seeds, init_seeds or seeds, strict=True)
    ]
  )


def pretrain(state, config=CONFIG, **kwargs):
  """Returns the final state, its copies at each call, and the history."""
  states, history = [], []

  def on_call(state, rows):
    states.append(jax.tree.map(np.array, state))
    history.extend(rows)

  defaults = {
    "embed_fn": embed_fn,
    "dataset": DATASET,
    "validation": DATASET,
    "key": KEY,
    "devices": jax.devices()[:1],
  }
  final = simclr.run(
    state=state, config=config, on_call=on_call, **defaults | kwargs
  )
  return final, states, history


@pytest.fixture(scope="module")
def pretrained():
  """Two seeds on one device."""
  return pretrain(fresh((0, 1)))


def by_hand(embeddings, tau):
  """Losses by the formula, one embedding after the other."""
  vectors = np.concatenate(embeddings).astype(np.float64)
  count = len(vectors)
  losses = []
  for i in range(count):
    cosines = [
      vectors[i]
      @ vectors[j]
      / np.sqrt(vectors[i] @ vectors[i])
      / np.sqrt(vectors[j] @ vectors[j])
      for j in range(count)
    ]
    terms = np.exp(np.array(cosines) / tau)
    losses.append(
      -np.log(terms[(i + count // 2) % count] / (terms.sum() - terms[i]))
    )
  return np.reshape(losses, embeddings.shape[:2])


@pytest.mark.parametrize("tau", [0.07, 0.5])
def test_loss_is_that_of_the_formula_and_of_optax(tau):
  losses = contrast(EMBEDDINGS, tau)["loss"]
  np.testing.assert_allclose(losses, by_hand(EMBEDDINGS, tau), rtol=1e-5)
  expected = optax.losses.ntxent(
    jnp.concatenate(EMBEDDINGS), jnp.tile(jnp.arange(6), 2), tau
  )
  assert float(losses.mean()) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("num_pictures", [2, 256])
def test_one_point_for_everything_is_worth_a_guess_and_no_rank(num_pictures):
  metrics = contrast(jnp.ones((2, num_pictures, 3)), 0.07)
  np.testing.assert_allclose(
    metrics["loss"], np.log(2 * num_pictures - 1), rtol=1e-5
  )
  chex.assert_trees_all_equal(metrics["top_1"], jnp.zeros((2, num_pictures)))


def test_equal_views_far_from_all_others_have_the_least_loss():
  apart = np.stack([np.eye(8), np.eye(8)]).astype(np.float32)
  least = contrast(apart, 0.07)
  np.testing.assert_allclose(
    least["loss"], np.log1p(14 * np.exp(-1 / 0.07)), atol=1e-6
  )
  assert least["top_1"].all()
  for _ in range(5):
    moved = apart + RANDOM.normal(scale=0.3, size=apart.shape)
    assert contrast(moved.astype(np.float32), 0.07)["loss"].mean() > (
      least["loss"].mean()
    )


def test_pictures_may_come_in_any_order_and_views_be_exchanged():
  metrics = contrast(EMBEDDINGS, 0.07)
  order = RANDOM.permutation(6)
  chex.assert_trees_all_close(
    contrast(EMBEDDINGS[:, order], 0.07),
    {name: value[:, order] for name, value in metrics.items()},
    rtol=1e-5,
  )
  chex.assert_trees_all_close(
    contrast(EMBEDDINGS[::-1], 0.07),
    {name: value[::-1] for name, value in metrics.items()},
    rtol=1e-5,
  )


def test_length_of_an_embedding_does_not_matter():
  lengths = RANDOM.uniform(0.1, 10, size=(2, 6, 1)).astype(np.float32)
  chex.assert_trees_all_close(
    contrast(lengths * EMBEDDINGS, 0.07), contrast(EMBEDDINGS, 0.07), rtol=1e-4
  )


def test_ranks_count_the_others_that_are_nearer():
  # On a circle: 0 and its partner 10 degrees away, others between and beyond.
  def circle(degrees):
    angles = np.deg2rad(np.array(degrees, np.float32))
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1)

  for between in range(8):
    others = [*np.linspace(1, 9, between), *np.linspace(100, 200, 7 - between)]
    metrics = contrast(
      np.stack([circle([0, *others]), circle([10, *np.linspace(220, 300, 7)])]),
      0.07,
    )
    assert bool(metrics["top_1"][0, 0]) == (between < 1)
    assert bool(metrics["top_5"][0, 0]) == (between < 5)


def test_top_5_is_never_below_top_1():
  for _ in range(5):
    metrics = contrast(RANDOM.normal(size=(2, 16, 3)).astype(np.float32), 0.07)
    assert (metrics["top_5"] >= metrics["top_1"]).all()


def test_nan_has_no_rank():
  embeddings = EMBEDDINGS.copy()
  embeddings[0, 2] = np.nan
  metrics = contrast(embeddings, 0.07)
  assert not np.isfinite(metrics["loss"]).any()
  assert not metrics["top_5"][:, 2].any()


def test_gradient_turns_vectors_and_never_stretches_them():
  gradient = jax.grad(lambda e: contrast(e, 0.07)["loss"].mean())(EMBEDDINGS)
  assert (jnp.abs(gradient).max(axis=-1) > 0).all()
  np.testing.assert_allclose((gradient * EMBEDDINGS).sum(axis=-1), 0, atol=1e-6)
  at_zero = EMBEDDINGS.copy()
  at_zero[0, 0] = 0
  chex.assert_tree_all_finite(
    jax.grad(lambda e: contrast(e, 0.07)["loss"].mean())(at_zero)
  )


def test_learning_rate_is_the_published_cosine():
  schedule = simclr.learning_rate(simclr.SimclrConfig())
  epochs = np.arange(100)
  expected = 1e-5 + (5e-4 - 1e-5) * (1 + np.cos(np.pi * epochs / 100)) / 2
  np.testing.assert_allclose(
    [schedule(epoch) for epoch in epochs], expected, rtol=1e-5
  )
  assert float(schedule(100)) == pytest.approx(5e-4 / 50)


def test_learning_rate_changes_between_epochs_only():
  # Adam's first steps on a constant gradient are as long as its rate.
  optimizer = simclr.AdamW(CONFIG, 2)
  params = {"w": jnp.zeros(3)}
  state = optimizer.init(params)
  schedule = simclr.learning_rate(CONFIG)
  for step in range(6):
    update, state = optimizer.update({"w": jnp.ones(3)}, state, params)
    np.testing.assert_allclose(update["w"], -schedule(step // 2), rtol=1e-4)


def test_pictures_of_a_problem_share_their_view_and_views_differ():
  picture = RANDOM.uniform(size=(1, 8, 8, 3)).astype(np.float32)
  images = np.broadcast_to(picture, (3, 2, 8, 8, 3))
  views = jax.jit(simclr.make_views)(jax.random.split(KEY, 3), images)
  chex.assert_shape(views, (3, 2, 2, 8, 8, 3))
  np.testing.assert_array_equal(views[:, :, 0], views[:, :, 1])
  apart = np.asarray(views[:, :, 0]).reshape(6, -1)
  assert len(np.unique(apart, axis=0)) == 6


def test_dataset_has_a_regular_and_the_odd_picture_of_every_problem():
  tasks = [
    RANDOM.integers(0, 256, size=(n, 4, 5, 5, 3), dtype=np.uint8)
    for n in (3, 2)
  ]
  images = simclr.make_dataset(tasks)["images"]
  assert images.dtype == np.uint8
  every = np.concatenate(tasks)
  np.testing.assert_array_equal(images[:, 0], every[:, 0])
  np.testing.assert_array_equal(images[:, 1], every[:, 3])


def test_pretraining_lowers_the_loss(pretrained):
  final, states, history = pretrained
  assert [(row["epoch"], row["seed"]) for row in history] == [
    (epoch, seed) for epoch in range(1, 13) for seed in (0, 1)
  ]
  assert [int(state.step[0]) for state in states] == list(range(1, 25))
  for seed in (0, 1):
    losses = [row["train/loss"] for row in history if row["seed"] == seed]
    assert np.mean(losses[-4:]) < np.mean(losses[:4]) - 0.1
  assert final.best.active.all()


def test_validation_has_the_same_views_in_every_epoch(pretrained):
  _, states, history = pretrained
  # 9 problems in batches of 4: the last one is filled up from the start.
  keys = jax.random.split(jax.random.split(KEY, 3)[2], 9)

  @jax.jit
  def mean_loss(params):
    losses = []
    for rows in ([0, 1, 2, 3], [4, 5, 6, 7], [8, 0, 1, 2]):
      views = simclr.make_views(
        keys[np.array(rows)], DATASET["images"][np.array(rows)]
      )
      vectors = embed_fn(params, views.reshape(16, 6, 6, 3))
      by_view = vectors.reshape(4, 2, 2, 4).swapaxes(0, 1).reshape(2, 8, 4)
      loss = simclr.contrast(by_view, CONFIG.tau)["loss"]
      losses.append(loss.reshape(2, 4, 2).mean(axis=(0, 2)))
    return jnp.concatenate(losses)[:9].mean()

  for row, state in zip(history[::2], states[1::2], strict=True):
    assert row["validation/loss"] == pytest.approx(
      float(mean_loss(trees.row(state.params, 0))), rel=1e-5
    )


def test_the_weights_with_the_best_top_5_are_kept(pretrained):
  final, states, history = pretrained
  for index in range(2):
    top_5 = [row["validation/top_5"] for row in history if row["seed"] == index]
    best = int(np.argmax(top_5))
    assert int(final.best.look[index]) == best + 1
    assert float(final.best.score[index]) == -top_5[best]
    chex.assert_trees_all_equal(
      trees.row(jax.device_get(final.best.value), index),
      trees.row(states[2 * best + 1].params, index),
    )


def test_a_network_of_nan_is_never_the_best():
  state = fresh((0, 1))
  state = state.replace(
    params=jax.tree.map(lambda leaf: leaf.at[1].set(jnp.nan), state.params)
  )
  final, _, _ = pretrain(state)
  assert training.failed_seeds(final) == [1]


def test_pretraining_goes_on_from_any_saved_state_with_the_same_bits(
  pretrained,
):
  final, states, _ = pretrained
  for index in (0, 1, 10, 23):  # also in the middle of an epoch
    resumed, later, _ = pretrain(states[index])
    chex.assert_trees_all_equal(resumed, final)
    chex.assert_trees_all_equal(later, states[index + 1 :])


def test_seed_and_key_decide_order_and_views():
  def weights(seeds, **kwargs):
    final, _, _ = pretrain(fresh(seeds, (0, 0)), **kwargs)
    return np.asarray(final.params["body"]["w"])

  first, second = weights((0, 1))
  assert (first != second).any()
  np.testing.assert_array_equal(weights((0, 0)), [first, first])
  assert (weights((0, 1), key=jax.random.key(6))[0] != first).any()


def test_backbone_is_pretrained_and_head_fresh():
  pretrained, fresh_params = init(0), init(1)
  params = training.with_backbone(pretrained, fresh_params)
  chex.assert_trees_all_equal(
    params, {"body": pretrained["body"], "head": fresh_params["head"]}
  )


def test_only_the_head_is_fresh_not_what_is_named_like_it():
  pretrained, new = (
    {name: jnp.full(2, value) for name in ("body", "head", "head_norm")}
    for value in (1.0, 2.0)
  )
  params = training.with_backbone(pretrained, new)
  assert {name: float(leaf[0]) for name, leaf in params.items()} == {
    "body": 1.0,
    "head": 2.0,
    "head_norm": 1.0,
  }


def test_order_views_and_validation_have_keys_of_their_own(monkeypatch):
  given = {}

  def run(loss_fn, metrics_fn, state, dataset, validation, config, **kwargs):
    given.update(kwargs, validation=validation["key"])

  monkeypatch.setattr(simclr.supervised, "run", run)
  pretrain(None)
  keys = [given["key"], given["draw_key"], *given["validation"]]
  bits = np.array([jax.random.key_data(key) for key in keys])
  assert len(np.unique(bits, axis=0)) == 2 + len(DATASET["images"])


def test_backbone_of_another_network_is_refused():
  wider = {"body": {"w": jnp.zeros((108, 9))}, "head": {"w": jnp.zeros((9, 4))}}
  with pytest.raises(UserError, match=r"of another model; pretrain this"):
    training.with_backbone(wider, init(0))
  with pytest.raises(UserError, match=r"no part 'top'; name its head"):
    training.with_backbone(init(0), init(1), head="top")


@pytest.mark.parametrize(
  ("fields", "message"),
  [
    ({"num_epochs": 0}, "num_epochs 0 must be at least 1"),
    ({"learning_rate": 0.0}, r"learning_rate 0\.0 must be a positive number"),
    ({"tau": 0.0}, r"tau 0\.0 must be a positive number"),
    ({"tau": float("nan")}, "tau nan must be a positive number"),
    ({"weight_decay": -1.0}, r"weight_decay -1\.0 must be at least 0"),
  ],
)
def test_config_refuses_values_no_training_can_run_with(fields, message):
  with pytest.raises(UserError, match=message):
    simclr.SimclrConfig(**fields)


def test_batch_larger_than_the_data_set_is_refused():
  config = simclr.SimclrConfig(**SETTINGS | {"batch_size": 10})
  with pytest.raises(UserError, match=r"batch_size 10 .*; choose 1 to 9"):
    pretrain(fresh((0, 1)), config)
