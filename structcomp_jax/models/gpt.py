"""Decoders that read from left to right, as named stages.

One network with choices, which make it GPT-2 (Radford et al. 2019: learned
positions, layer norms, GELU, tied head) or Llama (Touvron et al. 2023, arXiv
2302.13971: rotary positions, root-mean-square norms, gated SiLU). It computes
what Hugging Face's `GPT2LMHeadModel` and `LlamaForCausalLM` do in evaluation.

`Gpt` is a `staged.Staged` network with the stages embeddings, layer_0, layer_1,
..., norm, and head if that is not tied to the embedding.
"""

import dataclasses
import functools
from collections.abc import Iterable, Sequence
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Bool, Float, Int

from structcomp_jax.models import sizes, staged
from structcomp_jax.models.layers import rotary, transformer
from structcomp_jax.types import Batch, UserError

_POSITIONS = ("learned", "rotary")
_NORMS = ("layer", "rms")
# For `engine.Machine.model_axes`: every device has some heads and some inner
# units of each block, and some words (Shoeybi et al. 2019, arXiv 1909.08053,
# section 3). What a block adds to the residual stream is summed over devices.
MODEL_AXES = (
  (r".*/(query|key|value|intermediate|gate)/kernel", 1),
  (r".*/output/kernel", 0),
  (r".*/word_embeddings/embedding", 0),
)


@dataclasses.dataclass(frozen=True)
class GptConfig:
  """Sizes and choices of a decoder; the defaults are those of GPT-2 small.

  Attributes:
    vocab_size: number of token ids.
    hidden_size: width of the residual stream.
    num_layers: number of blocks.
    num_heads: attention heads per block, a multiple of `num_key_heads`.
    num_key_heads: heads of keys and values; each serves equally many heads.
    head_size: width of a head.
    intermediate_size: width inside the feed-forward part.
    max_positions: longest sequence, in tokens.
    positions: "learned" (a vector is added) or "rotary" (queries and keys are
      turned).
    rotary_base: the slowest rotary angle is about 1 / `rotary_base` per token.
    rotary_stretch: see `layers.rotary.speeds`; empty: none.
    norm: "layer", or "rms": divided by the root of the mean square.
    norm_eps: number added to the variance or mean square.
    hidden_act: one of `transformer.ACTIVATIONS`.
    gated: whether the activation multiplies a second projection.
    query_bias: whether queries, keys and values have biases.
    output_bias: whether the attention's output has one.
    feed_forward_bias: whether the feed-forward part has biases.
    tied: whether the head is the embedding, which then is one leaf.
    initializer_range: standard deviation of fresh weights and embeddings.
  """

  vocab_size: int = 50257
  hidden_size: int = 768
  num_layers: int = 12
  num_heads: int = 12
  num_key_heads: int = 12
  head_size: int = 64
  intermediate_size: int = 3072
  max_positions: int = 1024
  positions: str = "learned"
  rotary_base: float = 10000.0
  rotary_stretch: Sequence[float] = ()
  norm: str = "layer"
  norm_eps: float = 1e-5
  hidden_act: str = "gelu_new"
  gated: bool = False
  query_bias: bool = True
  output_bias: bool = True
  feed_forward_bias: bool = True
  tied: bool = True
  initializer_range: float = 0.02

  def __post_init__(self):
    name = "decoder"
    # JSON turns tuples into lists, which cannot be hashed.
    object.__setattr__(self, "rotary_stretch", tuple(self.rotary_stretch))
    sizes.check(self, name)
    sizes.check_multiple(self, name, "num_heads", "num_key_heads")
    sizes.check_choice(self, name, "positions", _POSITIONS)
    sizes.check_choice(self, name, "norm", _NORMS)
    sizes.check_choice(self, name, "hidden_act", transformer.ACTIVATIONS)
    if len(self.rotary_stretch) not in (0, 4):
      value = self.rotary_stretch
      raise UserError(
        f"decoder config: rotary_stretch is {value}; give four numbers or none"
      )
    if self.positions == "rotary" and self.head_size % 2:
      raise UserError(
        f"decoder config: head_size {self.head_size} is odd; rotary positions "
        "turn pairs, give an even number"
      )


