"""What all experiments of "Are Neural Nets Modular?" share.

All fields are JSON values, and none is computed from another one.
"""

from ml_collections import ConfigDict, FieldReference

from configs.common.runtime import runtime


def are_nets_modular() -> ConfigDict:
  """Returns the settings of Csordás et al. 2021 (arXiv 2010.02066).

  There are 10 base networks, and one mask of each subtask in every one. An
  experiment must still set the model and its `search.betas`.
  """
  return ConfigDict(
    {
      "experiment": "",
      # The first regime is the one in question, the others are compared with
      # it. Choices: scratch; copy_weight (needs scratch; double_addition with a
      # feed-forward network); random_init; of scan also only_jump, only_length,
      # only_turn_left (trained on one split alone, no masks).
      "regimes": ("scratch", "random_init"),
      "base_seeds": (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
      # All random numbers are drawn from this key.
      "seed": 0,
      "data": {
        # published: as in the paper; disjoint (arithmetic): no test input
        # occurs in training.
        "policy": "published",
        # How many problems of a split to use, the first ones; 0: all.
        "num_problems": {"train": 0, "validation": 0, "test": 0},
      },
      "training": {
        "num_steps": 20_000,
        "batch_size": 128,
        "learning_rate": 1e-3,
        "clip_norm": 1.0,
        "with_replacement": True,
        # Steps between two looks at the validation problems.
        "look_every": 1000,
        # Which weights are the result: those of the last step, or the best.
        "keep": "last",
      },
      "search": {
        "num_steps": 20_000,
        "batch_size": 128,
        # A name in masks.RELAXATIONS, or a dict of its name and parameters.
        "relaxation": FieldReference("gumbel_sigmoid", field_type=object),
        "schedule": "constant",
        # Mask samples per batch, each for a chunk of the batch.
        "num_mask_samples": 4,
        # Parts of a batch, one after the other, for its memory; changes nothing
        # but rounding.
        "micro_batches": 1,
        # Dtype of Adam's moments: float32, or bfloat16 to save memory.
        "moments": "float32",
        "data_order": "per_candidate",
        "with_replacement": True,
        "look_every": 1000,
        "clip_norm": 1.0,
        # Over what the norm is taken: reference (with the gradients of frozen
        # weights that pile up, as in the implementation of the paper) or masks.
        "clip_scope": "reference",
        # Mask seeds in every base network.
        "seeds": (0,),
        "learning_rates": (1e-2,),
        "init_logits": (2.0,),
        # Weight of the penalty; divided by training.batch_size it is the loss
        # per logit. Every value is a mask of its own.
        "betas": (1e-4,),
        # The first masked stage, by name or number.
        "masked_from": (0,),
        # Masks begin with the first stage, before which nothing is computed.
        "cache": "off",
        "cache_gigabytes": 4.0,
        "cache_dtype": "float32",
        # float32, or bfloat16 for accelerators.
        "compute_dtype": "float32",
      },
      "evaluation": {
        "batch_size": 256,
      },
      "runtime": runtime(),
    }
  )


def feed_forward(name, *hidden_sizes):
  """Returns the section `model` of a feed-forward network."""
  return {
    "name": name,
    "family": "mlp",
    "sizes": {"hidden_sizes": hidden_sizes},
  }


def smoke(betas, *, num_steps):
  """Returns the changes for a few steps of everything.

  Logits start near the threshold, so that a short search keeps some weights and
  removes others.
  """
  steps = {
    "num_steps": num_steps,
    "look_every": num_steps // 2,
    "batch_size": 32,
  }
  return {
    "base_seeds": (0, 1),
    "data": {"num_problems": {"train": 512, "validation": 64, "test": 64}},
    "training": steps,
    "search": {
      **steps,
      "seeds": (0, 1),
      "init_logits": (0.1,),
      "betas": betas,
    },
    "runtime": {"vmap_width": 0},
  }


def with_changes(experiment, model, changes) -> ConfigDict:
  """Returns the config of an experiment with a model and some changes."""
  config = are_nets_modular()
  config.experiment = experiment
  config.model = model
  config.update(changes)
  return config
