"""The vision experiments, in every size."""

from ml_collections import ConfigDict

from configs.common.break_it_down import break_it_down
from configs.common.variants import choose

_RESNET50 = {
  "name": "resnet50",
  "family": "resnet",
  # Side of the pictures that the network sees, in pixels; stored pictures have
  # a side of 128.
  "image_size": 128,
  "resize": "area",
  "sizes": {
    "block": "bottleneck",
    "stage_sizes": (3, 4, 6, 3),
    "stage_widths": (64, 128, 256, 512),
    "stage_strides": (1, 2, 2, 2),
    "inner_factor": 1,
    "stem_kernel": 7,
    "stem_stride": 2,
    "stem_pool": True,
    "head_sizes": (2048, 128),
  },
}
_VIT = {
  "name": "vit",
  "family": "vit",
  "image_size": 128,
  "resize": "area",
  "sizes": {
    "patch_size": 16,
    "hidden_size": 768,
    "num_layers": 12,
    "num_heads": 12,
    "intermediate_size": 3072,
    "head_sizes": (2048, 128),
  },
}


def _vision(model) -> ConfigDict:
  """Returns the experiment with one of the models, without its name."""
  config = break_it_down()
  config.training.patience = 75
  config.search.masked_from = ("first", "stage_3", "stage_4")
  # The stage that masks of small networks begin with. Where all stages are cut,
  # halves are found later, see docs/design/cuts.md.
  config.cuts.masked_from = ("stage_3",)
  # The schedule of Lepori et al. 2023 did not reach the head: its beta was 1.
  config.search.constant_beta = ("head/.*",)
  config.pruning.masked_from = "first"
  config.model = model
  config.simclr = {
    # The networks of all experiments start from one pretraining, which learns
    # from the composite tasks of these experiments.
    "tasks": ("inside_contact", "inside_count", "contact_count"),
    "num_epochs": 100,
    # In problems. Each gives two pictures, and each picture two views.
    "batch_size": 128,
    "learning_rate": 5e-4,
    "tau": 0.07,
  }
  return config


def vision_variant(experiment: str, variant: str) -> ConfigDict:
  """Returns one experiment in one of its sizes.

  Args:
    experiment: inside_contact, inside_count or contact_count.
    variant: resnet50 (the experiment of Lepori et al. 2023; also ""),
      wideresnet50, vit, resnet50_simclr, resnet50_pruned, resnet50_random (no
      training at all), resnet50_sweep (chooses learning rate and batch size as
      they did), small (2 CPU cores), small_simclr, small_pruned or smoke
      (seconds).

  Raises:
    ValueError: there is no such variant.
  """
  variant = variant or "resnet50"
  model, changes = choose(_VARIANTS, variant)
  config = _vision(model)
  config.experiment = experiment
  config.training.update(_CHOSEN_TRAINING[experiment])
  if model["name"] == "wideresnet50" and experiment == "contact_count":
    config.training.batch_size = 64
  config.update(changes)
  return config


