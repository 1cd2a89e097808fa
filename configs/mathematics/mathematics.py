r"""Modules of DeepMind Mathematics (Csordás et al. 2021).

The network learns easy, medium and hard questions of one module, character by
character. A mask then learns the easy ones alone. Can the weights that it keeps
still do the hard ones? From nothing to the page:

    python -m launch.run --config=configs/mathematics/mathematics.py:small \
      --workdir=DIR

Variants: add_or_sub (also ""), linear_1d, differentiate, sort, collect, as
published (for accelerators); small (two cores, easy sums and differences
alone), smoke (seconds).
"""

from configs.common.are_nets_modular import smoke, with_changes
from configs.common.variants import choose

_TRANSFORMER = {
  "name": "seq2seq_transformer_6x512",
  "family": "seq2seq_transformer",
  "sizes": {
    "hidden_size": 512,
    "num_layers": 6,
    "num_heads": 8,
    "intermediate_size": 2048,
    "dropout": 0.1,
  },
}
_SMALL = {
  "name": "seq2seq_transformer_2x96",
  "family": "seq2seq_transformer",
  "sizes": {
    "hidden_size": 96,
    "num_layers": 2,
    "num_heads": 4,
    "intermediate_size": 256,
    "dropout": 0.0,
  },
}
_TINY = {
  **_SMALL,
  "name": "seq2seq_transformer_1x8",
  "sizes": {
    "hidden_size": 8,
    "num_layers": 1,
    "num_heads": 2,
    "intermediate_size": 16,
    "dropout": 0.1,
  },
}


def _data(question_length, answer_length, levels=("easy", "medium", "hard")):
  """Returns the fields of `data` that other experiments do not have.

  Lengths are in characters, with one for the end.
  """
  return {
    "policy": "generated",
    "levels": levels,
    "question_length": question_length,
    "answer_length": answer_length,
  }


def _published(data, training, search):
  """Returns the changes for one row of the published table."""
  return {
    "base_seeds": (0, 1, 2, 3, 4),
    "data": data,
    "training": {
      "learning_rate": 1e-4,
      "clip_norm": 0.1,
      "warmup_steps": 0,
      "b2": 0.995,
      "epsilon": 1e-9,
      **training,
    },
    "search": {"num_mask_samples": 8, "clip_norm": 0.1, **search},
  }


def _steps(num_steps, batch_size, **others):
  return {"num_steps": num_steps, "batch_size": batch_size, **others}


# {variant: (module, model, changes)}
_VARIANTS = {
  "add_or_sub": (
    "add_or_sub",
    _TRANSFORMER,
    _published(
      _data(72, 24),
      _steps(30_000, 256),
      _steps(30_000, 256, learning_rates=(3e-2,), betas=(2e-5,)),
    ),
  ),
  "linear_1d": (
    "linear_1d",
    _TRANSFORMER,
    _published(
      _data(80, 8),
      _steps(200_000, 512, warmup_steps=5000),
      _steps(50_000, 400, learning_rates=(2e-2,), betas=(1e-6,)),
    ),
  ),
  "differentiate": (
    "differentiate",
    _TRANSFORMER,
    _published(
      _data(161, 31),
      _steps(40_000, 128),
      _steps(40_000, 128, learning_rates=(3e-2,), betas=(1e-5,)),
    ),
  ),
  "sort": (
    "sort",
    _TRANSFORMER,
    _published(
      _data(64, 31),
      _steps(30_000, 256),
      _steps(30_000, 256, learning_rates=(3e-2,), betas=(3e-6,)),
    ),
  ),
  "collect": (
    "collect",
    _TRANSFORMER,
    _published(
      _data(128, 31),
      _steps(200_000, 128, warmup_steps=5000),
      _steps(50_000, 256, learning_rates=(2e-2,), betas=(1e-6,)),
    ),
  ),
  "small": (
    "add_or_sub",
    _SMALL,
    {
      "regimes": ("scratch",),
      "base_seeds": (0,),
      "data": {
        **_data(56, 16, levels=("easy",)),
        "num_problems": {"train": 0, "validation": 500, "test": 1000},
      },
      "training": {
        "num_steps": 10_000,
        "batch_size": 64,
        "learning_rate": 1e-3,
        "warmup_steps": 1000,
        "cooldown_steps": 3000,
        "b2": 0.995,
        "epsilon": 1e-9,
        "keep": "best",
      },
      "search": {
        "num_steps": 1000,
        "batch_size": 64,
        "learning_rates": (3e-2,),
        "betas": (2e-5,),
        "look_every": 250,
      },
      "runtime": {
        "cpu_devices": 2,
        "vmap_width": 1,
        "steps_per_call": 100,
        "checkpoint_seconds": 60.0,
      },
    },
  ),
  "smoke": (
    "add_or_sub",
    _TINY,
    {
      **smoke((2e-5,), num_steps=10),
      "data": {
        **_data(72, 24),
        "num_problems": {"train": 512, "validation": 64, "test": 64},
      },
    },
  ),
}


def get_config(variant: str = ""):
  """Returns the config of one variant.

  Raises:
    ValueError: there is no such variant.
  """
  module, model, changes = choose(_VARIANTS, variant or "add_or_sub")
  return with_changes(f"mathematics_{module}", model, changes)
