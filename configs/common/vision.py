"""The vision experiments, in every size."""

from ml_collections import ConfigDict

from configs.common import choose, published

_RESNET50 = {
  "name": "resnet50",
  "family": "resnet",
  # Side of the pictures that the network sees. They are drawn with 128.
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
  """Returns the published vision experiment with a model, without a name."""
  config = published()
  config.training.patience = 75
  config.search.masked_from = ("first", "stage_3", "stage_4")
  # The published schedule never reached the head.
  config.search.constant_beta = ("head/.*",)
  config.pruning.masked_from = "first"
  config.model = model
  config.simclr = {
    # The composite tasks to learn from; one run is shared by all networks.
    "tasks": ("inside_contact", "inside_count", "contact_count"),
    "num_epochs": 100,
    # Problems; each gives two pictures, each of these two views.
    "batch_size": 128,
    "learning_rate": 5e-4,
    "tau": 0.07,
  }
  return config


def vision_variant(experiment: str, variant: str) -> ConfigDict:
  """Returns one experiment in one of its sizes.

  Args:
    experiment: inside_contact, inside_count or contact_count.
    variant: resnet50 (the published experiment; also ""), wideresnet50, vit,
      resnet50_simclr, resnet50_pruned, resnet50_random (no training at all),
      resnet50_sweep (the published choice of step and batch size), small (2
      CPU cores), small_simclr, small_pruned or smoke (seconds).

  Raises:
    ValueError: there is no such variant.
  """
  variant = variant or "resnet50"
  model, changes = choose(_VARIANTS, variant)
  config = _vision(model)
  config.experiment = experiment
  # Chosen on validation loss in the published base-model sweeps.
  config.training.update(_PUBLISHED_TRAINING[experiment])
  if model["name"] == "wideresnet50" and experiment == "contact_count":
    config.training.batch_size = 64
  config.update(changes)
  return config


_PUBLISHED_TRAINING = {
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
# Two CPU cores: few maps of few channels, and pictures of half the side whose
# pixels are the darkest of four, which keeps lines of one pixel visible.
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
    # Large, since the search is short.
    "learning_rates": (3e-2,),
    "init_logits": (0.1,),
    # All maskable weights together cost 0.4 and 4 nats; as published 0.3,
    # over 45 times as many epochs. At 3e-6 masks keep 20 % of the weights, at
    # 3e-5 3 % (published: 5 %).
    "penalties": (3e-6, 3e-5),
    "masked_from": ("stage_3",),
    # A head held at beta = 1 is not yet binary when so short a search ends.
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
      # Published for ViT: only this sweep, and no choice from it.
      "training": {"sweep": _SWEEP},
      "pruning": {"masked_from": "layer_0"},
    },
  ),
  "resnet50_simclr": (_RESNET50, {"regimes": ("simclr", "scratch")}),
  "resnet50_pruned": (_RESNET50, {"regimes": ("pruned", "scratch")}),
  "resnet50_random": (_RESNET50, {"regimes": ("random_init",)}),
  "resnet50_sweep": (_RESNET50, {"training": {"sweep": _SWEEP}}),
  "small": (_SMALL, _SMALL_SCALE),
  "small_simclr": (
    _SMALL,
    {**_SMALL_SCALE, "regimes": ("simclr", "scratch", "random_init")},
  ),
  "small_pruned": (_SMALL, {**_SMALL_SCALE, "regimes": ("pruned", "scratch")}),
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
      # Some weights begin on either side of the threshold.
      "pruning": {**_ONE_SETTING, "init_logits": (0.0,), "num_epochs": 2},
      "simclr": {"num_epochs": 2, "batch_size": 16},
      "runtime": {"vmap_width": 0},
    },
  ),
}
