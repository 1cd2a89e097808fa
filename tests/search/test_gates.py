"""Searches with gates: units and weights in one mask."""

import functools

import jax
import numpy as np
import pytest

from structcomp_jax import masks, search, trees
from structcomp_jax.evaluation import Variant, evaluate
from structcomp_jax.io import mask_files
from structcomp_jax.masks import gates
from structcomp_jax.models import planted

from . import tiny

NETWORK = planted.build(key=jax.random.key(1))
NEURONS = {"kind": "neurons", "scaled": {"output": 0}, "implied": {"hidden": 1}}
# A planted part is two of these units, of two neurons each.
PARTS = {**NEURONS, "kind": "parts", "num_units": 7}
RULES = {
  "neurons": [("gates/.*", "weight"), (".*", "frozen")],
  "neurons and weights": [
    ("gates/.*", "weight"),
    ("network/hidden", "weight"),
    (".*", "frozen"),
  ],
}
SETTINGS = {
  "continuous_sparsification": {
    "learning_rates": (0.05,),
    "penalties": (3e-3,),
  },
  "gumbel_sigmoid": {
    "init_logits": (1.0,),
    "learning_rates": (0.1,),
    "num_mask_samples": 4,
    "penalties": (1e-3,),
  },
  "hard_concrete": {
    "learning_rates": (0.1,),
    "num_mask_samples": 4,
    "penalties": (3e-3,),
  },
}
LOSS, METRICS = gates.wrap(tiny.loss_fn), gates.wrap(tiny.metrics_fn)
run = functools.partial(
  search.run, LOSS, key=jax.random.key(0), devices=jax.devices()[:1]
)


def with_gates(network=NETWORK, **kind):
  found = gates.find(network.params, **(kind or NEURONS))
  return gates.add(network.params, found)


def data_of(name):
  return {"inputs": NETWORK.inputs, "label": NETWORK.distances[name]}


@pytest.mark.parametrize("relaxation", sorted(SETTINGS))
@pytest.mark.parametrize("rules", sorted(RULES))
def test_search_finds_the_planted_neurons_and_no_others(relaxation, rules):
  gated = with_gates()
  spec = masks.select(gated, RULES[rules])
  config = search.SearchConfig(
    num_epochs=100, **{"relaxation": relaxation, **SETTINGS[relaxation]}
  )
  result = run(gated, spec, data_of("first"), config)
  expanded = gates.expand(result.mask, gated)
  truth = NETWORK.truth["first"]
  np.testing.assert_array_equal(expanded["output"], truth["output"])
  if rules == "neurons and weights":
    assert masks.iou(expanded, truth)["hidden"] >= 0.9
  else:
    np.testing.assert_array_equal(
      expanded["hidden"], np.ones((8, 1), bool) & truth["output"]
    )


def test_units_of_several_neurons_are_cut_as_a_whole():
  gated = with_gates(**PARTS)
  spec = masks.select(gated, RULES["neurons"])
  config = search.SearchConfig(
    num_epochs=60, learning_rates=(0.05,), penalties=(1e-3,)
  )
  mask = run(gated, spec, data_of("second"), config).mask
  assert mask["gates/parts"].tolist() == [False] * 2 + [True] * 2 + [False] * 3


TINY = with_gates(tiny.NETWORK)
TINY_SPEC = masks.select(TINY, RULES["neurons and weights"])


def tiny_run(gated=TINY, dataset=tiny.DATASET, **settings):
  given = {"params_have_rows": settings.pop("params_have_rows", False)}
  config = search.SearchConfig(
    **{**tiny.SETTINGS, "relaxation": "hard_concrete", **settings}
  )
  return run(gated, TINY_SPEC, dataset, config, **given)


def test_many_candidates_are_those_of_single_searches():
  rates = (0.05, 0.2)
  together = tiny_run(seeds=(0, 1), learning_rates=rates)
  alone = [
    tiny_run(seeds=(seed,), learning_rates=(rate,))
    for rate in rates
    for seed in (0, 1)
  ]
  for index, one in enumerate(alone):
    for path, logits in one.mask_logits.items():
      np.testing.assert_allclose(
        together.mask_logits[path][index], logits[0], rtol=1e-5, atol=1e-6
      )
  assert len({str(one.mask_logits["gates/neurons"]) for one in alone}) == 4


def test_every_candidate_may_have_a_network_of_its_own():
  rates, other = (0.05, 0.1), planted.build(1, 1, key=jax.random.key(4))
  networks = [TINY, with_gates(other)]
  together = tiny_run(
    trees.stack(networks), learning_rates=rates, params_have_rows=True
  )
  for index, one in enumerate(networks):
    expected = tiny_run(one, learning_rates=rates[index : index + 1])
    expected = expected.mask_logits
    for path, logits in together.mask_logits.items():
      np.testing.assert_allclose(logits[index], expected[path][0], rtol=1e-5)


def test_halves_of_a_cut_have_the_units_that_the_other_one_lacks():
  gated = with_gates()
  spec = masks.select(gated, RULES["neurons"])
  config = search.SearchConfig(
    two_sided=True, num_epochs=40, learning_rates=(0.05,), penalties=(0.0,)
  )
  data = search.halves(*map(data_of, planted.SUBROUTINES))
  mask = run(
    gated, spec, data, config, validation=data, metrics_fn=METRICS
  ).mask["gates/neurons"]
  assert mask[:8].tolist() == [True] * 4 + [False] * 4


def test_masked_networks_are_tested_with_gates_or_without():
  gated = with_gates()
  spec = masks.select(gated, RULES["neurons"])
  draw = np.random.default_rng(0)
  stacked = {
    leaf.path: draw.random((3, *leaf.mask_shape)) < 0.5 for leaf in spec.leaves
  }
  expanded = jax.vmap(lambda mask: gates.expand(mask, gated))(stacked)
  of_weights = masks.select(NETWORK.params, [(".*", "weight")])
  tasks = {name: data_of(name) for name in planted.SUBROUTINES}

  def test(metrics_fn, params, spec, found):
    variants = {
      inverted: Variant(found, range(3), inverted=inverted)
      for inverted in (False, True)
    }
    tested = evaluate(
      metrics_fn, params, spec, variants, tasks, key=jax.random.key(0)
    )
    kept = [one.kept_weights(spec) for one in variants.values()]
    return tested, kept

  (tested, kept), (expected, wanted) = (
    test(METRICS, gated, spec, stacked),
    test(tiny.metrics_fn, NETWORK.params, of_weights, expanded),
  )
  np.testing.assert_array_equal(kept, wanted)
  jax.tree.map(
    functools.partial(np.testing.assert_allclose, rtol=1e-5), tested, expected
  )
  assert np.std(tested[False]["first"]["loss"]) > 0.01


def test_mask_files_know_networks_with_gates(tmp_path):
  result = tiny_run()
  path = tmp_path / "mask.npz"
  mask_files.save(path, result.mask, fingerprint=trees.fingerprint(TINY))
  mask, _ = mask_files.load_for(path, TINY)
  for name, units in result.mask.items():
    np.testing.assert_array_equal(mask[name], units)
