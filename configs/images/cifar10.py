r"""Pictures: is a class a part of the network? (Csordás et al. 2021)

The network tells ten classes apart. Each mask then learns without one class,
and with the output layer of the control mask: which weights does it drop? From
nothing to the page, with handwritten digits that need no download:

    python -m launch.run --config=configs/images/cifar10.py:digits --workdir=DIR

Variants: no_dropout (also ""), dropout, resnet110 (batch norm), stability and
stability_first_output (two masks of the same two classes), gradients (cosine of
gradients); these read CIFAR-10, which is downloaded, or put into
WORKDIR/data/downloads/manual. On two cores, of digits: digits, digits_dropout,
digits_resnet, digits_stability, digits_stability_first_output; smoke and
smoke_batch_norm (seconds).
"""

from configs.common.are_nets_modular import smoke, with_changes
from configs.common.variants import choose

_CNN = {
  "name": "cnn_4x",
  "family": "cnn",
  "sizes": {"widths": (32, 64, 128, 256), "dropouts": (0.0, 0.0, 0.0, 0.0)},
}
_DROPOUT = {
  **_CNN,
  "name": "cnn_4x_dropout",
  "sizes": {**_CNN["sizes"], "dropouts": (0.0, 0.0, 0.25, 0.5)},
}
_RESNET = {
  "name": "resnet110",
  "family": "resnet",
  "sizes": {
    "block": "basic",
    "stage_sizes": (18, 18, 18),
    "stage_widths": (16, 32, 64),
    "stage_strides": (1, 2, 2),
    "stem_kernel": 3,
    "stem_stride": 1,
    "stem_pool": False,
    "norm": "batch",
  },
}
_DIGITS_CNN = {
  "name": "digits_cnn",
  "family": "cnn",
  "sizes": {"widths": (8, 16, 32), "dropouts": (0.0, 0.0, 0.0)},
}
_DIGITS_DROPOUT = {
  **_DIGITS_CNN,
  "name": "digits_cnn_dropout",
  "sizes": {**_DIGITS_CNN["sizes"], "dropouts": (0.0, 0.25, 0.5)},
}
_DIGITS_RESNET = {
  **_RESNET,
  "name": "digits_resnet8",
  "sizes": {
    **_RESNET["sizes"],
    "stage_sizes": (1, 1, 1),
    "stage_widths": (8, 16, 32),
  },
}


def _data(source, subtasks="remove_class", augment=False):
  return {
    "source": source,
    "subtasks": subtasks,
    # Of subtasks class_pair.
    "num_pairs": 10,
    # Pictures are shifted and mirrored at random, in training and searches.
    "augment": augment,
  }


def _published(**changes):
  """Returns the settings of the network without batch norm."""
  return {
    "data": _data("cifar10"),
    "search": {
      "learning_rates": (1e-3,),
      "betas": (3e-4,),
      # Whose mask of the output layer the masks of subtasks have: off,
      # control, or first (that of the first subtask).
      "hold_output": "control",
    },
    "evaluation": {
      # What batch norms use under a mask: running, also recalibrated.
      "statistics": ("running",),
      # In how many subtasks gradients are compared.
      "num_gradients": 0,
    },
    **changes,
  }


def _merged(first, second):
  """Returns nested settings, the second one's where both have some."""
  return {
    **first,
    **{
      name: _merged(first.get(name, {}), value)
      if isinstance(value, dict)
      else value
      for name, value in second.items()
    },
  }


