r"""SCAN: commands in simple English become actions (Csordás et al. 2021).

The network learns all commands. Masks then learn without a part of them: new
commands with "jump", the longest ones, new ones with "turn left". Can the
weights that a mask keeps still do what was left out? From nothing to the page:

    python -m launch.run --config=configs/scan/scan.py:small --workdir=DIR

Variants: lstm (also ""), transformer; lstm_split_only and
transformer_split_only (networks trained without those commands); lstm_reduced
(one layer, two networks, fewer steps, for two cores), small (two cores), smoke
(seconds).
"""

from configs.common.are_nets_modular import smoke, with_changes
from configs.common.variants import choose

_LSTM = {
  "name": "seq2seq_lstm_2x200",
  "family": "seq2seq_lstm",
  "sizes": {
    "embedding_size": 16,
    "hidden_size": 200,
    "num_layers": 2,
    "dropout": 0.5,
  },
}
_ONE_LAYER = {
  **_LSTM,
  "name": "seq2seq_lstm_1x200",
  "sizes": {**_LSTM["sizes"], "num_layers": 1},
}
_TRANSFORMER = {
  "name": "seq2seq_transformer_3x100",
  "family": "seq2seq_transformer",
  "sizes": {
    "hidden_size": 100,
    "num_layers": 3,
    "num_heads": 4,
    "intermediate_size": 200,
    "dropout": 0.1,
  },
}
_TRAINING = {"num_steps": 25_000, "batch_size": 256, "clip_norm": 5.0}
_SEARCH = {**_TRAINING, "betas": (3e-5,)}
_PUBLISHED = {"training": _TRAINING, "search": _SEARCH}
_TRANSFORMER_PUBLISHED = {
  "training": _TRAINING,
  "search": {**_SEARCH, "betas": (6e-4,)},
}
_SPLIT_ONLY = {
  "regimes": ("scratch", "only_jump", "only_length", "only_turn_left")
}

_VARIANTS = {
  "lstm": (_LSTM, _PUBLISHED),
  "transformer": (_TRANSFORMER, _TRANSFORMER_PUBLISHED),
  "lstm_split_only": (_LSTM, {**_PUBLISHED, **_SPLIT_ONLY}),
  "transformer_split_only": (
    _TRANSFORMER,
    {**_TRANSFORMER_PUBLISHED, **_SPLIT_ONLY},
  ),
  "lstm_reduced": (
    _ONE_LAYER,
    {
      "regimes": ("scratch",),
      "base_seeds": (0, 1),
      "training": {**_TRAINING, "num_steps": 5000},
      "search": {**_SEARCH, "num_steps": 2000},
      "runtime": {"cpu_devices": 2, "vmap_width": 1},
    },
  ),
  "small": (
    {**_ONE_LAYER, "name": "seq2seq_lstm_1x200_small"},
    {
      "regimes": ("scratch",),
      "base_seeds": (0, 1),
      "data": {"num_problems": {"test": 1000}},
      "training": {**_TRAINING, "num_steps": 3000, "batch_size": 128},
      "search": {**_SEARCH, "num_steps": 500, "batch_size": 128},
      "runtime": {"cpu_devices": 2, "vmap_width": 1},
    },
  ),
  "smoke": (
    {
      **_LSTM,
      "name": "seq2seq_lstm_2x8",
      "sizes": {**_LSTM["sizes"], "hidden_size": 8},
    },
    smoke((3e-5,), num_steps=10),
  ),
}


def get_config(variant: str = ""):
  """Returns the config of one variant.

  Raises:
    ValueError: there is no such variant.
  """
  return with_changes("scan", *choose(_VARIANTS, variant or "lstm"))
