"""Experiments of a few numbers, whose splits all differ.

The study and its networks are the product's, the problems are made up: what the
steps store can be computed again by hand from what they should have read.
"""

import zlib

import jax
import numpy as np

from configs.arithmetic import add_mul, double_addition
from configs.scan import scan
from structcomp_jax.pipeline import run
from structcomp_jax.pipeline.experiment import Experiment
from structcomp_jax.studies import registry
from structcomp_jax.tasks.images import sources
from structcomp_jax.tasks.scan import splits

SIZES = {"train": 24, "validation": 10, "test": 14}
SEED = 11
BATCH_SIZE = 8
LEARNING_RATE = 0.05
_NUMBERS = {"add_mul": 3, "double_addition": 4}
_CONFIGS = {
  "add_mul": add_mul.get_config,
  "double_addition": double_addition.get_config,
  "scan": scan.get_config,
}
_MLP = {"family": "mlp", "sizes": {"hidden_sizes": (7, 5)}}
_MODELS = {
  "add_mul": _MLP,
  "double_addition": _MLP,
  "scan": {
    "family": "seq2seq_lstm",
    "sizes": {
      "embedding_size": 3,
      "hidden_size": 3,
      "num_layers": 1,
      "dropout": 0.5,
    },
  },
}


def make_problems(name, split):
  """Returns stored problems, drawn from the names of data set and split."""
  builder, _, task = name.partition("/")
  if builder == "scan":
    return splits.make_datasets(task)[split][: SIZES[split]]
  if builder == "images":
    # These come along with the package and are few.
    return sources.digits_splits()[split]
  generator = np.random.default_rng(zlib.crc32(f"{name} {split}".encode()))
  shape = (SIZES[split], _NUMBERS[task])
  problems = generator.integers(0, 100, shape).astype(np.uint8)
  if task == "add_mul":
    # As many sums as products, so that one program serves both.
    problems[:, 2] = generator.permutation(np.arange(len(problems)) % 2)
  return problems


def load_problems(name, data_dir, split):
  """Stands in for `datasets.load`."""
  del data_dir
  return make_problems(name, split)


def make_config(experiment, **changes):
  """Returns a config of few steps.

  Args:
    experiment: its name.
    **changes: top-level fields; of sections, the fields that change.
  """
  config = _CONFIGS[experiment]("smoke")
  config.model = {"name": "toy", **_MODELS[experiment]}
  config.update(
    {
      "seed": SEED,
      "base_seeds": (3, 5),
      "data": {"num_problems": SIZES},
      "training": {
        "num_steps": 6,
        "look_every": 3,
        "batch_size": BATCH_SIZE,
        "learning_rate": 0.01,
      },
      "search": {
        "num_steps": 6,
        "look_every": 3,
        "batch_size": BATCH_SIZE,
        "num_mask_samples": 2,
        "seeds": (0, 2),
        "learning_rates": (LEARNING_RATE,),
        "init_logits": (0.1,),
        "betas": (8e-6, 8e-4),
      },
      "evaluation": {"batch_size": 4},
    }
  )
  config.update(changes)
  return config


def make_experiment(config, workdir):
  """Returns the experiment, whose data come from `load_problems`."""
  return Experiment(
    registry.make_study(config.copy_and_resolve_references()), workdir
  )


def make_double_addition(workdir, **changes):
  """Returns the experiment with networks of all regimes of arithmetic."""
  changes = {"regimes": ("scratch", "copy_weight", "random_init")} | changes
  return make_experiment(make_config("double_addition", **changes), workdir)


def take_steps(work):
  """Takes the steps that compute something; returns the experiment."""
  for step in (run.train, run.search, run.evaluate):
    step(work)
  return work


def purpose_key(*path):
  """Returns the base key folded with all of `path`."""
  key = jax.random.key(SEED)
  for number in path:
    key = jax.random.fold_in(key, number)
  return key
