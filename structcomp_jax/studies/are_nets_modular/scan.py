"""The SCAN experiment: which part of the grammar is a part of the network?"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from structcomp_jax import types
from structcomp_jax.io.tables import Schema
from structcomp_jax.models.seq2seq import lstm, transformer
from structcomp_jax.pipeline.sizes import make_sizes
from structcomp_jax.studies.are_nets_modular.arithmetic import random_halves
from structcomp_jax.studies.are_nets_modular.columns import SCHEMAS
from structcomp_jax.studies.are_nets_modular.domain import CONTROL, WEIGHTS
from structcomp_jax.studies.are_nets_modular.mask_tests import Tests
from structcomp_jax.studies.are_nets_modular.seq2seq_network import (
  Seq2SeqNetwork,
)
from structcomp_jax.tasks.scan import splits, vocabulary

EXPERIMENTS = ("scan",)
_HELD_OUT = ("jump", "length", "turn_left")
_ONLY = "only_"
_FAMILIES = {
  "seq2seq_lstm": (lstm.Seq2SeqLstm, lstm.Seq2SeqLstmConfig),
  "seq2seq_transformer": (
    transformer.Seq2SeqTransformer,
    transformer.Seq2SeqTransformerConfig,
  ),
}
CHOICES = {
  "data.policy": ("published",),
  "model.family": tuple(_FAMILIES),
  "regimes": (
    "scratch",
    "random_init",
    *(_ONLY + division for division in _HELD_OUT),
  ),
}


@dataclasses.dataclass(frozen=True, eq=False)
class Scan:
  """The experiment; see `domain.Domain`.

  Attributes:
    family: kind of the model.
  """

  network: Seq2SeqNetwork
  frozen_network: Seq2SeqNetwork
  family: str
  subroutines: Mapping[str, str] = dataclasses.field(
    default_factory=lambda: {
      CONTROL: "simple",
      **{division: division for division in _HELD_OUT},
    }
  )
  test_tasks: tuple[str, ...] = ("simple", *_HELD_OUT)
  only_tasks: Mapping[str, str] = dataclasses.field(
    default_factory=lambda: {
      only_regime(division): division for division in _HELD_OUT
    }
  )
  loss_draws: bool = True
  masked: str = WEIGHTS
  tests: type[Tests] = Tests
  tables: Mapping[str, Schema] = dataclasses.field(
    default_factory=lambda: SCHEMAS
  )

  def tasks(self) -> list[str]:
    return list(self.test_tasks)

  def dataset_name(self, task: str) -> str:
    return f"scan/{task}"

  def available(self, task: str) -> Mapping[str, int]:
    problems = splits.make_datasets(task)
    return {split: len(rows) for split, rows in problems.items()}

  def sample(self, num_problems: int) -> np.ndarray:
    """Real problems."""
    return splits.make_datasets("simple")["train"][:num_problems]

  def encode(self, task: str, problems: np.ndarray) -> types.Batch:
    return {
      "source": vocabulary.encode_commands(problems[:, 0]),
      "target": vocabulary.encode_actions(problems[:, 1]),
    }

  def separation(self) -> list[str]:
    return splits.separation()

  def ends(self) -> tuple[Sequence[str], Sequence[str]]:
    """None: all commands use the same words, so nothing has to be cut."""
    return (), ()

  def halves(self, paths: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """Of transformers all but the last layers, of LSTMs random leaves."""
    if self.family == "seq2seq_lstm":
      return random_halves(paths)
    num_layers = self.network.model.config.num_layers
    last = f"layer_{num_layers - 1}/"
    return {"early": [path for path in paths if last not in path]}

  def outputs(self) -> tuple[str, Sequence[str]]:
    return "decoder/output/kernel", (*vocabulary.ACTION_WORDS, "EOS")

  def output_leaves(self) -> tuple[str, ...]:
    return ("decoder/output/.*",)

  def copied(self, params: types.Params) -> types.Params | None:
    return None


def only_regime(division: str) -> str:
  """Returns the regime of networks that are trained on a division alone."""
  return _ONLY + division


def make(config: ConfigDict) -> Scan:
  """Makes the network that the config describes.

  Raises:
    UserError: its sizes fit nothing.
  """
  model_class, sizes_class = _FAMILIES[config.model.family]
  model: Any = model_class(make_sizes(config.model, sizes_class))
  network = Seq2SeqNetwork(
    model, always_forced=config.model.family == "seq2seq_transformer"
  )
  return Scan(
    network=network.in_dtype("float32"),
    frozen_network=network.without_dropout().in_dtype(
      config.search.compute_dtype
    ),
    family=config.model.family,
  )
