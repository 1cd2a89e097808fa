"""The language experiments, in every size."""

from ml_collections import ConfigDict

from configs.common.break_it_down import break_it_down
from configs.common.variants import choose

_BERT_SMALL = {
  "name": "bert_small",
  "family": "bert",
  # word: one id for each word of the grammar; checkpoint: the tokenizer of
  # the checkpoint.
  "tokenizer": "word",
  # Directory with config.json, weights and tokenizer, or "minilm" for the
  # installed package. Empty: no checkpoint, but a network of the sizes below
  # with the word tokenizer.
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
  """Returns the experiment of the paper with a model, without its name."""
  config = break_it_down()
  config.training.pretrained_learning_rate = 1e-5
  config.search.masked_from = (0, 2, 3)
  config.pruning.masked_from = 0
  config.model = model
  return config


def language_variant(experiment: str, variant: str) -> ConfigDict:
  """Returns one experiment in one of its sizes.

  Args:
    experiment: sv_singular, sv_plural, anaphora_singular or anaphora_plural.
    variant: bert_small (the experiment of Lepori et al. 2023; also ""),
      bert_small_pretrained (needs --config.model.checkpoint=DIR), minilm,
      small (2 CPU cores) or smoke (seconds).

  Raises:
    ValueError: there is no such variant.
  """
  variant = variant or "bert_small"
  model, changes = choose(_VARIANTS, variant)
  config = _language(model)
  config.experiment = experiment
  # Lepori et al. 2023 chose these by the validation loss of a sweep.
  if experiment == "sv_plural":
    config.training.learning_rate = 1e-5
  if experiment.startswith("anaphora"):
    config.training.batch_size = 64
    config.training.pretrained_learning_rate = (
      1e-3 if experiment == "anaphora_singular" else 1e-4
    )
  if experiment == "anaphora_plural":
    config.training.pretrained_batch_size = 32
  config.update(changes)
  if variant == "small" and experiment.startswith("anaphora"):
    # There are a quarter as many problems as for agreement, so four times as
    # many epochs take about as many steps.
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
    # 0.02 x sqrt(512 / 64): one matrix then passes on as strong a signal as in
    # BERT-small. With 0.02 an untrained network this narrow passes on nothing
    # but the embedding of [CLS] and could not serve as a control.
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
      "cuts": {"num_steps": 8, "look_every": 4},
      "runtime": {"vmap_width": 0},
    },
  ),
}
