"""Invariants of the search: which bits depend on what."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import search, trees
from structcomp_jax.engine import parallel, programs
from structcomp_jax.engine.learner import Keys, Setup
from structcomp_jax.engine.plan import Machine, Plan
from structcomp_jax.types import UserError

from . import compilations, tiny

pytestmark = pytest.mark.usefixtures("optimised")

# Six candidates; two learning rates, three seeds varying fastest.
CONFIG = search.SearchConfig(
  **tiny.SETTINGS, seeds=(0, 1, 2), learning_rates=(0.05, 0.2)
)
# Batched and single matrix products may add up in another order.
CLOSE = {"rtol": 1e-5, "atol": 1e-6}


@pytest.fixture(scope="module")
def result():
  """The undisturbed search on one device."""
  return tiny.run(CONFIG)


def rows_of(result, indices):
  """Returns the mask logits of some candidates, {path: f32[n, ...]}."""
  return trees.row(jax.device_get(result.mask_logits), indices)


def config_like(**changes):
  """Returns `CONFIG` with other values."""
  return search.SearchConfig(
    **tiny.SETTINGS
    | {"seeds": (0, 1, 2), "learning_rates": (0.05, 0.2)}
    | changes
  )


# A learning rate at which the sum of squares overflows after a few steps.
WITH_DEAD = config_like(learning_rates=(1e18, 0.05))


def collect_states(config, **kwargs):
  """Returns the result and a copy of the state at each look of the host."""
  states = []
  result = tiny.run(
    config, on_call=lambda state, _: states.append(tiny.copy(state)), **kwargs
  )
  return result, states


def test_frozen_weights_keep_their_bits():
  before = trees.fingerprint(tiny.NETWORK.params)
  result = tiny.run(CONFIG)
  assert trees.fingerprint(tiny.NETWORK.params) == before
  assert float(jnp.abs(result.mask_logits["hidden"]).max()) > 0.1


def test_same_key_same_bits_other_key_other_bits(result):
  again = tiny.run(CONFIG)
  chex.assert_trees_all_equal(result.mask_logits, again.mask_logits)
  assert result.history == again.history
  other = tiny.run(CONFIG, key=jax.random.key(8))
  assert (other.mask_logits["hidden"] != result.mask_logits["hidden"]).any()


def test_candidates_differ_by_seed_and_by_learning_rate(result):
  hidden = jax.device_get(result.mask_logits["hidden"]).reshape(6, -1)
  assert len(np.unique(hidden, axis=0)) == 6


def test_candidate_equals_its_single_run(result):
  single = tiny.run(config_like(seeds=(2,), learning_rates=(0.05,)))
  chex.assert_trees_all_close(rows_of(result, [2]), single.mask_logits, **CLOSE)
  chex.assert_trees_all_equal(
    trees.row(result.masks, 2), trees.row(single.masks, 0)
  )


def test_candidate_does_not_depend_on_the_other_candidates(result):
  fewer = tiny.run(config_like(seeds=(2, 1)))
  chex.assert_trees_all_equal(rows_of(result, [2, 1, 5, 4]), fewer.mask_logits)


def test_many_devices_match_one(result):
  spread = tiny.run(CONFIG, devices=None)
  sharding = spread.mask_logits["hidden"].sharding
  assert len(sharding.device_set) == 6
  chex.assert_trees_all_close(
    jax.device_get(spread.mask_logits),
    jax.device_get(result.mask_logits),
    **CLOSE,
  )


def test_many_devices_give_the_bits_of_one_with_as_many_at_once():
  one = tiny.run(config_like(vmap_width=1))
  for num_devices in (2, 6):
    spread = tiny.run(
      config_like(vmap_width=1), devices=jax.devices()[:num_devices]
    )
    chex.assert_trees_all_equal(
      jax.device_get(spread.mask_logits), jax.device_get(one.mask_logits)
    )
    assert spread.history == one.history


def test_gradients_of_frozen_weights_do_not_add_up_over_candidates():
  config = config_like(clip_norm=0.4, clip_scope="reference", vmap_width=1)
  one, many = (
    tiny.run(config, devices=jax.devices()[:number]) for number in (1, 8)
  )
  assert len(many.mask_logits["hidden"].devices()) > 1
  chex.assert_trees_all_equal(
    jax.device_get(one.mask_logits), jax.device_get(many.mask_logits)
  )


@pytest.mark.parametrize("width", [1, 2])
def test_vmap_width_changes_nothing(result, width):
  narrow = tiny.run(config_like(vmap_width=width))
  chex.assert_trees_all_close(result.mask_logits, narrow.mask_logits, **CLOSE)


def test_run_goes_on_from_any_saved_state_with_the_same_bits(result):
  config = config_like(steps_per_call=2)
  in_pieces, states = collect_states(config)
  chex.assert_trees_all_equal(result.mask_logits, in_pieces.mask_logits)
  assert result.history == in_pieces.history
  # 3 steps an epoch, at most 2 a call: every second state is mid-epoch.
  assert [int(state.step[0]) for state in states] == [2, 3, 5, 6, 8, 9]
  for index, state in enumerate(states):
    resumed, later = collect_states(config, state=state)
    chex.assert_trees_all_equal(states[index + 1 :], later)
    chex.assert_trees_all_equal(in_pieces.mask_logits, resumed.mask_logits)
    next_epoch = min(int(state.step[0]) // 3, 2)
    assert resumed.history == in_pieces.history[6 * next_epoch :]
    assert resumed.best == in_pieces.best


def test_shared_data_order_makes_equal_candidates_identical(result):
  shared = tiny.run(config_like(data_order="shared"))
  logits = np.asarray(shared.mask_logits["hidden"])
  np.testing.assert_array_equal(logits[0], logits[1])
  np.testing.assert_array_equal(logits[0], logits[2])
  assert (logits[0] != logits[3]).any()  # another learning rate
  assert (np.asarray(result.mask_logits["hidden"])[0] != logits[0]).any()


def test_candidate_that_is_not_finite_stops_alone(result):
  mixed = tiny.run(WITH_DEAD)
  assert mixed.finite.tolist() == [False] * 3 + [True] * 3
  assert mixed.best >= 3
  chex.assert_trees_all_equal(
    rows_of(mixed, slice(3, 6)), rows_of(result, slice(3))
  )
  # Stopped in the middle, with its last finite logits.
  chex.assert_tree_all_finite(mixed.mask_logits)
  assert (jnp.abs(mixed.mask_logits["output"][:3]) > 1e17).any(axis=1).all()
  last_epoch = [row["finite"] for row in mixed.history[-6:]]
  assert last_epoch == mixed.finite.tolist()


def test_stopped_candidate_stays_stopped():
  _, states = collect_states(WITH_DEAD)
  finite = np.stack([state.finite for state in states])
  assert (np.diff(finite.astype(int), axis=0) <= 0).all()
  stopped_at = [int(np.argmin(column)) for column in finite.T[:3]]
  for candidate, epoch in enumerate(stopped_at):
    for state in states[epoch:]:
      np.testing.assert_array_equal(
        state.mask_logits["hidden"][candidate],
        states[epoch].mask_logits["hidden"][candidate],
      )


@pytest.mark.parametrize("where", ["weights", "data"])
def test_error_when_every_candidate_is_dead(where):
  params, dataset = tiny.NETWORK.params, tiny.DATASET
  if where == "weights":
    params = params | {"output": params["output"].at[0].set(jnp.nan)}
  else:
    # Finite, but its square is not.
    dataset = dataset | {"label": jnp.full(16, 1e30)}
  with pytest.raises(
    UserError, match=r"all 6 candidates .*seed 0, learning_rate 0\.05.*; lower"
  ):
    tiny.run(CONFIG, params=params, dataset=dataset)


def test_best_is_never_a_dead_candidate_after_a_finished_run():
  finished, states = collect_states(WITH_DEAD)
  again = tiny.run(WITH_DEAD, state=states[-1])
  assert again.finite.tolist() == [False] * 3 + [True] * 3
  assert again.best == finished.best >= 3


def test_programs_are_compiled_in_the_first_epoch_of_the_first_search():
  num_traces, num_compiled = [], []

  def counted_loss(params, batch):
    num_traces.append(1)
    return tiny.loss_fn(params, batch)

  def search_with(key, **axes):
    search.run(
      counted_loss,
      jax.tree.map(lambda leaf: leaf + 1, tiny.NETWORK.params),
      tiny.SPEC,
      tiny.DATASET,
      config_like(steps_per_call=2, **axes),
      key=jax.random.key(key),
      validation=tiny.DATASET,
      metrics_fn=tiny.metrics_fn,
      on_call=lambda state, rows: num_compiled.append(len(names)),
      devices=jax.devices()[:1],
    )

  with compilations.counted() as names:
    search_with(0, seeds=(4, 5))
  assert names.count("jit(run_steps)") == 1
  assert names.count("jit(look_at_rows)") == 1
  # 3 epochs of 2 calls each: nothing after the first.
  assert len(set(num_compiled[1:])) == 1
  # A final search of as many candidates as the grid had.
  with compilations.counted() as names:
    search_with(1, seeds=(0, 1, 2, 3), learning_rates=(0.1,))
  assert names == []
  # Once to check the loss, and once for the program.
  assert len(num_traces) == 2


def test_candidates_need_no_communication():
  config = config_like(batch_size=4)
  learner = search.MaskLearner(
    tiny.loss_fn, None, tiny.SPEC, config.objective()
  )
  program = programs.advance(
    Setup(
      learner=learner,
      plan=Plan.of(config),
      machine=Machine.of(config),
      mesh=parallel.row_mesh(6),
      steps_per_epoch=4,
    )
  )
  rows = config.candidates()
  text = program.compile(
    search.initial_state(rows, tiny.SPEC),
    rows,
    tiny.NETWORK.params,
    {
      "keys": Keys(*jax.random.split(tiny.KEY)),
      "dataset": tiny.DATASET,
      "done": np.int32(0),
      "num_steps": np.int32(1),
    },
  ).as_text()
  assert "num_partitions=6" in text
  for operation in ("all-reduce", "all-gather", "all-to-all", "permute"):
    assert operation not in text


@pytest.fixture(scope="module")
def validated():
  """The search of all six candidates, looked at after every epoch."""
  # A batch size that does not divide the 16 examples.
  return tiny.run(
    config_like(eval_batch_size=6),
    validation=tiny.DATASET,
    metrics_fn=tiny.metrics_fn,
  )


def test_history_has_a_row_per_epoch_and_candidate(validated):
  assert [
    (row["epoch"], row["candidate"], row["step"]) for row in validated.history
  ] == [(e, k, 3 * e) for e in (1, 2, 3) for k in range(6)]
  row = validated.history[4]
  assert row["mask_seed"] == 1
  assert row["learning_rate"] == pytest.approx(0.2)
  assert row["mask_init"] == 0.0
  assert row["penalty"] == pytest.approx(1e-2)
  assert [
    validated.history[index]["beta"] for index in (0, 6, 12)
  ] == pytest.approx([200 ** (step / 8) for step in (2, 5, 8)], rel=1e-5)


def test_last_rows_match_the_merged_network(validated):
  for index, row in enumerate(validated.history[-6:]):
    mask = trees.row(validated.masks, index)
    network = {
      path: jnp.where(mask[path], weights, 0)
      for path, weights in tiny.NETWORK.params.items()
    }
    metrics = tiny.metrics_fn(network, tiny.DATASET)
    for name, values in metrics.items():
      assert row[f"validation/hard/{name}"] == pytest.approx(
        float(values.mean()), rel=1e-4, abs=1e-6
      )
    density = np.mean(np.concatenate([m.ravel() for m in mask.values()]))
    assert row["density"] == pytest.approx(float(density))


def test_soft_mask_is_sharpened_by_the_last_beta(validated):
  row = validated.history[-1]
  logits = trees.row(validated.mask_logits, 5)
  network = {
    path: weights / (1 + jnp.exp(-row["beta"] * logits[path]))
    for path, weights in tiny.NETWORK.params.items()
  }
  assert row["validation/soft/loss"] == pytest.approx(
    float(tiny.loss_fn(network, tiny.DATASET)), rel=1e-4, abs=1e-6
  )


def test_best_has_the_lowest_hard_loss(validated):
  losses = [row["validation/hard/loss"] for row in validated.history[-6:]]
  assert losses[validated.best] == min(losses)
  chex.assert_trees_all_equal(
    validated.mask, trees.row(validated.masks, validated.best)
  )


def test_validation_needs_both_arguments():
  with pytest.raises(UserError, match="validation and metrics_fn together"):
    tiny.run(CONFIG, validation=tiny.DATASET)


def test_batch_larger_than_the_data_set_is_refused():
  with pytest.raises(UserError, match=r"batch_size 17 .*; choose 1 to 16"):
    tiny.run(config_like(batch_size=17))
