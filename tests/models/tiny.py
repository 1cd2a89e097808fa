"""Small networks of every kind, and what they read."""

import dataclasses

import jax
import numpy as np

from structcomp_jax import trees
from structcomp_jax.models.bert import BertConfig
from structcomp_jax.models.gpt import GptConfig
from structcomp_jax.models.lstm import LstmConfig
from structcomp_jax.models.mlp import MlpConfig
from structcomp_jax.models.resnet import ResNetConfig
from structcomp_jax.models.seq2seq.lstm import Seq2SeqLstmConfig
from structcomp_jax.models.seq2seq.transformer import Seq2SeqTransformerConfig
from structcomp_jax.models.vit import ViTConfig

from . import formula

# The sizes of the stored checkpoint, see `checkpoints`.
BERT = BertConfig(
  vocab_size=40,
  hidden_size=32,
  num_layers=2,
  num_heads=4,
  intermediate_size=64,
  max_positions=16,
)
GPT = GptConfig(
  vocab_size=40,
  hidden_size=12,
  num_layers=1,
  num_heads=3,
  num_key_heads=3,
  head_size=4,
  intermediate_size=20,
  max_positions=16,
)
# As different from it as the config can be.
LLAMA = dataclasses.replace(
  GPT,
  num_heads=4,
  num_key_heads=2,
  positions="rotary",
  rotary_stretch=(8.0, 1.0, 4.0, 16.0),
  norm="rms",
  hidden_act="silu",
  gated=True,
  query_bias=False,
  output_bias=False,
  feed_forward_bias=False,
  tied=False,
)
VIT = ViTConfig(
  image_size=32,
  patch_size=8,
  hidden_size=32,
  num_layers=2,
  num_heads=4,
  intermediate_size=64,
  head_sizes=(16, 8),
)
BOTTLENECKS = ResNetConfig(
  block="bottleneck",
  stage_sizes=(2, 1),
  stage_widths=(4, 8),
  stage_strides=(1, 2),
  head_sizes=(16, 8),
)
BASIC = ResNetConfig(
  block="basic",
  stage_sizes=(1, 1, 1),
  stage_widths=(6, 12, 24),
  stage_strides=(1, 2, 2),
  stem_kernel=3,
  stem_stride=1,
  stem_pool=False,
  head_sizes=(5,),
)
MLP = MlpConfig(num_inputs=6, hidden_sizes=(8, 5), num_outputs=4)
LSTM = LstmConfig(num_inputs=6, num_outputs=4, hidden_size=5, dropout=0.5)
SEQ2SEQ_LSTM = Seq2SeqLstmConfig(
  source_vocabulary=6, target_vocabulary=5, embedding_size=4, hidden_size=5
)
SEQ2SEQ_TRANSFORMER = Seq2SeqTransformerConfig(
  source_vocabulary=6,
  target_vocabulary=5,
  hidden_size=12,
  num_layers=2,
  num_heads=3,
  intermediate_size=10,
)
IMAGES = {"images": formula.images(32)}


def features(*shape: int) -> dict[str, np.ndarray]:
  """Returns random features, such as of an MLP or an LSTM."""
  random = np.random.default_rng(0)
  return {"features": random.standard_normal(shape, np.float32)}


def sentences(*lengths: int, padded_to: int = 14) -> dict[str, np.ndarray]:
  """Returns sentences of random tokens, padded with id 0.

  Args:
    *lengths: tokens of every sentence, 14 at most.
    padded_to: tokens of a row.
  """
  mask = np.arange(padded_to) < np.array(lengths)[:, None]
  ids = np.zeros(mask.shape, np.int32)
  random = np.random.default_rng(0)
  ids[:, :14] = random.integers(1, BERT.vocab_size, (len(lengths), 14))
  return {"token_ids": ids * mask, "attention_mask": mask}


def spread(variables, scale: float = 0.3):
  """Returns variables far from their initial values.

  At those of a transformer, attention hardly differs from a mean.
  """
  random = np.random.default_rng(1)
  return jax.tree.map(
    lambda leaf: leaf + scale * random.standard_normal(leaf.shape, np.float32),
    variables,
  )


def num_weights(model, inputs, endings: tuple[str, ...] = ("kernel",)) -> int:
  """Returns the size of all leaves whose paths have one of some endings."""
  params = jax.eval_shape(model.init, jax.random.key(0), inputs)["params"]
  leaves = trees.leaves_by_path(params)
  return sum(
    leaf.size for path, leaf in leaves.items() if path.endswith(endings)
  )


def commands(
  *lengths: tuple[int, int], padded_to: tuple[int, int] = (7, 9)
) -> dict[str, np.ndarray]:
  """Returns random sources and targets of the encoder-decoders above.

  Args:
    *lengths: tokens of every source and target, without end tokens.
    padded_to: columns of sources and of targets.
  """
  random = np.random.default_rng(0)
  vocabularies = SEQ2SEQ_LSTM.source_vocabulary, SEQ2SEQ_LSTM.target_vocabulary
  rows = [
    [
      [*random.integers(0, end := vocabulary - 1, length), end]
      for length, vocabulary in zip(both, vocabularies, strict=True)
    ]
    for both in lengths
  ]
  sides = zip(*rows, strict=True)
  return {
    name: np.array(
      [row + [-1] * (columns - len(row)) for row in side], np.int32
    )
    for name, side, columns in zip(
      ("source", "target"), sides, padded_to, strict=True
    )
  }
