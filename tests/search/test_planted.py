"""The truth test: every relaxation finds the subnetwork that is there."""

import jax
import jax.numpy as jnp
import pytest

from structcomp_jax import masks, search
from structcomp_jax.models import planted

NETWORK = planted.build(key=jax.random.key(1))
SPEC = masks.select(NETWORK.params, [(".*", "weight")])
# Intersection over union of found and true weights, of 12 in 126. Chance is
# 0.05; all weights of both blocks would be 0.5.
MIN_IOU = 0.9
SETTINGS = {
  "continuous_sparsification": {
    "learning_rates": (0.03,),
    "penalties": (5e-3,),
  },
  "gumbel_sigmoid": {
    "init_logits": (2.0,),
    "learning_rates": (0.1,),
    "num_mask_samples": 4,
    "penalties": (1e-3,),
  },
  "hard_concrete": {
    "learning_rates": (0.1,),
    "num_mask_samples": 4,
    "penalties": (1e-2,),
  },
}


def loss_fn(params, batch):
  error = planted.apply(params, batch["inputs"]) - batch["label"]
  return jnp.mean(error**2)


def accuracy(params, subroutine):
  """Returns how often the rounded output is the subroutine's distance."""
  error = planted.apply(params, NETWORK.inputs) - NETWORK.distances[subroutine]
  return float(jnp.mean(jnp.abs(error) < 0.5))


def test_every_relaxation_has_settings():
  assert set(SETTINGS) == set(masks.RELAXATIONS)


@pytest.mark.parametrize("relaxation", sorted(SETTINGS))
@pytest.mark.parametrize(
  ("target", "other"), [planted.SUBROUTINES, planted.SUBROUTINES[::-1]]
)
def test_search_finds_the_planted_subnetwork(relaxation, target, other):
  config = search.SearchConfig(
    num_epochs=100,
    seeds=(0, 1),
    # A row may give parameters of the relaxation, too.
    **{"relaxation": relaxation, **SETTINGS[relaxation]},
  )
  result = search.run(
    loss_fn,
    NETWORK.params,
    SPEC,
    {"inputs": NETWORK.inputs, "label": NETWORK.distances[target]},
    config,
    key=jax.random.key(0),
    devices=jax.devices()[:1],
  )
  overlap = jax.vmap(masks.total_iou, in_axes=(0, None))(
    result.masks, NETWORK.truth[target]
  )
  assert overlap.min() >= MIN_IOU
  subnetwork = masks.merge(NETWORK.params, result.mask)
  ablated = masks.merge(NETWORK.params, masks.complement(result.mask))
  assert accuracy(subnetwork, target) == 1.0
  assert accuracy(subnetwork, other) < 0.5
  assert accuracy(ablated, target) < 0.5
  assert accuracy(ablated, other) == 1.0
