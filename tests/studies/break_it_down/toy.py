"""An experiment of a few numbers: every data set differs from every other.

The network, its tasks and its problems are made up, all else is the product's:
what the steps store can be computed again by hand from the data that they
should have read.
"""

import dataclasses
import zlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from configs.common.vision import vision_variant
from structcomp_jax.models import staged
from structcomp_jax.pipeline.experiment import Experiment
from structcomp_jax.studies.break_it_down.network import Input, OddOneOutNetwork
from structcomp_jax.studies.break_it_down.study import BreakItDown

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


class Layer(nn.Module):
  """A dense layer with a bias that no mask touches."""

  num_outputs: int

  @nn.compact
  def __call__(self, hidden):
    dense = nn.Dense(
      self.num_outputs,
      kernel_init=nn.initializers.normal(0.5),
      bias_init=nn.initializers.constant(0.1),
      name="dense",
    )
    return jnp.tanh(dense(hidden))


class Model(nn.Module):
  """Two layers; see `staged.Staged`. The first stage is what is read."""

  dtype: Any = jnp.float32

  @property
  def stages(self):
    return STAGES

  def setup(self):
    self.layer_1, self.layer_10 = map(Layer, _WIDTHS[1:])

  def __call__(self, inputs):
    return self.layer_10(self.layer_1(inputs["items"]))

  def features_before(self, inputs, stage):
    items = inputs["items"]
    number = staged.index(self, stage)
    return {"hidden": items if number == 1 else self.layer_1(items)}

  def from_stage(self, features, stage):
    hidden = features["hidden"]
    number = staged.index(self, stage)
    return self.layer_10(self.layer_1(hidden) if number == 1 else hidden)


NETWORK = OddOneOutNetwork(
  Model(), inputs=(Input("items", (_WIDTHS[0],), "float32"),)
).in_dtype("float32")
# As if learned elsewhere.
PRETRAINED = NETWORK.init(jax.random.key(99))


@dataclasses.dataclass(frozen=True, eq=False)
class Toy:
  """See `domain.Domain`."""

  subroutines: tuple[str, ...] = SUBROUTINES
  test_tasks: tuple[str, ...] = TASKS
  network: OddOneOutNetwork = NETWORK
  frozen_network: OddOneOutNetwork = NETWORK
  pretrained: Any = None

  def dataset_name(self, task):
    return task

  def available(self, task):
    splits = dict(SIZES)
    if task.startswith("odd_"):
      del splits["train"]
    return splits

  def separation(self):
    return []

  def encode(self, problems):
    return {"items": problems}

  def nonsense(self, place, number):
    """Features change places: another shift for every property."""
    shift = 1 + place + 2 * number
    return lambda problems: self.encode(np.roll(problems, shift, axis=-1))

  def masked_stages(self, masked_from):
    return staged.stages_from(STAGES[1:], masked_from, name="masked_from")


def make_config(**search):
  """Returns a config of few steps; two base networks, two mask seeds."""
  config = vision_variant("inside_contact", "smoke")
  config.seed = 11
  config.base_seeds = (3, 5)
  config.regimes = ("scratch", "pruned", "random_init")
  config.cuts.num_steps = 0
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
      "learning_rates": (0.05, 0.2),
      "init_logits": (0.1,),
      "penalties": (0.001,),
      "masked_from": "layer_1",
    }
  )
  config.evaluation.batch_size = 4
  return config


def make_experiment(config, workdir):
  """Returns the experiment, whose data come from `load_problems`."""
  study = BreakItDown(config, Toy(pretrained=PRETRAINED))
  return Experiment(study, workdir)


def load_problems(name, data_dir, split):
  """Stands in for `datasets.load`."""
  del data_dir
  return make_problems(name, split)
