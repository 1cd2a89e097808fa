"""A search that would answer something wrong is refused before it compiles."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import structcomp_jax
from structcomp_jax import masks, search
from structcomp_jax.engine import loop
from structcomp_jax.search import notices
from structcomp_jax.types import UserError
from tests.search import tiny

CONFIG = search.SearchConfig(**tiny.SETTINGS)
NAN = np.full((16, 2), np.nan, np.float32)


@pytest.fixture(autouse=True)
def never_compiles(monkeypatch):
  """What is refused here is refused before the loop begins."""

  def run(job, *, on_call=None):
    raise AssertionError("the search began")

  monkeypatch.setattr(loop, "run", run)


def test_a_search_without_fault_begins():
  with pytest.raises(AssertionError, match="the search began"):
    tiny.run(CONFIG, validation=tiny.DATASET, metrics_fn=tiny.metrics_fn)


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"key": 0}, "key is 0; make one typed key"),
    ({"key": jax.random.PRNGKey(0)}, "key is an array of dtype uint32"),
    ({"devices": []}, "devices is empty; give at least one"),
    ({"dataset": {}}, "dataset has no arrays"),
    ({"dataset": {**tiny.DATASET, "x": NAN[:3]}}, "as many of each"),
    ({"dataset": {**tiny.DATASET, "x": NAN}}, "dataset 'x' is nan in example"),
    (
      {"validation": {**tiny.DATASET, "x": NAN}, "metrics_fn": tiny.metrics_fn},
      "validation 'x' is nan in example 0",
    ),
    (
      {
        "validation": tiny.DATASET,
        "metrics_fn": lambda p, b: {"accuracy": b["label"]},
      },
      "metrics_fn returns 'accuracy' and no 'loss'",
    ),
    ({"validation": tiny.DATASET}, "give validation and metrics_fn together"),
    ({"held": "hidden"}, r"held 'hidden' is one text; give a sequence"),
    ({"params": {**tiny.NETWORK.params, "f": jax.nn.relu}}, "leaf 'f' is a"),
    (
      {"params": {**tiny.NETWORK.params, "rng": jax.random.key(0)}},
      "leaf 'rng' is a random key",
    ),
    ({"params": {"hidden": jnp.ones((2, 2))}}, "spec names leaf 'hidden' of"),
  ],
)
def test_arguments_are_refused(changes, message):
  with pytest.raises(UserError, match=message) as error:
    tiny.run(CONFIG, **changes)
  assert "\n" not in str(error.value)


def test_rules_are_no_spec():
  with pytest.raises(UserError, match="spec is a list, not what"):
    search.run(
      tiny.loss_fn,
      tiny.NETWORK.params,
      [(".*", "weight")],
      tiny.DATASET,
      CONFIG,
      key=tiny.KEY,
    )


def per_example(params, batch):
  return tiny.metrics_fn(params, batch)["loss"]


def test_a_loss_per_example_is_no_loss():
  with pytest.raises(UserError, match=r"shape \(5,\), not one number"):
    search.run(
      per_example, tiny.NETWORK.params, tiny.SPEC, tiny.DATASET, CONFIG,
      key=tiny.KEY,
    )  # fmt: skip


def test_a_data_set_has_no_key_of_its_own():
  config = search.SearchConfig(**tiny.SETTINGS, loss_draws=True)
  dataset = {**tiny.DATASET, "key": np.ones(16)}
  with pytest.raises(UserError, match="a field 'key', which loss_draws adds"):
    tiny.run(config, dataset=dataset)


def test_both_halves_of_a_two_sided_search_are_checked():
  config = search.SearchConfig(**tiny.SETTINGS, two_sided=True)
  with pytest.raises(AssertionError, match="the search began"):
    tiny.run(config, dataset=tiny.TWO_TASKS)
  rest = {**tiny.TWO_TASKS["rest"], "x": NAN}
  with pytest.raises(UserError, match="dataset 'rest/x' is nan in example 0"):
    tiny.run(config, dataset={**tiny.TWO_TASKS, "rest": rest})


@pytest.mark.parametrize(
  ("settings", "num_steps", "said"),
  [
    ({}, 9000, None),
    ({"relaxation": "gumbel_sigmoid"}, 9000, "GumbelSigmoid has no beta"),
    ({"relaxation": "hard_concrete"}, 9000, "HardConcrete has no beta"),
    ({"relaxation": "hard_concrete"}, 10001, None),
    ({"learning_rates": (1e-8, 0.1)}, 9000, "learning_rates 1e-08, 9000 steps"),
  ],
)
def test_steps_too_short_for_the_relaxation_are_noticed(
  settings, num_steps, said
):
  notice = notices.about_settings(search.SearchConfig(**settings), num_steps)
  assert (notice is None) == (said is None)
  if said is not None:
    assert said in notice


def test_parts_of_the_package_are_there_when_asked_for():
  assert structcomp_jax.masks is masks
  with pytest.raises(AttributeError, match="no attribute 'mask'"):
    structcomp_jax.mask  # noqa: B018
