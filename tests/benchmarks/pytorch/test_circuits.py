"""NeuroSurgeon is driven with our settings, batches and weights."""

import dataclasses

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("NeuroSurgeon")

from benchmarks import mask_agreement, neurosurgeon
from benchmarks.frozen_networks import CASES
from benchmarks.pytorch.circuits import Circuit
from structcomp_jax import trees

_SETTINGS = {"num_epochs": 2, "batch_size": 256, "learning_rates": (0.1,)}


@pytest.fixture(scope="module")
def case():
  full = CASES["perceptron"]()
  return dataclasses.replace(
    full,
    settings={
      name: {**settings, **_SETTINGS}
      for name, settings in full.settings.items()
    },
  )


def test_soft_masks_become_ours_with_the_same_batches(case):
  kind = "continuous_sparsification"
  found = neurosurgeon.learn_and_test(case, kind, (0, 1))
  ours, theirs = found["masks"].values()
  overlaps = mask_agreement.overlaps(ours, theirs)
  assert mask_agreement.agreement(overlaps)["same"] > 0.99
  assert found["loss_gap"] < 1e-5


@pytest.mark.parametrize("kind", CASES["perceptron"]().settings)
def test_logits_begin_as_ours(case, kind):
  logits = Circuit(case, kind, 8, seed=0).model.parameters()
  learned = [one for one in logits if one.requires_grad]
  assert sum(one.numel() for one in learned) == case.spec.num_weights
  for one in learned:
    np.testing.assert_allclose(one.detach().numpy(), 0.1, rtol=1e-5)


def test_base_weights_stay(case):
  circuit = Circuit(case, "hard_concrete", 8, seed=0)
  circuit.run(np.arange(8 * 256).reshape(8, 256) % 1024)
  layers = circuit.model.wrapped_model
  kernel = case.params["hidden_0"]["kernel"]
  np.testing.assert_array_equal(
    layers.hidden_0.weight.detach().numpy().T, kernel
  )


def test_the_orders_of_a_search_are_those_that_it_uses(case):
  config = case.config("hard_concrete", (0, 1))
  steps = neurosurgeon.search_steps(
    case.loss_fn, case.params, case.spec, case.train, config
  )
  orders = [neurosurgeon._order(steps, case, seed) for seed in (0, 1)]
  assert orders[0].shape == (8, 256)
  assert (orders[0] != orders[1]).any()
  for epoch in np.split(orders[0], 2):
    assert sorted(epoch.ravel()) == list(range(trees.num_rows(case.train)))
