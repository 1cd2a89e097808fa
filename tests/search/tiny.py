"""The smallest search that has everything: 16 examples, 30 masked weights."""

import jax
import jax.numpy as jnp
import numpy as np

from structcomp_jax import masks, search
from structcomp_jax.models import planted

NETWORK = planted.build(num_bits=1, num_junk_pairs=1, key=jax.random.key(3))
SPEC = masks.select(NETWORK.params, [(".*", "weight")])
DATASET = {"inputs": NETWORK.inputs, "label": NETWORK.distances["first"]}
TWO_TASKS = search.halves(
  DATASET, {**DATASET, "label": NETWORK.distances["second"]}
)
KEY = jax.random.key(7)
# 3 steps an epoch; one example of each epoch is left out.
SETTINGS = {
  "num_epochs": 3,
  "batch_size": 5,
  "penalties": (1e-2,),
}


def loss_fn(params, batch):
  """Mean squared error of the predicted distance."""
  return jnp.mean(metrics_fn(params, batch)["loss"])


def metrics_fn(params, batch):
  """Per-example squared error, and whether rounding gives the label."""
  error = planted.apply(params, batch["inputs"]) - batch["label"]
  return {
    "loss": error**2,
    "accuracy": (jnp.abs(error) < 0.5).astype(jnp.float32),
  }


def run(config, *, params=NETWORK.params, dataset=DATASET, key=KEY, **kwargs):
  """Runs a search on one device, where the test does not say otherwise."""
  kwargs.setdefault("devices", jax.devices()[:1])
  return search.run(loss_fn, params, SPEC, dataset, config, key=key, **kwargs)


def copy(state):
  """Returns the state as NumPy arrays, as a checkpoint would."""
  return jax.tree.map(np.array, state)