# Lepori et al. 2023 chose these by the validation loss of a sweep.
_CHOSEN_TRAINING = {
  "inside_contact": {"learning_rate": 1e-4},
  "inside_count": {"learning_rate": 1e-3, "pretrained_batch_size": 64},
  "contact_count": {
    "learning_rate": 1e-3,
    "pretrained_learning_rate": 1e-4,
    "pretrained_batch_size": 64,
  },
}
_SWEEP = {
  "learning_rates": (1e-2, 1e-3, 1e-4, 1e-5),
  "batch_sizes": (32, 64),
}
_WIDERESNET50 = {
  **_RESNET50,
  "name": "wideresnet50",
  "sizes": {**_RESNET50["sizes"], "inner_factor": 2},
}
# For two CPU cores. Pictures have half the side; each pixel is the darkest of
# four, which keeps lines of one pixel visible.
_SMALL = {
  **_RESNET50,
  "name": "resnet_small",
  "image_size": 64,
  "resize": "darkest",
  "sizes": {
    **_RESNET50["sizes"],
    "block": "basic",
    "stage_sizes": (1, 1, 1, 1),
    "stage_widths": (32, 32, 64, 64),
    "stage_strides": (1, 2, 2, 1),
    "stem_kernel": 7,
    "stem_stride": 4,
    "stem_pool": False,
    "head_sizes": (128, 64),
  },
}
_SMOKE = {
  **_SMALL,
  "name": "resnet_smoke",
  "image_size": 32,
  "sizes": {
    **_SMALL["sizes"],
    "stage_sizes": (1, 1),
    "stage_widths": (8, 16),
    "stage_strides": (1, 2),
    "head_sizes": (16, 8),
  },
}
_ONE_SETTING = {
  "learning_rates": (1e-2,),
  "init_logits": (0.1,),
}
_SMALL_SCALE = {
  "training": {"num_epochs": 16, "learning_rate": 1e-3},
  "search": {
    "num_epochs": 2,
    "batch_size": 32,
    # Larger than in the full experiment, since the search is shorter.
    "learning_rates": (3e-2,),
    "init_logits": (0.1,),
    # All maskable weights together cost 0.4 and 4 nats. In Lepori et al. 2023
    # they cost 0.3 nats, over 45 times as many epochs. Masks keep 20 % of the
    # weights at 3e-6 and 3 % at 3e-5; theirs kept 5 %.
    "penalties": (3e-6, 3e-5),
    "masked_from": ("stage_3",),
    # Held at beta = 1, the masks of the head would not yet be binary at the end
    # of so short a search.
    "constant_beta": (),
  },
  "pruning": {
    "num_epochs": 2,
    "learning_rates": (3e-2,),
    "init_logits": (0.1,),
    "penalties": (3e-6, 3e-5),
  },
  "simclr": {"num_epochs": 10, "batch_size": 64},
  "evaluation": {"batch_size": 64},
  "runtime": {"cpu_devices": 3, "vmap_width": 1},
}

_VARIANTS = {
  "resnet50": (_RESNET50, {}),
  "wideresnet50": (_WIDERESNET50, {}),
  "vit": (
    _VIT,
    {
      "search": {"masked_from": ("layer_0", "layer_6", "layer_9")},
      # Lepori et al. 2023 released this sweep of ViTs, and no choice from it.
      "training": {"sweep": _SWEEP},
      "cuts": {"masked_from": ("layer_6",)},
      "pruning": {"masked_from": "layer_0"},
    },
  ),
  "resnet50_simclr": (
    _RESNET50,
    {"regimes": ("simclr", "scratch", "random_init")},
  ),
  "resnet50_pruned": (
    _RESNET50,
    {"regimes": ("pruned", "scratch", "random_init")},
  ),
  "resnet50_random": (_RESNET50, {"regimes": ("random_init",)}),
  "resnet50_sweep": (_RESNET50, {"training": {"sweep": _SWEEP}}),
  "small": (_SMALL, _SMALL_SCALE),
  "small_simclr": (
    _SMALL,
    {**_SMALL_SCALE, "regimes": ("simclr", "scratch", "random_init")},
  ),
  "small_pruned": (
    _SMALL,
    {**_SMALL_SCALE, "regimes": ("pruned", "scratch", "random_init")},
  ),
  "smoke": (
    _SMOKE,
    {
      "base_seeds": (0,),
      "data": {"num_problems": {"train": 64, "validation": 16, "test": 16}},
      "training": {"num_epochs": 2, "batch_size": 16},
      "search": {
        **_ONE_SETTING,
        "masked_from": ("stage_2",),
        "num_epochs": 2,
        "batch_size": 16,
        "seeds": (0, 1),
      },
      # Logits start at the threshold, so that a short search keeps some weights
      # and removes others.
      "pruning": {**_ONE_SETTING, "init_logits": (0.0,), "num_epochs": 2},
      "cuts": {
        "num_steps": 8,
        "look_every": 4,
        "batch_size": 16,
        "masked_from": ("stage_2",),
      },
      "simclr": {"num_epochs": 2, "batch_size": 16},
      "runtime": {"vmap_width": 0},
    },
  ),
}
