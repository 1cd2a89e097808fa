"""An experiment of a few numbers: every data set differs from every other.

The network, its tasks and its problems are made up, all else is the product's:
what the steps store can be computed again by hand from the data that they
should have read.
"""

import dataclasses
import zlib

import jax
import jax.numpy as jnp
import numpy as np

from configs.common.vision import vision_variant
from structcomp_jax.io import layout as paths
from structcomp_jax.pipeline import experiment as experiments
from structcomp_jax.studies.break_it_down.domain import Network

SUBROUTINES = ("inside", "contact")
TASKS = ("base", "inside", "contact", "odd_inside", "odd_contact")
SIZES = {"train": 24, "validation": 10, "test": 14}
STAGES = ("items", "layer_1", "layer_10")
_WIDTHS = (5, 8, 4)


def make_problems(task, split):
  """Returns f32[problems, 4, 5], drawn from the names of task and split."""
  key = np.random.default_rng(zlib.crc32(f"{task} {split}".encode()))
  problems = key.normal(size=(SIZES[split], 4, _WIDTHS[0]))
  # The odd one differs in one feature, another one for every task.
  problems[:, 3, TASKS.index(task)] += 3
  return problems.astype(np.float32)


def init(key):
  """Returns two layers, both with a bias that no mask touches."""
  params = {}
  for stage, inputs, outputs in zip(
    STAGES[1:], _WIDTHS[:-1], _WIDTHS[1:], strict=True
  ):
    key, layer_key = jax.random.split(key)
    kernel = jax.random.normal(layer_key, (inputs, outputs)) * 0.5
    params[stage] = {
      "dense": {"kernel": kernel, "bias": jnp.full(outputs, 0.1)}
    }
  return params


def apply_layers(params, hidden, names):
  """Applies some layers, one after the other."""
  for name in names:
    layer = params[name]["dense"]
    hidden = jnp.tanh(hidden @ layer["kernel"] + layer["bias"])
  return hidden


def apply_from(params, hidden, stage):
  """Applies the layers from `stage` on."""
  return apply_layers(params, hidden, STAGES[max(STAGES.index(stage), 1) :])


def features_before(params, batch, stage):
  """Applies the layers below `stage`."""
  names = STAGES[1 : STAGES.index(stage)]
  return {"hidden": apply_layers(params, batch["items"], names)}


NETWORK = Network(
  init=init,
  embed=lambda params, batch: apply_from(params, batch["items"], STAGES[0]),
  features_before=features_before,
  embed_from=lambda params, batch, stage: apply_from(
    params, batch["hidden"], stage
  ),
  # As if learned elsewhere.
  pretrained=init(jax.random.key(99)),
)


@dataclasses.dataclass(frozen=True, eq=False)
class Toy:
  """See `domain.Domain`."""

  subroutines: tuple[str, ...] = SUBROUTINES
  test_tasks: tuple[str, ...] = TASKS
  stages: tuple[str, ...] = STAGES
  network: Network = NETWORK
  frozen_network: Network = NETWORK

  def dataset_name(self, task):
    return task

  def available(self, task):
    splits = dict(SIZES)
    if task.startswith("odd_"):
      del splits["train"]
    return splits

  def encode(self, problems):
    return {"items": problems}

  def masked_stages(self, masked_from):
    return STAGES[STAGES.index(masked_from) :]


def make_config(**search):
  """Returns a config of few steps; two base networks, two mask seeds."""
  config = vision_variant("inside_contact", "smoke")
  config.seed = 11
  config.base_seeds = (3, 5)
  config.regimes = ("scratch", "pruned", "random_init")
  config.data.num_problems = {"train": 0, "validation": 0, "test": 0}
  config.training.update(
    {
      "num_epochs": 4,
      "batch_size": 5,
      "learning_rate": 0.03,
      "patience": 30,
    }
  )
  config.search.update(
    {
      "num_epochs": 3,
      "batch_size": 6,
      "seeds": (0, 2),
      "grid_seed": 7,
      "learning_rates": (0.3, 0.02),
      "masked_from": ("layer_1", "layer_10"),
      "penalties": (0.001,),
      "init_logits": (0.1,),
      "constant_beta": (),
      **search,
    }
  )
  config.pruning.update(
    {
      "num_epochs": 2,
      "learning_rates": (0.2, 0.05),
      "init_logits": (0.1,),
      "penalties": (0.001,),
      "masked_from": "layer_1",
    }
  )
  config.evaluation.batch_size = 4
  return config


def make_experiment(config, workdir):
  """Returns the experiment, whose data come from `load_problems`."""
  return experiments.Experiment(
    config=config,
    paths=paths.Paths(workdir, config.regimes[0]),
    domain=Toy(),
  )


def load_problems(name, data_dir, split):
  """Stands in for `datasets.load`."""
  del data_dir
  return make_problems(name, split)