def heads(
  config: GptConfig, paths: Iterable[str]
) -> dict[str, tuple[int, dict[str, int]]]:
  """Returns where attention heads lie, as `structure.anatomy.Heads` has it.

  Where heads share keys and values, a column of these belongs to no single
  head: they are units of their own.

  >>> paths = ["layer_0/attention/query/kernel", "layer_0/attention/key/kernel"]
  >>> heads(GptConfig(num_heads=12, num_key_heads=4), paths)
  {'layer_0/attention': (12, {'layer_0/attention/query/kernel': -1}), \
'layer_0/attention/key_value': (4, {'layer_0/attention/key/kernel': -1})}

  Args:
    config: of the network.
    paths: of weights.

  Returns:
    {place: (number of heads, {path of a matrix: axis})}.
  """
  found: dict[str, tuple[int, dict[str, int]]] = {}
  for place, axes in transformer.head_axes(paths).items():
    for path, axis in axes.items():
      is_shared = path.split("/")[-2] in ("key", "value")
      unit, count = place, config.num_heads
      if is_shared and config.num_key_heads < config.num_heads:
        unit, count = f"{place}/key_value", config.num_key_heads
      found.setdefault(unit, (count, {}))[1][path] = axis
  return found


class Embeddings(nn.Module):
  """Word vectors, plus learned positions if the config says so."""

  config: GptConfig
  dtype: Any = jnp.float32

  def setup(self):
    config = self.config
    embed = functools.partial(
      nn.Embed,
      features=config.hidden_size,
      dtype=self.dtype,
      embedding_init=nn.initializers.normal(config.initializer_range),
    )
    self.word_embeddings = embed(config.vocab_size)
    if config.positions == "learned":
      self.position_embeddings = embed(config.max_positions)

  def __call__(
    self, token_ids: Int[Array, "batch length"]
  ) -> Float[Array, "batch length hidden"]:
    words = self.word_embeddings(token_ids)
    if self.config.positions == "learned":
      positions = jnp.arange(token_ids.shape[1])
      words = words + self.position_embeddings(positions)[None]
    return words

  def attend(
    self, hidden: Float[Array, "batch length hidden"]
  ) -> Float[Array, "batch length vocabulary"]:
    """Returns the logits of a tied head: products with all word vectors."""
    return self.word_embeddings.attend(hidden)


class Attention(nn.Module):
  """Multi-head self-attention."""

  config: GptConfig
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
    self,
    hidden: Float[Array, "batch tokens hidden"],
    is_seen: Bool[Array, "batch tokens tokens"],
  ) -> Float[Array, "batch tokens hidden"]:
    config = self.config

    def project(name, num_heads):
      size = num_heads * config.head_size
      layer = _dense(config, size, self.dtype, name, config.query_bias)
      projected = layer(hidden)
      if name == "value" or config.positions != "rotary":
        return projected
      return rotary.rotate(
        projected, num_heads, config.rotary_base, config.rotary_stretch
      )

    mixed = transformer.attend(
      project("query", config.num_heads),
      project("key", config.num_key_heads),
      project("value", config.num_key_heads),
      num_heads=config.num_heads,
      num_key_heads=config.num_key_heads,
      attention_mask=is_seen,
    )
    output = _dense(
      config, config.hidden_size, self.dtype, "output", config.output_bias
    )
    return output(mixed)


class Layer(nn.Module):
  """One block: attention, then the feed-forward part, each after a norm."""

  config: GptConfig
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
    self,
    hidden: Float[Array, "batch tokens hidden"],
    is_seen: Bool[Array, "batch tokens tokens"],
  ) -> Float[Array, "batch tokens hidden"]:
    config = self.config
    dense = functools.partial(
      _dense, config, dtype=self.dtype, use_bias=config.feed_forward_bias
    )
    activation = transformer.ACTIVATIONS[config.hidden_act]
    normed = _norm(config, self.dtype, "norm_before")(hidden)
    attention = Attention(config, self.dtype, name="attention")
    hidden = hidden + attention(normed, is_seen)
    normed = _norm(config, self.dtype, "norm_after")(hidden)
    inner = dense(config.intermediate_size, name="intermediate")(normed)
    if config.gated:
      gate = dense(config.intermediate_size, name="gate")(normed)
      inner = activation(gate) * inner
    else:
      inner = activation(inner)
    return hidden + dense(config.hidden_size, name="output")(inner)