_BASE = _published()
_RESNET_PUBLISHED = _merged(
  _BASE,
  {
    "data": _data("cifar10_all", augment=True),
    "training": {
      "num_steps": 64_000,
      "optimizer": "sgd",
      "learning_rate": 0.1,
      "momentum": 0.9,
      "weight_decay": 1e-4,
      "drops": (32_000, 48_000),
      "clip_norm": 0.0,
    },
    "search": {
      "num_steps": 30_000,
      "batch_size": 256,
      "learning_rates": (3e-2,),
      "betas": (2e-5,),
    },
    "evaluation": {"statistics": ("running", "recalibrated")},
  },
)
_STABILITY = _merged(
  _BASE,
  {
    "data": _data("cifar10", "class_pair"),
    "search": {"seeds": (0, 1), "hold_output": "off"},
  },
)
# On 1,797 pictures of 8 x 8, fewer and larger steps than on CIFAR-10. Two mask
# seeds tell how far two masks lie apart.
_DIGITS = _merged(
  _BASE,
  {
    "regimes": ("scratch",),
    "base_seeds": (0, 1, 2, 3, 4),
    "data": {"source": "digits"},
    "training": {"num_steps": 1000, "batch_size": 64, "look_every": 200},
    "search": {
      "num_steps": 400,
      "batch_size": 64,
      "look_every": 200,
      "learning_rates": (2e-2,),
      # All logits together cost about what those of the published network do.
      "betas": (7e-3,),
      "seeds": (0, 1),
    },
    "evaluation": {"num_gradients": 1},
    "runtime": {"cpu_devices": 2, "vmap_width": 1},
  },
)
_DIGITS_STABILITY = _merged(
  _DIGITS,
  {
    "data": _data("digits", "class_pair"),
    "search": {"hold_output": "off"},
    "evaluation": {"num_gradients": 0},
  },
)
_RECALIBRATED = {"evaluation": {"statistics": ("running", "recalibrated")}}
_SMOKE = _merged(
  _merged(_DIGITS, smoke((3e-4,), num_steps=4)),
  {
    "regimes": ("scratch", "random_init"),
    "data": {"num_problems": {"train": 0, "validation": 0, "test": 0}},
    "search": {"seeds": (0,), "learning_rates": (0.1,)},
    "runtime": {"cpu_devices": 1, "vmap_width": 1},
  },
)
_FIRST_OUTPUT = {"search": {"hold_output": "first"}}

_VARIANTS = {
  "no_dropout": (_CNN, _BASE),
  "dropout": (_DROPOUT, _BASE),
  "resnet110": (_RESNET, _RESNET_PUBLISHED),
  "stability": (_CNN, _STABILITY),
  "stability_first_output": (_CNN, _merged(_STABILITY, _FIRST_OUTPUT)),
  "gradients": (_CNN, _merged(_BASE, {"evaluation": {"num_gradients": 1}})),
  "digits": (_DIGITS_CNN, _DIGITS),
  "digits_dropout": (_DIGITS_DROPOUT, _DIGITS),
  "digits_resnet": (
    _DIGITS_RESNET,
    _merged(
      _DIGITS,
      {
        "search": {"seeds": (0,)},
        "evaluation": {**_RECALIBRATED["evaluation"], "num_gradients": 0},
      },
    ),
  ),
  "digits_stability": (_DIGITS_CNN, _DIGITS_STABILITY),
  "digits_stability_first_output": (
    _DIGITS_CNN,
    _merged(_DIGITS_STABILITY, _FIRST_OUTPUT),
  ),
  "smoke": (
    {
      **_DIGITS_CNN,
      "name": "digits_cnn_tiny",
      "sizes": {"widths": (3, 4), "dropouts": (0.0, 0.5)},
    },
    _SMOKE,
  ),
  "smoke_batch_norm": (
    {
      **_DIGITS_RESNET,
      "name": "digits_resnet_tiny",
      "sizes": {
        **_DIGITS_RESNET["sizes"],
        "stage_sizes": (1,),
        "stage_widths": (3,),
        "stage_strides": (1,),
      },
    },
    _merged(
      _SMOKE, {"evaluation": {"statistics": ("running", "recalibrated")}}
    ),
  ),
}


def get_config(variant: str = ""):
  """Returns the config of one variant.

  Raises:
    ValueError: there is no such variant.
  """
  return with_changes("cifar10", *choose(_VARIANTS, variant or "no_dropout"))
