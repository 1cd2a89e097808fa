"""Fields shared by all experiment configs; JSON values only, none derived."""

from ml_collections import ConfigDict


def language() -> ConfigDict:
  """Returns the published language experiment, without its name.

  Lepori et al. 2023, appendix: BERT-small from scratch, 3 base networks, 24
  mask settings per network and subroutine, 3 mask seeds for the chosen one.
  """
  return ConfigDict(
    {
      "experiment": "",
      # The first is the network in question, the others stand beside it:
      # scratch, lm_pretrained or random_init.
      "regimes": ("scratch", "random_init"),
      "base_seeds": (0, 1, 2),
      # Base key of everything that is drawn.
      "seed": 0,
      "data": {
        # published or disjoint; see docs/differences.md.
        "policy": "published",
        # The first so many problems of a split; 0: all.
        "num_problems": {"train": 0, "validation": 0, "test": 0},
      },
      "model": {
        "name": "bert_small",
        # word: made from the grammar; checkpoint: the checkpoint's own.
        "tokenizer": "word",
        # Directory with config.json, weights and tokenizer, or "minilm" for
        # the installed package. Empty: the sizes below, word tokenizer.
        "checkpoint": "",
        "hidden_size": 512,
        "num_layers": 4,
        "num_heads": 8,
        "intermediate_size": 2048,
        "max_positions": 512,
        "initializer_range": 0.02,
      },
      "training": {
        "num_epochs": 100,
        "batch_size": 32,
        "learning_rate": 1e-4,
        # Of base networks that start from a checkpoint; 0: as above.
        "pretrained_learning_rate": 1e-5,
        "patience": 30,
      },
      "search": {
        "num_epochs": 90,
        "batch_size": 64,
        "relaxation": "continuous_sparsification",
        "schedule": "geometric",
        "max_beta": 200.0,
        # Regexes of leaves held at beta = 1 (published: the vision head).
        "constant_beta": (),
        "num_mask_samples": 1,
        "data_order": "per_candidate",
        # weight: one logit per weight; neuron: one per output neuron.
        "unit": "weight",
        # Mask seeds of the chosen setting.
        "seeds": (0, 1, 2),
        # The grid; its settings are tried with grid_seed and one is selected
        # on validation data. A grid of one setting needs no selection.
        "learning_rates": (1e-2, 1e-4),
        "init_logits": (0.1, 0.05, 0.0, -0.05),
        "penalties": (1e-8,),
        # First masked layer; each value is a search of its own.
        "masked_from": (0, 2, 3),
        "grid_seed": 0,
        # own_task, or published (prefers masks whose ablation hurts).
        "selection": "own_task",
      },
      "evaluation": {
        "batch_size": 256,
        # A base network below this test accuracy counts as failed.
        "failed_below": 0.9,
      },
      # What does not change a result beyond rounding; may differ between two
      # launches in one work directory.
      "runtime": {
        # TFDS directory; empty: WORKDIR/data.
        "data_dir": "",
        # Devices that JAX makes of a CPU; candidates are split over them. As
        # many as mask seeds is fastest for small networks: every device
        # computes a candidate of its own, and no matmul waits for the others.
        "cpu_devices": 1,
        # Steps between two looks of the host; 0: one epoch.
        "steps_per_call": 0,
        # Candidates computed at once on a device; 0: all.
        "vmap_width": 0,
        "checkpoint_seconds": 20.0,
      },
    }
  )


def language_variant(experiment: str, variant: str) -> ConfigDict:
  """Returns one experiment in one of its sizes.

  Args:
    experiment: sv_singular, sv_plural, anaphora_singular or anaphora_plural.
    variant: bert_small (the published experiment; also ""),
      bert_small_pretrained (needs --config.model.checkpoint=DIR), minilm,
      small (2 CPU cores) or smoke (seconds).

  Raises:
    ValueError: there is no such variant.
  """
  variant = variant or "bert_small"
  if variant not in _VARIANTS:
    raise ValueError(
      f"unknown variant {variant!r}; choose one of {', '.join(_VARIANTS)}"
    )
  config = language()
  config.experiment = experiment
  # Chosen on validation loss in the published base-model sweeps.
  if experiment == "sv_plural":
    config.training.learning_rate = 1e-5
  if experiment.startswith("anaphora"):
    config.training.batch_size = 64
    config.training.pretrained_learning_rate = (
      1e-3 if experiment == "anaphora_singular" else 1e-4
    )
  config.update(_VARIANTS[variant])
  if variant == "small" and experiment.startswith("anaphora"):
    # A quarter of the problems: about as many steps as for agreement.
    config.training.num_epochs = 20
    config.search.num_epochs = 8
  return config


_ONE_SETTING = {
  "learning_rates": (1e-2,),
  "init_logits": (0.1,),
  "masked_from": (0,),
}
_SMALL_MODEL = {
  "name": "bert_2x64",
  "hidden_size": 64,
  "num_layers": 2,
  "num_heads": 2,
  "intermediate_size": 256,
  "max_positions": 32,
  # As strong a signal through one matrix as in BERT-small: 0.02 x
  # sqrt(512 / 64). With 0.02 an untrained network this narrow passes nothing
  # on but the embedding of [CLS], and is no control.
  "initializer_range": 0.057,
}

_VARIANTS = {
  "bert_small": {},
  "bert_small_pretrained": {
    "regimes": ("lm_pretrained", "scratch", "random_init"),
    "model": {"tokenizer": "checkpoint"},
  },
  "minilm": {
    "regimes": ("lm_pretrained", "scratch", "random_init"),
    "model": {
      "name": "minilm",
      "tokenizer": "checkpoint",
      "checkpoint": "minilm",
    },
    "search": {"masked_from": (0, 3, 5)},
    "runtime": {"vmap_width": 1, "steps_per_call": 10},
  },
  "small": {
    "model": _SMALL_MODEL,
    "training": {"num_epochs": 5, "batch_size": 32, "learning_rate": 1e-3},
    "search": {
      **_ONE_SETTING,
      "num_epochs": 2,
      "batch_size": 32,
      # The published penalty of a weight, and the one at which all weights
      # together cost as much as in BERT-small (1e-8 x 12.8 M weights).
      # Untrained networks lose every weight at the second.
      "penalties": (1e-8, 1.3e-6),
    },
    "evaluation": {"batch_size": 64},
    "runtime": {"cpu_devices": 3, "vmap_width": 1},
  },
  "smoke": {
    "base_seeds": (0,),
    "data": {"num_problems": {"train": 256, "validation": 64, "test": 64}},
    "model": {**_SMALL_MODEL, "name": "bert_1x32", "hidden_size": 32,
              "num_layers": 1, "intermediate_size": 64},
    "training": {"num_epochs": 2, "batch_size": 64, "learning_rate": 1e-3},
    "search": {
      **_ONE_SETTING,
      "learning_rates": (1e-1, 1e-2),
      "num_epochs": 2,
      "seeds": (0, 1),
    },
  },
}  # fmt: skip
