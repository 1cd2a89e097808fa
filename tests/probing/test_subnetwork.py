"""Masks with probes: what they find, and which bits depend on what."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from structcomp_jax import masks, trees
from structcomp_jax.engine import batching
from structcomp_jax.types import UserError

from . import tiny

pytestmark = pytest.mark.usefixtures("optimised")

# Batched and single matrix products may add up in another order.
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


@pytest.fixture(scope="module")
def result():
  """The undisturbed run on one device."""
  return tiny.run_subnetwork()


def index_of(result, **wanted):
  """Returns the number of the row with some values."""
  (found,) = (
    index
    for index, row in enumerate(result.rows)
    if all(row[name] == value for name, value in wanted.items())
  )
  return found


def test_a_mask_keeps_what_carries_the_label(result):
  for network, column in (("plain", 1), ("other", 2)):
    index = index_of(
      result, network=network, penalty=0.1, task="labels", seed=3
    )
    kept = result.masks["hidden"][index]
    assert np.argwhere(kept).tolist() == [[1, column]]
    assert result.rows[index]["accuracy"] == 1.0
    assert result.rows[index]["kept"] == 1
    assert result.rows[index]["density"] == pytest.approx(1 / 9)


def test_the_probe_alone_has_the_whole_network(result):
  whole = [row for row in result.rows if row["penalty"] is None]
  assert len(whole) == 2 * 2 * 2
  assert {row["kept"] for row in whole} == {9}
  labels = [row["accuracy"] for row in whole if row["task"] == "labels"]
  control = [row["accuracy"] for row in whole if row["task"] == "control"]
  assert min(labels) == 1.0 > max(control)


def test_every_kind_has_a_row_and_a_line(result):
  kinds = [(line["network"], line["penalty"]) for line in result.summary()]
  assert kinds == [
    (network, penalty)
    for network in ("plain", "other")
    for penalty in (None, 0.0, 0.1)
  ]
  assert len(result.rows) == 3 * 2 * 2 * 2
  for line in result.summary():
    assert line["seeds"] == 2
    assert line["selectivity"] == pytest.approx(
      line["accuracy"] - line["control"]
    )
  assert result.seen == 1.0
  assert "plain    -" in result.describe()


@pytest.mark.parametrize("penalty", [None, 0.1])
def test_every_step_is_the_one_written_out(penalty):
  """Noise, examples and both step sizes, in plain JAX and optax."""
  config = dataclasses.replace(
    tiny.SUBNETWORK, num_epochs=2, seeds=(3,), penalties=(0.1,),
    weight_decay=0.2, mask_learning_rate=0.3,
  )  # fmt: skip
  states = []
  found = tiny.run_subnetwork(
    config, on_call=lambda state, _: states.append(tiny.copy(state))
  )
  index = index_of(found, network="other", penalty=penalty, task="labels")
  got = trees.row(states[-1].learned, index)
  data = tiny.inputs(tiny.TRAIN)
  order_key, draw_key, _ = jax.random.split(tiny.KEY, 3)
  order_key = jax.random.fold_in(order_key, 3)
  draw_key = jax.random.fold_in(draw_key, 3)
  hidden = tiny.OTHER["hidden"]
  whole = data["x"] @ hidden
  method = masks.get_relaxation("hard_concrete")
  learned = {
    "logits": {"hidden": jnp.full((3, 3), 1.0)},
    "probe": {"kernel": jnp.zeros((3, 2)), "bias": jnp.zeros(2)},
  }

  @jax.value_and_grad
  def loss_of(learned, key, order):
    mask = masks.sample(method, learned["logits"], beta=1.0, key=key)["hidden"]
    mask = 1.0 if penalty is None else mask
    features = data["x"][order] @ (hidden * mask)
    features = (features - whole.mean(0)) / whole.std(0)
    logits = features @ learned["probe"]["kernel"] + learned["probe"]["bias"]
    loss = optax.softmax_cross_entropy_with_integer_labels(
      logits, data["labels"][order]
    ).mean()
    size = method.expected_size(learned["logits"]["hidden"], beta=1.0).sum()
    return (
      loss
      + (penalty or 0) * size
      + 0.1 * (learned["probe"]["kernel"] ** 2).sum()
    )

  adam = optax.scale_by_adam()
  moments, losses = adam.init(learned), []
  for step in range(8):
    order = batching.epoch_order(order_key, step // 4, 64, 16)[step % 4]
    loss, gradient = loss_of(learned, jax.random.fold_in(draw_key, step), order)
    direction, moments = adam.update(gradient, moments)
    sizes = {"logits": 0.3, "probe": 0.1}
    learned = {
      part: jax.tree.map(
        lambda old, way, size=size: old - size * way,
        learned[part],
        direction[part],
      )
      for part, size in sizes.items()
    }
    losses.append(loss)
  np.testing.assert_allclose(
    got["mask_logits"]["hidden"],
    learned["logits"]["hidden"],
    rtol=1e-3,
    atol=1e-4,
  )
  for part in ("kernel", "bias"):
    np.testing.assert_allclose(
      got["probe"][part], learned["probe"][part], rtol=1e-3, atol=1e-4
    )


def test_history_says_what_the_hard_mask_does(result):
  found = tiny.run_subnetwork(validation=tiny.inputs(tiny.TEST))
  last = found.history[-len(found.rows) :]
  for row, line in zip(found.rows, last, strict=True):
    assert line["density"] == pytest.approx(row["density"])
    assert line["validation/accuracy"] == pytest.approx(row["accuracy"])
  assert found.rows == result.rows


def test_frozen_weights_keep_their_bits(result):
  before = trees.fingerprint(tiny.PARAMS)
  tiny.run_subnetwork()
  assert trees.fingerprint(tiny.PARAMS) == before


def test_same_key_same_bits_other_key_other_bits(result):
  again = tiny.run_subnetwork()
  assert again.history == result.history
  chex.assert_trees_all_equal(again.masks, result.masks)
  other = tiny.run_subnetwork(key=jax.random.key(8))
  assert other.history != result.history


def test_a_row_equals_its_single_run(result):
  config = dataclasses.replace(tiny.SUBNETWORK, seeds=(4,), penalties=(0.1,))
  single = tiny.run_subnetwork(config, networks={"other": tiny.OTHER})
  for row, line in zip(single.rows, single.history[-4:], strict=True):
    index = index_of(
      result, **{name: row[name] for name in ("penalty", "task", "seed")},
      network="other",
    )  # fmt: skip
    theirs = result.history[index - len(result.rows)]
    assert line["train/loss"] == pytest.approx(theirs["train/loss"], rel=1e-4)
    assert row == result.rows[index]


@pytest.mark.parametrize(
  "changes",
  [{}, {"data_devices": 2}, {"feed": "host"}, {"vmap_width": 1}],
  ids=str,
)
def test_many_devices_match_one(result, changes):
  config = dataclasses.replace(tiny.SUBNETWORK, **changes)
  spread = tiny.run_subnetwork(config, devices=None)
  for mine, theirs in zip(spread.history, result.history, strict=True):
    assert mine["train/loss"] == pytest.approx(theirs["train/loss"], rel=1e-3)
  assert spread.rows == result.rows


def test_a_run_goes_on_from_any_saved_state_with_the_same_bits(result):
  config = dataclasses.replace(tiny.SUBNETWORK, steps_per_call=3)
  states = []
  tiny.run_subnetwork(
    config, on_call=lambda state, _: states.append(tiny.copy(state))
  )
  for state in (states[0], states[5], states[-1]):
    resumed = tiny.run_subnetwork(config, state=state)
    chex.assert_trees_all_equal(resumed.masks, result.masks)
    assert resumed.rows == result.rows
    assert resumed.history == result.history[-len(resumed.history) :]


def test_wrong_labels_of_the_test_change_no_step(result):
  test = tiny.inputs(tiny.TEST)
  found = tiny.run_subnetwork(test={**test, "labels": 1 - test["labels"]})
  assert found.history == result.history
  for mine, theirs in zip(found.rows, result.rows, strict=True):
    if mine["task"] == "labels":
      assert mine["accuracy"] == pytest.approx(1 - theirs["accuracy"])


def test_a_row_that_stopped_is_marked_and_left_out():
  """A masked weight is divided by in one of two networks."""
  risky = {**tiny.PARAMS, "shift": np.ones(3, np.float32)}

  def feature_fn(params, batch):
    features = tiny.feature_fn(params, batch)
    divisor = jnp.where(params["shift"][0] == 0, 1, params["hidden"][0, 0])
    return features / divisor

  config = dataclasses.replace(tiny.SUBNETWORK, penalties=(0.1,))
  states = []
  found = tiny.run_subnetwork(
    config,
    feature_fn=feature_fn,
    networks={"plain": tiny.PARAMS, "risky": risky},
    on_call=lambda state, _: states.append(tiny.copy(state)),
  )
  # What was learned before is kept.
  for leaf in jax.tree.leaves(states[-1].learned):
    assert np.isfinite(leaf).all()
  for row in found.rows:
    stops = row["network"] == "risky" and row["penalty"] is not None
    assert row["finite"] != stops
  (line,) = (
    line
    for line in found.summary()
    if (line["network"], line["penalty"]) == ("risky", 0.1)
  )
  assert line["seeds"] == 0
  assert np.isnan(line["accuracy"])


def test_a_run_without_a_finite_row_is_refused():
  config = dataclasses.replace(tiny.SUBNETWORK, learning_rate=1e38)
  with pytest.raises(UserError, match=r"all 24 probes stopped.*lower"):
    tiny.run_subnetwork(config)


@pytest.mark.parametrize(
  ("changes", "expected"),
  [
    ({"networks": {}}, "networks has none"),
    (
      {"networks": {"a": tiny.PARAMS, "b": {"hidden": tiny.PARAMS["hidden"]}}},
      "'a' and 'b' have leaves of other names",
    ),
    (
      {"feature_fn": lambda params, batch: batch["x"][:, 0]},
      r"float32 of shape \(16,\) for 16 examples; return float",
    ),
  ],
)
def test_networks_and_functions_that_do_not_fit_are_refused(changes, expected):
  with pytest.raises(UserError, match=expected):
    tiny.run_subnetwork(**changes)


def test_networks_of_other_dtypes_are_refused():
  half = jax.tree.map(lambda leaf: leaf.astype(np.float16), tiny.PARAMS)
  with pytest.raises(UserError, match="'a' and 'b' have leaves of other"):
    tiny.run_subnetwork(networks={"a": tiny.PARAMS, "b": half})
