"""Weights and masks learned together: what stays, and the same bits again."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import masks, search, trees
from structcomp_jax.search import joint
from structcomp_jax.types import UserError

INPUTS = jax.random.normal(jax.random.key(5), (64, 3))
DATA = {"x": INPUTS, "y": INPUTS @ jnp.array([1.0, -2.0, 0.0])}
SHAPES = {"first": jnp.zeros((3, 4)), "last": jnp.zeros(4)}
SPEC = masks.select(SHAPES, [(".*", "weight")])
CONFIG = search.SearchConfig(
  num_steps=12,
  look_every=4,
  batch_size=8,
  num_mask_samples=2,
  relaxation="gumbel_sigmoid",
  schedule="constant",
  clip_norm=1.0,
  learning_rates=(0.05,),
  penalties=(1e-3,),
  seeds=(0, 1, 2),
)


def metrics_fn(params, batch):
  output = jnp.tanh(batch["x"] @ params["first"]) @ params["last"]
  loss = jnp.square(output - batch["y"])
  return {"loss": loss, "accuracy": loss}


def loss_fn(params, batch):
  return metrics_fn(params, batch)["loss"].mean()


def fixed():
  draws = jax.random.bernoulli(jax.random.key(9), 0.5, (3, 16))
  return {"first": draws[:, :12].reshape(3, 3, 4), "last": draws[:, 12:]}


def start():
  states = []
  for seed in range(3):
    key = jax.random.key(seed)
    params = {
      path: 0.5 * jax.random.normal(key, leaf.shape)
      for path, leaf in SHAPES.items()
    }
    logits = {path: jnp.full(leaf.shape, 1.0) for path, leaf in SHAPES.items()}
    states.append(joint.start(params, logits))
  return trees.stack(states)


def run(state=None, config=CONFIG, **more):
  final = joint.run_together(
    loss_fn,
    metrics_fn,
    start() if state is None else state,
    SPEC,
    DATA,
    DATA,
    config,
    fixed=fixed(),
    rows=CONFIG.candidates(),
    key=jax.random.key(3),
    **more,
  )
  return jax.device_get(final)


@pytest.fixture(scope="module")
def final():
  return run()


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"micro_batches": 2}, "micro_batches 2 has no gradient of the weights"),
    ({"moments": "bfloat16"}, "moments bfloat16 are not kept so for weights"),
  ],
)
def test_what_is_for_masks_alone_is_refused(changes, message):
  with pytest.raises(UserError, match=message):
    run(config=dataclasses.replace(CONFIG, **changes))


def test_weights_that_stay_have_their_bits_and_others_move(final):
  before, stays = jax.device_get(start().params), jax.device_get(fixed())
  for path, leaf in final.params.items():
    same = leaf == before[path]
    np.testing.assert_array_equal(same, stays[path])


def test_masks_of_all_weights_are_learned(final):
  for leaf in final.mask_logits.values():
    assert (leaf != 1.0).all()


def test_a_run_that_was_stopped_ends_with_the_same_bits(final):
  seen = []
  run(on_call=lambda state, rows: seen.append(jax.device_get(state)))
  middle = next(state for state in seen if state.step[0] == 4)
  again = run(state=jax.tree.map(jnp.asarray, middle))
  jax.tree.map(np.testing.assert_array_equal, again, final)


def test_any_number_of_devices_finds_the_same(final):
  one = run(devices=jax.devices()[:1])
  assert len(jax.devices()) == 8
  for name in ("params", "mask_logits"):
    jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
      getattr(one, name),
      getattr(final, name),
    )


def test_the_first_step_by_hand():
  """Adam's first step is the step size, against the sign of the gradient."""
  state, stays = start(), fixed()
  found = run(config=search.SearchConfig(**{
    **{f: getattr(CONFIG, f) for f in (
      "batch_size", "num_mask_samples", "relaxation", "schedule", "clip_norm",
      "learning_rates", "penalties", "seeds")},
    "num_steps": 1, "look_every": 1,
  }))  # fmt: skip
  before = jax.device_get(start().params)
  for path, leaf in found.params.items():
    moved = np.abs(leaf - before[path])
    free = ~np.asarray(stays[path])
    # A weight whose mask is 0 in both samples has no gradient.
    assert ((moved < 1e-8) | (np.abs(moved - 0.05) < 1e-3)).all()
    assert moved[free].max() > 0.04
    assert not moved[~free].any()
  del state


def test_the_mask_earns_its_keep(final):
  """Rows have other seeds, and so other weights and masks."""
  first, second = (trees.row(final.mask_logits, row) for row in (0, 1))
  assert any((first[path] != second[path]).any() for path in first)