class Gpt(nn.Module):
  """Decoder that returns the logits of the token after every position.

  >>> Gpt(GptConfig(num_layers=2)).stages
  ('embeddings', 'layer_0', 'layer_1', 'norm')

  Attributes:
    config: sizes and choices.
    dtype: of the computation; fresh parameters are float32 always.
    recompute: whether a gradient computes each block again, and keeps what
      enters it alone.

  Inputs are {"token_ids": i32[N, length], "attention_mask": bool[N, length]},
  the mask true (or 1) at real tokens; without it, all are real. Positions are
  counted from the left, whatever the mask says. What is returned at padding
  means nothing. Every method that takes inputs raises UserError for sequences
  longer than `config.max_positions`.

  There is no dropout. A tied head reads the embedding's leaf again, which lies
  in the stage embeddings: masking it changes both.
  """

  config: GptConfig
  dtype: Any = jnp.float32
  recompute: bool = False

  def setup(self):
    config = self.config
    block = nn.remat(Layer) if self.recompute else Layer
    self.embeddings = Embeddings(config, self.dtype)
    # linen names the entries of a list attribute layer_0, layer_1, ...
    self.layer = [block(config, self.dtype) for _ in range(config.num_layers)]
    self.norm = _norm(config, self.dtype)
    if not config.tied:
      self.head = _dense(config, config.vocab_size, self.dtype, use_bias=False)

  @property
  def stages(self) -> tuple[str, ...]:
    """Names of the stages, first to last."""
    layers = (f"layer_{index}" for index in range(self.config.num_layers))
    last = ("norm",) if self.config.tied else ("norm", "head")
    return ("embeddings", *layers, *last)

  def __call__(self, inputs: Batch) -> Float[Array, "batch length vocabulary"]:
    """Returns the logits of the next token after every position."""
    return self._logits(self._run(inputs, self.stages))

  def last_hidden(self, inputs: Batch) -> Float[Array, "batch length hidden"]:
    """Returns the normed hidden state of every position."""
    names = [stage for stage in self.stages if stage != "head"]
    return self._run(inputs, names)["hidden"]

  def features_before(self, inputs: Batch, stage: str) -> Batch:
    """Returns what goes into a stage.

    Args:
      inputs: as of `__call__`.
      stage: one of `stages[1:]`.

    Returns:
      {"hidden": float[N, length, hidden], "attention_mask": bool[N, length]}.
    """
    return self._run(inputs, self.stages[: staged.index(self, stage)])

  def from_stage(
    self, features: Batch, stage: str
  ) -> Float[Array, "batch length vocabulary"]:
    """Returns the logits, given what enters `stage`."""
    names = self.stages[staged.index(self, stage) :]
    return self._logits(self._run(features, names))

  def _run(self, features: Batch, names: Iterable[str]) -> Batch:
    """Returns what stages that follow each other make; the head is left."""
    for name in names:
      if name == "embeddings":
        features = self._embed(features)
      elif name == "norm":
        features = {**features, "hidden": self.norm(features["hidden"])}
      elif name != "head":
        layer = self.layer[int(name.removeprefix("layer_"))]
        is_seen = transformer.seen_before(features["attention_mask"])
        hidden = layer(features["hidden"], is_seen)
        features = {**features, "hidden": hidden}
    return features

  def _logits(self, features: Batch) -> Float[Array, "batch length vocabulary"]:
    head = self.embeddings.attend if self.config.tied else self.head
    return head(features["hidden"])

  def _embed(self, inputs: Batch) -> Batch:
    token_ids = inputs["token_ids"]
    if token_ids.shape[1] > self.config.max_positions:
      raise UserError(
        f"sequences have {token_ids.shape[1]} tokens, the decoder has "
        f"{self.config.max_positions} positions; shorten the sequences or set "
        "max_positions"
      )
    is_real = inputs.get("attention_mask")
    if is_real is None:
      is_real = jnp.ones(token_ids.shape, bool)
    return {
      "hidden": self.embeddings(token_ids),
      "attention_mask": jnp.asarray(is_real) != 0,
    }


def _dense(
  config: GptConfig,
  features: int,
  dtype: Any,
  name: str | None = None,
  use_bias: bool = True,
) -> nn.Dense:
  return transformer.dense(
    features, config.initializer_range, dtype, name, use_bias
  )


def _norm(config: GptConfig, dtype: Any, name: str | None = None) -> nn.Module:
  kinds = {"layer": transformer.layer_norm, "rms": transformer.rms_norm}
  return kinds[config.norm](config.norm_eps, dtype, name)
