"""The language experiments, in every size."""

from ml_collections import ConfigDict

from configs.common import choose, published

_BERT_SMALL = {
  "name": "bert_small",
  "family": "bert",
  # word: made from the grammar; checkpoint: the checkpoint's own.
  "tokenizer": "word",
  # Directory with config.json, weights and tokenizer, or "minilm" for the
  # installed package. Empty: the sizes below, word tokenizer.
  "checkpoint": "",
  "sizes": {
    "hidden_size": 512,
    "num_layers": 4,
    "num_heads": 8,
    "intermediate_size": 2048,
    "max_positions": 512,
    "initializer_range": 0.02,
  },
}


def _language(model) -> ConfigDict:
  """Returns the published language experiment with a model, without a name."""
  config = published()
  config.training.pretrained_learning_rate = 1e-5
  config.search.masked_from = (0, 2, 3)
  config.pruning.masked_from = 0
  config.model = model
  return config


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
  model, changes = choose(_VARIANTS, variant)
  config = _language(model)
  config.experiment = experiment
  # Chosen on validation loss in the published base-model sweeps.
  if experiment == "sv_plural":
    config.training.learning_rate = 1e-5
  if experiment.startswith("anaphora"):
    config.training.batch_size = 64
    config.training.pretrained_learning_rate = (
      1e-3 if experiment == "anaphora_singular" else 1e-4
    )
  config.update(changes)
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
_BERT_2X64 = {
  **_BERT_SMALL,
  "name": "bert_2x64",
  "sizes": {
    "hidden_size": 64,
    "num_layers": 2,
    "num_heads": 2,
    "intermediate_size": 256,
    "max_positions": 32,
    # As strong a signal through one matrix as in BERT-small: 0.02 x
    # sqrt(512 / 64). With 0.02 an untrained network this narrow passes nothing
    # on but the embedding of [CLS], and is no control.
    "initializer_range": 0.057,
  },
}
_BERT_1X32 = {
  **_BERT_2X64,
  "name": "bert_1x32",
  "sizes": {
    **_BERT_2X64["sizes"],
    "hidden_size": 32,
    "num_layers": 1,
    "intermediate_size": 64,
  },
}
_CHECKPOINT = {**_BERT_SMALL, "tokenizer": "checkpoint"}

_VARIANTS = {
  "bert_small": (_BERT_SMALL, {}),
  "bert_small_pretrained": (
    _CHECKPOINT,
    {"regimes": ("lm_pretrained", "scratch", "random_init")},
  ),
  "minilm": (
    {**_CHECKPOINT, "name": "minilm", "checkpoint": "minilm"},
    {
      "regimes": ("lm_pretrained", "scratch", "random_init"),
      "search": {"masked_from": (0, 3, 5)},
      "runtime": {"vmap_width": 1, "steps_per_call": 10},
    },
  ),
  "small": (
    _BERT_2X64,
    {
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
  ),
  "smoke": (
    _BERT_1X32,
    {
      "base_seeds": (0,),
      "data": {"num_problems": {"train": 256, "validation": 64, "test": 64}},
      "training": {"num_epochs": 2, "batch_size": 64, "learning_rate": 1e-3},
      "search": {
        **_ONE_SETTING,
        "learning_rates": (1e-1, 1e-2),
        "num_epochs": 2,
        "seeds": (0, 1),
      },
      "runtime": {"vmap_width": 0},
    },
  ),
}
