"""Mathematics: do hard questions need weights that easy ones do not?"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from ml_collections import ConfigDict

from structcomp_jax import types
from structcomp_jax.io.tables import Schema
from structcomp_jax.models.seq2seq import transformer
from structcomp_jax.pipeline import checks
from structcomp_jax.pipeline.sizes import make_sizes
from structcomp_jax.studies.are_nets_modular.columns import SCHEMAS
from structcomp_jax.studies.are_nets_modular.domain import CONTROL, WEIGHTS
from structcomp_jax.studies.are_nets_modular.mask_tests import Tests
from structcomp_jax.studies.are_nets_modular.seq2seq_network import (
  Seq2SeqNetwork,
)
from structcomp_jax.tasks import mathematics

EXPERIMENTS = tuple(f"mathematics_{name}" for name in mathematics.MODULES)
# Mask and test of the questions that a mask learns alone.
EASY = "easy"
_ALL = "all"
CHOICES = {
  "data.policy": mathematics.POLICIES,
  "data.levels": mathematics.LEVELS,
  "model.family": ("seq2seq_transformer",),
  "regimes": ("scratch", "random_init"),
}


@dataclasses.dataclass(frozen=True, eq=False)
class Mathematics:
  """The experiment with one module; see `domain.Domain`.

  Attributes:
    dataset: its data set, without the name of the builder.
    data_dir: below which an archive lies.
    levels: of the questions that networks learn.
    lengths: of questions and answers with their ends, in characters.
  """

  network: Seq2SeqNetwork
  frozen_network: Seq2SeqNetwork
  dataset: str
  data_dir: str
  levels: tuple[str, ...]
  lengths: tuple[int, int]
  subroutines: Mapping[str, str] = dataclasses.field(
    default_factory=lambda: {CONTROL: _ALL, EASY: EASY}
  )
  only_tasks: Mapping[str, str] = dataclasses.field(default_factory=dict)
  loss_draws: bool = True
  masked: str = WEIGHTS
  tests: type[Tests] = Tests
  tables: Mapping[str, Schema] = dataclasses.field(
    default_factory=lambda: SCHEMAS
  )

  @property
  def test_tasks(self) -> tuple[str, ...]:
    """A test for each level."""
    return self.levels

  def tasks(self) -> list[str]:
    return [_ALL, *self.levels]

  def dataset_name(self, task: str) -> str:
    return f"mathematics/{self.dataset}"

  def available(self, task: str) -> Mapping[str, int]:
    return mathematics.sizes(self.dataset, self.data_dir)

  def sample(self, num_problems: int) -> np.ndarray:
    """Real problems, of all levels."""
    made = mathematics.make_problems(
      self.dataset, "train", num_problems, self.data_dir
    )
    return np.array(list(made), dtype=object)

  def encode(self, task: str, problems: np.ndarray) -> types.Batch:
    wanted = self.levels if task == _ALL else (task,)
    problems = problems[np.isin(problems[:, 2].astype(str), wanted)]
    if not len(problems):
      raise types.UserError(
        f"no problem of a split is of level {' or '.join(wanted)}; raise "
        "data.num_problems"
      )
    question_length, answer_length = self.lengths
    return {
      "source": mathematics.encode(problems[:, 0], question_length),
      "target": mathematics.encode(problems[:, 1], answer_length),
    }

  def separation(self) -> list[str]:
    return mathematics.separation(self.dataset)

  def ends(self) -> tuple[Sequence[str], Sequence[str]]:
    """None: every question may use every character."""
    return (), ()

  def halves(self, paths: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """All but the last layer of encoder and decoder, and those."""
    last = f"layer_{self.network.model.config.num_layers - 1}/"
    return {"early": [path for path in paths if last not in path]}

  def outputs(self) -> tuple[str, Sequence[str]]:
    """None: the output layer is the embedding, which has no mask."""
    return "", ()

  def output_leaves(self) -> tuple[str, ...]:
    """None: see `outputs`."""
    return ()

  def copied(self, params: types.Params) -> types.Params | None:
    return None


def make(config: ConfigDict) -> Mathematics:
  """Makes the network that the config describes.

  Raises:
    UserError: its sizes, levels or lengths fit nothing.
  """
  levels = _levels(config)
  for field in ("question_length", "answer_length"):
    checks.integers(config, f"data.{field}", 1)
  network = Seq2SeqNetwork(
    transformer.Seq2SeqTransformer(
      make_sizes(
        config.model,
        transformer.Seq2SeqTransformerConfig,
        source_vocabulary=mathematics.NUM_TOKENS,
        target_vocabulary=mathematics.NUM_TOKENS,
        ties_embeddings=True,
      )
    ),
    always_forced=True,
  )
  return Mathematics(
    network=network.in_dtype("float32"),
    frozen_network=network.without_dropout().in_dtype(
      config.search.compute_dtype
    ),
    dataset=_dataset(config, levels),
    data_dir=config.runtime.data_dir,
    levels=levels,
    lengths=(config.data.question_length, config.data.answer_length),
  )


def _dataset(config: ConfigDict, levels: tuple[str, ...]) -> str:
  if config.data.policy != mathematics.GENERATED and (
    not config.runtime.data_dir
  ):
    raise types.UserError(
      f"data.policy {config.data.policy} reads files below the data directory,"
      " which is not given; set runtime.data_dir"
    )
  module = config.experiment.removeprefix("mathematics_")
  return mathematics.name_of(module, levels, config.data.policy)


def _levels(config: ConfigDict) -> tuple[str, ...]:
  levels = tuple(config.data.levels)
  if EASY not in levels:
    raise types.UserError(
      f"data.levels {levels} lacks {EASY}, of which a mask is searched; add it"
    )
  return levels
