"""A relaxation decides what its hard mask is, wherever a search needs one."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import masks, search, trees
from structcomp_jax.types import UserError

from . import tiny

# Of the 24 and the 6 units of the two leaves.
KEEP = 5
CONFIG = search.SearchConfig(
  num_epochs=2,
  batch_size=5,
  seeds=(0, 1),
  learning_rates=(0.01, 0.2),
  max_beta=1.0,
)
VALIDATION = {"validation": tiny.DATASET, "metrics_fn": tiny.metrics_fn}


@dataclasses.dataclass(frozen=True)
class Largest(masks.Relaxation):
  """Keeps the `keep` largest logits of a leaf."""

  keep: int = 1

  def __post_init__(self):
    self._check("keep", above=0, below=7)

  def sample(self, logits, *, beta, key):
    del key
    return jax.nn.sigmoid(beta * logits)

  def expected_size(self, logits, *, beta):
    del beta
    return self.harden(logits).astype(jnp.float32)

  def harden(self, logits):
    order = jnp.argsort(-logits.ravel())
    ranks = jnp.argsort(order)
    return (ranks < self.keep).reshape(logits.shape)


@pytest.fixture(autouse=True)
def largest(monkeypatch):
  """Makes the relaxation known by its name."""
  monkeypatch.setitem(masks.RELAXATIONS, "largest", Largest)


def config_of(**changes):
  """Returns a config as a file gives it."""
  return dataclasses.replace(
    CONFIG, relaxation={"name": "largest", "keep": KEEP}, **changes
  )


def random_logits():
  """Returns logits that stay below zero: cut there, a mask keeps nothing."""
  generator = np.random.default_rng(0)
  return {
    leaf.path: -4 - generator.random(leaf.mask_shape, np.float32)
    for leaf in tiny.SPEC.leaves
  }


def kept_of(logits):
  """Returns the mask of the largest logits of one leaf, in NumPy."""
  return logits >= np.sort(logits, axis=None)[-KEEP]


def loss_of(mask):
  """Returns the loss of a masked network on all examples."""
  masked = {path: tiny.NETWORK.params[path] * mask[path] for path in mask}
  return float(tiny.loss_fn(masked, tiny.DATASET))


@pytest.mark.parametrize("patience", [0, 1])
def test_the_mask_of_every_candidate_is_that_of_the_relaxation(patience):
  result = tiny.run(
    config_of(patience=patience), start=random_logits(), **VALIDATION
  )
  for path, logits in jax.device_get(result.mask_logits).items():
    assert logits.max() < 0
    mask = np.asarray(result.masks[path])
    assert mask.dtype == bool
    for row in range(4):
      np.testing.assert_array_equal(mask[row], kept_of(logits[row]))
      assert mask[row].sum() == KEEP


def test_history_is_that_of_the_hard_mask_of_the_relaxation():
  result = tiny.run(config_of(), start=random_logits(), **VALIDATION)
  nothing = loss_of({path: np.zeros(()) for path in tiny.SPEC.paths})
  last = result.history[-4:]
  for row in last:
    mask = trees.row(jax.device_get(result.masks), row["candidate"])
    assert row["density"] == pytest.approx(2 * KEEP / 30)
    assert row["train/size"] == pytest.approx(2 * KEEP)
    assert row["validation/hard/loss"] == pytest.approx(loss_of(mask), rel=1e-5)
    assert row["validation/hard/loss"] != pytest.approx(nothing, rel=1e-4)
  losses = [row["validation/hard/loss"] for row in last]
  assert result.best == int(np.argmin(losses))


def test_candidates_split_over_devices_have_the_same_masks():
  config = config_of()
  one, two = (
    tiny.run(config, start=random_logits(), devices=jax.devices()[:number])
    for number in (1, 2)
  )
  for path, mask in one.masks.items():
    np.testing.assert_array_equal(mask, two.masks[path])


def test_a_held_leaf_has_the_hard_mask_of_the_relaxation():
  start = random_logits()
  result = tiny.run(
    config_of(batch_size=16, learning_rates=(1e-12,)),
    start=start,
    held=["output"],
  )
  soft = {
    "hidden": 1 / (1 + np.exp(-start["hidden"])),
    "output": kept_of(start["output"]),
  }
  for row in result.history:
    assert row["train/loss"] == pytest.approx(loss_of(soft), rel=1e-5)


def test_configs_are_equal_where_relaxations_are():
  config = config_of()
  assert config.relaxation == Largest(KEEP)
  same = dataclasses.replace(CONFIG, relaxation=Largest(KEEP))
  assert config == same
  assert hash(config) == hash(same)
  assert config.objective() == same.objective()
  assert search.SearchConfig.of(config) == config
  other = dataclasses.replace(CONFIG, relaxation={"name": "largest"})
  assert other.objective() != config.objective()
  named = {"name": "continuous_sparsification"}
  assert dataclasses.replace(CONFIG, relaxation=named) == CONFIG


def test_a_search_of_another_parameter_is_another_program():
  few = tiny.run(config_of(), start=random_logits())
  more = tiny.run(
    dataclasses.replace(CONFIG, relaxation=Largest(KEEP + 1)),
    start=random_logits(),
  )
  assert few.history[-1]["density"] == pytest.approx(2 * KEEP / 30)
  assert more.history[-1]["density"] == pytest.approx(2 * (KEEP + 1) / 30)


@pytest.mark.parametrize(
  ("relaxation", "message"),
  [
    ({"name": "largest", "keep": 0}, "keep 0 must be .* above 0 and below 7$"),
    ({"name": "largest", "top": 3}, "'top'; its parameters are keep"),
    ({"keep": 3}, "unknown relaxation {'keep': 3}; use one of"),
  ],
)
def test_bad_parameters_are_refused(relaxation, message):
  with pytest.raises(UserError, match=message):
    search.SearchConfig(relaxation=relaxation)
