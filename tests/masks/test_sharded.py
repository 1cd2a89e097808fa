"""Mask functions inside the compiled program over candidates and devices."""

import chex
import jax
import jax.numpy as jnp
import pytest

from structcomp_jax import masks
from structcomp_jax.engine import parallel


@pytest.mark.parametrize("name", sorted(masks.RELAXATIONS))
def test_eight_devices_match_one(name, params, spec):
  relaxation = masks.get_relaxation(name)

  def one(row, shared):
    mask_logits = masks.init(spec, row["logit"])
    key = jax.random.fold_in(shared["key"], row["seed"])
    soft = masks.sample(relaxation, mask_logits, beta=2.0, key=key)
    hard = masks.random_like(masks.binarize(soft), key)
    return {
      "soft": masks.merge(shared["params"], soft),
      "hard": masks.merge(shared["params"], hard),
      "disjoint": masks.random_from_complement(hard, key),
      "largest": masks.largest_magnitude(shared["params"], hard),
      "penalty": masks.penalty(relaxation, mask_logits, spec, beta=2.0),
      "iou": masks.total_iou(hard, masks.complement(hard)),
    }

  rows = {"logit": jnp.linspace(-1.0, 1.0, 8), "seed": jnp.arange(8)}
  shared = {"key": jax.random.key(0), "params": params}
  results = [
    parallel.over_rows(one, parallel.row_mesh(8, devices))(rows, shared)
    for devices in (jax.devices(), jax.devices()[:1])
  ]
  # The leaf of infinite weight meets masks of zero: NaN in both.
  chex.assert_trees_all_close(*jax.device_get(results), rtol=1e-5)
