"""Linear probes: what they find, and which bits depend on what."""

import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from structcomp_jax import probing
from structcomp_jax.engine import batching
from structcomp_jax.probing import controls
from structcomp_jax.types import UserError

from . import tiny

pytestmark = pytest.mark.usefixtures("optimised")

# Batched and single matrix products may add up in another order.
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


@pytest.fixture(scope="module")
def result():
  """The undisturbed run on one device."""
  return tiny.run_linear()


def rows_at(result, site):
  return [row for row in result.rows if row["site"] == site]


def line_of(result, site):
  (line,) = (line for line in result.summary() if line["site"] == site)
  return line


def test_a_planted_feature_is_found_at_its_site_and_not_elsewhere(result):
  late, early = line_of(result, "late"), line_of(result, "early")
  assert late["accuracy"] == 1.0
  assert early["accuracy"] < 0.7
  # The types say nothing of any site, so that no label of theirs is learned.
  assert late["control"] < 0.75
  assert late["selectivity"] > 0.3 > early["selectivity"]
  assert result.seen == 1.0
  most = np.bincount(tiny.TRAIN["labels"]).argmax()
  assert result.majority == np.mean(tiny.TEST["labels"] == most)


def test_every_site_task_and_seed_has_a_row(result):
  assert [(row["site"], row["task"], row["seed"]) for row in result.rows] == [
    (site, task, seed)
    for site in tiny.SITES
    for task in ("labels", "control")
    for seed in (0, 1, 2)
  ]
  (line, _) = result.summary()
  assert line["seeds"] == 3


