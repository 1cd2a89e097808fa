"""Where masks start, what is held, early stopping, losses that draw."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import masks, search, trees
from structcomp_jax.types import UserError

from . import tiny

CONFIG = search.SearchConfig(
  **tiny.SETTINGS, learning_rates=(0.2,), seeds=(0, 1)
)


def random_logits(seed):
  """Returns logits for every masked leaf of the tiny network."""
  generator = np.random.default_rng(seed)
  return {
    leaf.path: generator.normal(size=leaf.mask_shape).astype(np.float32)
    for leaf in tiny.SPEC.leaves
  }


def states_of(config, **kwargs):
  """Returns the result, and a copy of the state at each look of the host."""
  states = []
  result = tiny.run(
    config, on_call=lambda state, _: states.append(tiny.copy(state)), **kwargs
  )
  return result, states


def test_masks_start_from_the_logits_given():
  start = random_logits(0)
  config = dataclasses.replace(CONFIG, learning_rates=(1e-12,))
  result = tiny.run(config, start=start)
  for path, leaf in start.items():
    for row in np.asarray(result.mask_logits[path]):
      np.testing.assert_allclose(row, leaf, atol=1e-6)


def test_every_candidate_starts_from_logits_of_its_own():
  rows = [random_logits(0), random_logits(1)]
  together = tiny.run(CONFIG, start=trees.stack(rows))
  for index, (seed, start) in enumerate(zip(CONFIG.seeds, rows, strict=True)):
    alone = tiny.run(dataclasses.replace(CONFIG, seeds=(seed,)), start=start)
    chex.assert_trees_all_close(
      trees.row(together.mask_logits, index),
      trees.row(alone.mask_logits, 0),
      rtol=1e-5,
      atol=1e-6,
    )


@pytest.mark.parametrize(
  "change",
  [
    lambda start: {"hidden": start["hidden"]},
    lambda start: start | {"output": start["output"][:1]},
    lambda start: start | {"other": start["output"]},
    lambda start: trees.stack([start] * 3),
  ],
)
def test_logits_that_do_not_fit_are_refused(change):
  with pytest.raises(UserError, match=r"start does not fit .*; give one array"):
    tiny.run(CONFIG, start=change(random_logits(0)))


def test_held_leaves_keep_their_hard_mask():
  start = random_logits(2)
  result = tiny.run(CONFIG, start=start, held=["out.*"])
  for row in np.asarray(result.mask_logits["output"]):
    np.testing.assert_array_equal(row, start["output"])
  assert (np.asarray(result.mask_logits["hidden"]) != start["hidden"]).any()
  # As if the held leaf had been masked for good, and the other one alone.
  cut = tiny.NETWORK.params | {
    "output": tiny.NETWORK.params["output"] * (start["output"] > 0)
  }
  spec = masks.select(cut, [("hidden", "weight"), (".*", "frozen")])
  alone = search.run(
    tiny.loss_fn,
    cut,
    spec,
    tiny.DATASET,
    CONFIG,
    key=tiny.KEY,
    start={"hidden": start["hidden"]},
    devices=jax.devices()[:1],
  )
  np.testing.assert_allclose(
    result.mask_logits["hidden"],
    alone.mask_logits["hidden"],
    rtol=1e-4,
    atol=1e-5,
  )


def test_a_regex_that_holds_nothing_is_refused():
  with pytest.raises(UserError, match="held 'nothing' matches no masked leaf"):
    tiny.run(CONFIG, held=["nothing"])


def test_every_candidate_may_have_a_network_of_its_own():
  networks = [
    jax.tree.map(lambda leaf, factor=factor: factor * leaf, tiny.NETWORK.params)
    for factor in (1.0, 0.5)
  ]
  together = tiny.run(
    CONFIG, params=trees.stack(networks), params_have_rows=True
  )
  for index, (seed, params) in enumerate(
    zip(CONFIG.seeds, networks, strict=True)
  ):
    alone = tiny.run(dataclasses.replace(CONFIG, seeds=(seed,)), params=params)
    chex.assert_trees_all_close(
      trees.row(together.mask_logits, index),
      trees.row(alone.mask_logits, 0),
      rtol=1e-5,
      atol=1e-6,
    )
  spread = tiny.run(
    CONFIG,
    params=trees.stack(networks),
    params_have_rows=True,
    devices=jax.devices()[:2],
  )
  chex.assert_trees_all_close(
    jax.device_get(spread.mask_logits),
    jax.device_get(together.mask_logits),
    rtol=1e-5,
    atol=1e-6,
  )


def patient(**changes):
  """Returns a config with early stopping, and validation that gets worse."""
  return dataclasses.replace(CONFIG, num_epochs=9, patience=2, **changes)


def validation():
  """Returns validation data that wants every weight kept."""
  return {"validation": tiny.DATASET, "metrics_fn": tiny.metrics_fn}


def test_patience_keeps_the_best_logits_and_stops():
  # Large penalties: masks lose weight after weight, and the loss rises.
  config = patient(penalties=(1.0,), init_logits=(0.5,))
  result, states = states_of(config, **validation())
  for index in range(2):
    rows = [row for row in result.history if row["candidate"] == index]
    losses = [row["validation/hard/loss"] for row in rows]
    best = int(np.argmin(losses))
    assert len(rows) == best + 1 + config.patience < 9
    chex.assert_trees_all_equal(
      trees.row(jax.device_get(result.mask_logits), index),
      trees.row(states[best].mask_logits, index),
    )
  losses = [
    min(
      row["validation/hard/loss"]
      for row in result.history
      if row["candidate"] == index
    )
    for index in range(2)
  ]
  assert result.best == int(np.argmin(losses))


def test_a_candidate_whose_patience_ran_out_stands_still():
  """While another one goes on, which no penalty keeps from learning."""
  config = patient(penalties=(1.0, 0.0), init_logits=(0.5,), seeds=(5,))
  result, states = states_of(config, **validation())
  num_looks = [
    sum(row["candidate"] == index for row in result.history) for index in (0, 1)
  ]
  assert num_looks[0] + 1 < num_looks[1] == len(states)
  stopped = states[num_looks[0] - 1]
  for state in states[num_looks[0] :]:
    chex.assert_trees_all_equal(
      trees.row(state.mask_logits, 0), trees.row(stopped.mask_logits, 0)
    )
    assert (
      state.mask_logits["hidden"][1] != stopped.mask_logits["hidden"][1]
    ).any()


def test_patience_goes_on_with_the_same_bits():
  config = patient(penalties=(1.0,), init_logits=(0.5,))
  result, states = states_of(config, **validation())
  again = tiny.run(config, state=states[1], **validation())
  chex.assert_trees_all_equal(again.mask_logits, result.mask_logits)
  assert again.best == result.best


def test_patience_needs_validation():
  with pytest.raises(UserError, match=r"patience 2 needs validation data; "):
    tiny.run(patient())


@pytest.mark.parametrize("num_samples", [1, 2])
def test_a_loss_may_draw(num_samples):
  seen = []

  def loss_fn(params, batch):
    noise = jax.vmap(jax.random.normal)(batch["key"])
    jax.debug.callback(lambda noise: seen.append(np.asarray(noise)), noise)
    return tiny.loss_fn(params, batch | {"label": batch["label"] + noise})

  config = dataclasses.replace(
    CONFIG,
    batch_size=8,
    num_epochs=1,
    num_mask_samples=num_samples,
    loss_draws=True,
    vmap_width=1,
  )

  def run():
    return search.run(
      loss_fn,
      tiny.NETWORK.params,
      tiny.SPEC,
      tiny.DATASET,
      config,
      key=tiny.KEY,
      devices=jax.devices()[:1],
    )

  first = run()
  jax.effects_barrier()
  # Two candidates of two steps of eight examples: no draw is used twice.
  draws = np.concatenate([noise.ravel() for noise in seen])
  assert len(np.unique(draws)) == 2 * 2 * 8
  chex.assert_trees_all_equal(first.mask_logits, run().mask_logits)


@pytest.mark.parametrize(
  ("fields", "message"),
  [
    ({"patience": -1}, "patience -1 must be at least 0"),
    ({"clip_norm": -0.5}, r"clip_norm -0\.5 must be at least 0"),
    ({"num_steps": -1}, "num_steps -1 must be at least 0"),
    ({"look_every": -1}, "look_every -1 must be at least 0"),
    ({"num_epochs": 0}, "num_epochs 0 must be at least 1"),
  ],
)
def test_config_refuses_values_no_search_can_run_with(fields, message):
  with pytest.raises(UserError, match=message):
    search.SearchConfig(**fields)


def test_steps_of_a_chunk_of_examples_are_drawn_from_fewer_than_a_batch():
  """With replacement, a batch may be larger than the data set."""
  config = dataclasses.replace(
    CONFIG, batch_size=32, with_replacement=True, num_steps=3
  )
  result, states = states_of(config)
  assert [int(state.step[0]) for state in states] == [1, 2, 3]
  assert bool(jnp.isfinite(result.mask_logits["hidden"]).all())
