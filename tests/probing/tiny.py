"""The smallest probes that have everything."""

import jax
import jax.numpy as jnp
import numpy as np

from structcomp_jax import masks, probing

KEY = jax.random.key(7)
SITES = ("early", "late")


def split(seed, num_examples=64):
  """Returns examples of 2 classes, whose label is planted at one site.

  Site "late" has the label in column 1, "early" has noise alone and fewer
  columns. Of the eight types none says more of the label than another.
  """
  draw = np.random.default_rng(seed)
  labels = draw.integers(0, 2, num_examples)
  late = draw.normal(size=(num_examples, 3)).astype(np.float32)
  late[:, 1] = 40 + 10 * labels
  early = draw.normal(size=(num_examples, 2)).astype(np.float32)
  return {
    "features": {"early": early, "late": late},
    "labels": labels,
    "types": draw.integers(0, 8, num_examples),
  }


TRAIN, VALIDATION, TEST = split(0), split(1), split(2)
# 4 steps an epoch.
LINEAR = probing.ProbeConfig(num_epochs=6, batch_size=16, learning_rate=0.1)


def run_linear(config=LINEAR, *, splits=(TRAIN, VALIDATION, TEST), **kwargs):
  """Runs probes on one device, where the test does not say otherwise."""
  kwargs.setdefault("devices", jax.devices()[:1])
  kwargs.setdefault("key", KEY)
  return probing.run_linear(*splits, config, **kwargs)


def of_sites(one_split, *sites):
  """Returns a split with some sites alone."""
  features = {site: one_split["features"][site] for site in sites}
  return {**one_split, "features": features}


# A network of which one row of weights carries the label and the other noise.
PARAMS = {
  "hidden": np.diag([1.0, 2.0, 3.0]).astype(np.float32),
  "shift": np.zeros(3, np.float32),
}
SPEC = masks.select(PARAMS, [("hidden", "weight"), ("shift", "frozen")])
# Reads columns 1 and 2 the other way round: the same label, elsewhere.
OTHER = {**PARAMS, "hidden": PARAMS["hidden"][:, [0, 2, 1]]}
SUBNETWORK = probing.SubnetworkConfig(
  num_epochs=8,
  batch_size=16,
  learning_rate=0.1,
  seeds=(3, 4),
  penalties=(0.0, 0.1),
)


def feature_fn(params, batch):
  """Returns f32[batch, 3]."""
  return jnp.dot(batch["x"], params["hidden"]) + params["shift"]


def inputs(one_split):
  """Returns what a network reads, with labels and types."""
  late = one_split["features"]["late"]
  scaled = (late - [0, 45, 0]) / [1, 5, 1]
  return {
    "x": scaled.astype(np.float32),
    "labels": one_split["labels"],
    "types": one_split["types"],
  }


def run_subnetwork(config=SUBNETWORK, **kwargs):
  """Runs masks with probes on one device, unless the test says otherwise."""
  kwargs = {
    "networks": {"plain": PARAMS, "other": OTHER},
    "dataset": inputs(TRAIN),
    "test": inputs(TEST),
    "key": KEY,
    "devices": jax.devices()[:1],
    **kwargs,
  }
  return probing.run_subnetwork(
    kwargs.pop("feature_fn", feature_fn),
    kwargs.pop("networks"),
    SPEC,
    kwargs.pop("dataset"),
    kwargs.pop("test"),
    config,
    **kwargs,
  )


def copy(state):
  """Returns the state as NumPy arrays, as a checkpoint would."""
  return jax.tree.map(np.array, state)