def replay(site, seed, labels, num_steps, config):
  """Returns the probe after some steps, and their losses."""
  order_key, _, _ = jax.random.split(tiny.KEY, 3)
  order_key = jax.random.fold_in(order_key, seed)
  raw = tiny.TRAIN["features"][site].astype(np.float64)
  features = jnp.asarray((raw - raw.mean(0)) / raw.std(0), jnp.float32)
  probe = {"kernel": jnp.zeros((raw.shape[1], 2)), "bias": jnp.zeros(2)}
  adam = optax.adam(config.learning_rate)
  moments = adam.init(probe)

  @functools.partial(jax.value_and_grad, has_aux=True)
  def gradient_of(probe, examples):
    logits = features[examples] @ probe["kernel"] + probe["bias"]
    loss = optax.softmax_cross_entropy_with_integer_labels(
      logits, jnp.asarray(labels)[examples]
    ).mean()
    decay = config.weight_decay / 2 * (probe["kernel"] ** 2).sum()
    return loss + decay, loss

  losses = []
  for step in range(num_steps):
    order = batching.epoch_order(order_key, step // 4, 64, 16)[step % 4]
    (_, loss), gradient = gradient_of(probe, order)
    update, moments = adam.update(gradient, moments)
    losses.append(loss)
    probe = optax.apply_updates(probe, update)
  # For features as they are.
  kernel = np.asarray(probe["kernel"]) / raw.std(0)[:, None]
  return kernel, np.asarray(probe["bias"]) - raw.mean(0) @ kernel, losses


@pytest.mark.parametrize("site", tiny.SITES)
def test_every_step_is_the_one_written_out(site):
  config = dataclasses.replace(
    tiny.LINEAR, num_epochs=2, weight_decay=0.3, patience=2
  )
  found = tiny.run_linear(config)
  for index, seed in enumerate(config.seeds):
    look = rows_at(found, site)[index]["look"]
    labels = tiny.TRAIN["labels"]
    kernel, bias, _ = replay(site, seed, labels, 4 * look, config)
    np.testing.assert_allclose(found.kernels[site][index], kernel, rtol=1e-3)
    np.testing.assert_allclose(found.biases[site][index], bias, rtol=1e-3)
    *_, losses = replay(site, seed, labels, 8, config)
    probe = found.rows.index(rows_at(found, site)[index])
    lines = [line for line in found.history if line["probe"] == probe]
    # Of the steps since the last look alone.
    means = np.reshape(losses, (2, 4)).mean(1)
    np.testing.assert_allclose(
      [line["train/loss"] for line in lines], means, rtol=1e-4
    )


@pytest.mark.parametrize("site", tiny.SITES)
def test_the_probes_are_for_features_as_they_were_given(result, site):
  for row in rows_at(result, site)[:3]:
    index = row["seed"]
    logits = (
      tiny.TEST["features"][site] @ result.kernels[site][index]
      + result.biases[site][index]
    )
    right = (logits.argmax(1) == tiny.TEST["labels"]).mean()
    assert row["accuracy"] == pytest.approx(right)


def test_the_control_task_of_a_seed_is_learned(result):
  """Features that tell types apart learn any labels of types."""
  splits = [
    {**one, "features": {"types": np.eye(8, dtype=np.float32)[one["types"]]}}
    for one in (tiny.TRAIN, tiny.VALIDATION, tiny.TEST)
  ]
  found = tiny.run_linear(splits=splits)
  (line,) = found.summary()
  assert line["control"] == 1.0
  assert line["selectivity"] == pytest.approx(line["accuracy"] - 1.0)


def test_the_kept_look_is_that_of_the_lowest_validation_loss(result):
  for index, row in enumerate(result.rows):
    losses = [
      line["validation/loss"]
      for line in result.history
      if line["probe"] == index
    ]
    assert row["look"] == 1 + int(np.argmin(losses))
    assert row["validation_loss"] == pytest.approx(min(losses))


def test_a_probe_stops_when_its_patience_ends():
  config = dataclasses.replace(tiny.LINEAR, num_epochs=40, patience=2)
  found = tiny.run_linear(config)
  for index, row in enumerate(found.rows):
    looks = [line for line in found.history if line["probe"] == index]
    assert len(looks) == min(40, row["look"] + 2)


@pytest.mark.parametrize("changed", ["validation", "test"])
def test_held_out_labels_are_never_trained_on(result, changed):
  """Wrong labels change what is chosen or counted, and no step."""
  splits = {
    "dataset": tiny.TRAIN,
    "validation": tiny.VALIDATION,
    "test": tiny.TEST,
  }
  wrong = {**splits[changed], "labels": 1 - splits[changed]["labels"]}
  patient = dataclasses.replace(tiny.LINEAR, patience=99)
  found = tiny.run_linear(patient, splits={**splits, changed: wrong}.values())
  plain = tiny.run_linear(patient)
  for mine, theirs in zip(found.history, plain.history, strict=True):
    assert mine["train/loss"] == theirs["train/loss"]
  late = line_of(found, "late")["accuracy"]
  if changed == "test":
    assert late == 0.0
    assert found.history == plain.history
  else:
    # The first look is the least wrong of a task turned around.
    assert all(row["look"] == 1 for row in rows_at(found, "late")[:3])


def test_same_key_same_bits_other_key_other_bits(result):
  again = tiny.run_linear()
  assert again.history == result.history
  chex.assert_trees_all_equal(again.kernels, result.kernels)
  other = tiny.run_linear(key=jax.random.key(8))
  assert (other.kernels["late"] != result.kernels["late"]).any()


@pytest.mark.parametrize("site", tiny.SITES)
def test_a_row_equals_its_single_run(result, site):
  """Whatever other sites, how wide, and other seeds there are."""
  splits = [
    tiny.of_sites(one, site) for one in (tiny.TRAIN, tiny.VALIDATION, tiny.TEST)
  ]
  config = dataclasses.replace(tiny.LINEAR, seeds=(2,))
  single = tiny.run_linear(config, splits=splits)
  np.testing.assert_allclose(
    single.kernels[site][0], result.kernels[site][2], **CLOSE
  )
  rows = [row for row in rows_at(result, site) if row["seed"] == 2]
  assert [row["accuracy"] for row in single.rows] == [
    row["accuracy"] for row in rows
  ]


def test_many_devices_match_one(result):
  spread = tiny.run_linear(devices=None)
  chex.assert_trees_all_close(spread.kernels, result.kernels, **CLOSE)
  assert [row["accuracy"] for row in spread.rows] == [
    row["accuracy"] for row in result.rows
  ]


def test_devices_that_share_a_batch_match_one(result):
  config = dataclasses.replace(tiny.LINEAR, data_devices=2)
  shared = tiny.run_linear(config, devices=None)
  chex.assert_trees_all_close(shared.kernels, result.kernels, **CLOSE)


@pytest.mark.parametrize("changes", [{"vmap_width": 5}, {"feed": "host"}])
def test_the_layout_changes_nothing(result, changes):
  found = tiny.run_linear(dataclasses.replace(tiny.LINEAR, **changes))
  chex.assert_trees_all_close(found.kernels, result.kernels, **CLOSE)


def test_a_run_goes_on_from_any_saved_state_with_the_same_bits(result):
  config = dataclasses.replace(tiny.LINEAR, steps_per_call=3)
  states = []
  tiny.run_linear(
    config, on_call=lambda state, _: states.append(tiny.copy(state))
  )
  # 4 steps an epoch: every second state is in the middle of one.
  for state in (states[0], states[3], states[-1]):
    resumed = tiny.run_linear(config, state=state)
    chex.assert_trees_all_equal(resumed.kernels, result.kernels)
    assert resumed.rows == result.rows


def test_a_constant_column_is_not_blown_up():
  """But for rounding it is the same everywhere, and says nothing."""

  def with_column(one):
    draw = np.random.default_rng(len(one["labels"]))
    noise = (one["labels"] * 1e-7).astype(np.float32)
    column = 1.0 + np.stack([noise, draw.normal(size=64)], 1)
    return {**one, "features": {"flat": column.astype(np.float32)}}

  found = tiny.run_linear(
    splits=[
      with_column(one) for one in (tiny.TRAIN, tiny.VALIDATION, tiny.TEST)
    ]
  )
  assert np.abs(found.kernels["flat"][:, 0]).max() < 10
  assert line_of(found, "flat")["accuracy"] < 0.7


def test_without_types_there_is_no_control():
  splits = [
    {name: one[name] for name in ("features", "labels")}
    for one in (tiny.TRAIN, tiny.VALIDATION, tiny.TEST)
  ]
  found = tiny.run_linear(splits=splits)
  assert found.seen is None
  assert {row["task"] for row in found.rows} == {"labels"}
  assert "control" not in found.summary()[0]
  assert found.describe().splitlines()[0].split() == ["site", "accuracy"]


def test_a_probe_without_a_finite_loss_is_refused():
  config = dataclasses.replace(tiny.LINEAR, learning_rate=1e38)
  with pytest.raises(UserError, match=r"site 'early', seed 0.*lower learning"):
    tiny.run_linear(config)


def test_control_labels_of_a_probe_are_those_of_its_seed():
  *_, control_key = jax.random.split(tiny.KEY, 3)
  splits = {"dataset": tiny.TRAIN, "test": tiny.TEST}
  found = controls.target_labels(splits, (5, 9), key=control_key)
  shares = np.bincount(tiny.TRAIN["labels"]) / 64
  for name, one in splits.items():
    np.testing.assert_array_equal(found[name][:, 0], one["labels"])
    for column, seed in enumerate((5, 9), start=1):
      expected = probing.control_labels(
        one["types"], shares, key=jax.random.fold_in(control_key, seed)
      )
      np.testing.assert_array_equal(found[name][:, column], expected)
  assert (found["test"][:, 1] != found["test"][:, 2]).any()
