"""Decoder checkpoints in Hugging Face's layouts of GPT-2 and of Llama.

Read from a local directory only, with `config.json` and weights in one file or
in shards (`weight_files`). Mistral and Qwen2 have Llama's layout.
"""

import functools
import os
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from structcomp_jax.models import sizes
from structcomp_jax.models.gpt import Gpt, GptConfig
from structcomp_jax.models.pretrained import json_files, layouts, weight_files
from structcomp_jax.models.pretrained.layouts import Layout, Place
from structcomp_jax.types import Params, UserError, one_line

_HEAD = "lm_head.weight"

_FROM_GPT2 = {
  "vocab_size": "vocab_size",
  "n_embd": "hidden_size",
  "n_layer": "num_layers",
  "n_head": "num_heads",
  "n_positions": "max_positions",
  "n_inner": "intermediate_size",
  "activation_function": "hidden_act",
  "layer_norm_epsilon": "norm_eps",
  "initializer_range": "initializer_range",
  "tie_word_embeddings": "tied",
}
_GPT2_ONLY = {
  "scale_attn_weights": True,
  "scale_attn_by_inverse_layer_idx": False,
  "add_cross_attention": False,
}
_FROM_LLAMA = {
  "vocab_size": "vocab_size",
  "hidden_size": "hidden_size",
  "num_hidden_layers": "num_layers",
  "num_attention_heads": "num_heads",
  "num_key_value_heads": "num_key_heads",
  "head_dim": "head_size",
  "intermediate_size": "intermediate_size",
  "max_position_embeddings": "max_positions",
  "hidden_act": "hidden_act",
  "rms_norm_eps": "norm_eps",
  "initializer_range": "initializer_range",
  "tie_word_embeddings": "tied",
}
_LLAMA_ONLY = {"partial_rotary_factor": 1.0, "use_sliding_window": False}
# What `layers.rotary.speeds` wants, in this order.
_STRETCH = (
  "factor", "low_freq_factor", "high_freq_factor",
  "original_max_position_embeddings",
)  # fmt: skip
_OPTIONAL = (
  "num_key_heads", "head_size", "intermediate_size", "hidden_act", "norm_eps",
  "initializer_range", "tied",
)  # fmt: skip
# {our path: their path inside `h.<n>` or `layers.<n>`}
_GPT2_LAYER_NAMES = {
  "norm_before": "ln_1",
  "norm_after": "ln_2",
  "attention/output": "attn.c_proj",
  "intermediate": "mlp.c_fc",
  "output": "mlp.c_proj",
}
_GPT2_FUSED = ("attention/query", "attention/key", "attention/value")
_GPT2_NAMES = {
  "embeddings/word_embeddings": "wte",
  "embeddings/position_embeddings": "wpe",
  "norm": "ln_f",
}
_LLAMA_LAYER_NAMES = {
  "norm_before": "input_layernorm",
  "norm_after": "post_attention_layernorm",
  "attention/query": "self_attn.q_proj",
  "attention/key": "self_attn.k_proj",
  "attention/value": "self_attn.v_proj",
  "attention/output": "self_attn.o_proj",
  "gate": "mlp.gate_proj",
  "intermediate": "mlp.up_proj",
  "output": "mlp.down_proj",
}
_LLAMA_NAMES = {"embeddings/word_embeddings": "embed_tokens", "norm": "norm"}


def load(
  directory: str | os.PathLike[str],
  *,
  prefix: str | None = None,
  keep_dtype: bool = False,
  on_host: bool = False,
) -> tuple[GptConfig, Params]:
  """Reads a decoder checkpoint.

  Args:
    directory: with config.json and the weights.
    prefix: what the tensors' names begin with, such as `transformer.` or
      `model.`; None: found, if the file has one decoder.
    keep_dtype: float16 and bfloat16 weights stay so; else they become float32.
    on_host: weights are NumPy arrays, with `keep_dtype` those of the files,
      which are read where they are used: for a network that does not fit on a
      device.

  Returns:
    The sizes, and the parameters of `Gpt`.

  Raises:
    UserError: a file is missing or damaged, a tensor is missing, left over
      or of another shape than config.json says, or the network is another one.
  """
  fields = json_files.read_config(directory)
  params = layouts.to_params(
    layout(fields),
    weight_files.read_directory(directory),
    prefix=prefix,
    keep_dtype=keep_dtype,
    on_host=on_host,
  )
  return read_sizes(fields), params


def read_sizes(fields: Mapping[str, Any]) -> GptConfig:
  """Reads the fields of a decoder's config.json.

  Raises:
    UserError: a size is missing, or the network is another one.
  """
  # A null says the same as no field.
  given = {name: value for name, value in fields.items() if value is not None}
  kind = given.get("model_type")
  if kind == "gpt2":
    return _gpt2_sizes(given)
  if kind in _LLAMA_KINDS:
    return _llama_sizes(given)
  raise UserError(
    f"config.json: model_type {kind!r} is no decoder that is implemented; use "
    f"one of gpt2, {', '.join(_LLAMA_KINDS)}"
  )


def layout(fields: Mapping[str, Any]) -> Layout:
  """Returns where the leaves of a `Gpt` lie, given the fields of config.json.

  Raises:
    UserError: see `read_sizes`.
  """
  return _layout(read_sizes(fields), fields["model_type"] == "gpt2")


@functools.cache
def _layout(config: GptConfig, is_gpt2: bool) -> Layout:
  token = jax.ShapeDtypeStruct((1, 1), jnp.int32)
  shapes = layouts.shapes_of(Gpt(config), {"token_ids": token})
  places = {path: _place(path, is_gpt2) for path in shapes}
  if is_gpt2:
    own, buffers = r"(wte|wpe|h|ln_f)\.", r"h\.\d+\.attn\.(bias|masked_bias)"
  else:
    own, buffers = r"(embed_tokens|layers|norm)\.", r".*rotary_emb\.inv_freq"
  embedding = places["embeddings/word_embeddings/embedding"].name
  return Layout(
    shapes=shapes,
    places=places,
    own=own,
    buffers=buffers,
    beside=(_HEAD,),
    tied={_HEAD: embedding} if config.tied else {},
  )


def _place(path: str, is_gpt2: bool) -> Place:
  """Returns where the leaf at `path` lies.

  >>> _place("layer_3/attention/key/bias", is_gpt2=True)
  Place(name='h.3.attn.c_attn.bias', is_transposed=False, part=(1, 3))
  """
  block, leaf = path.rsplit("/", 1)
  kind = "bias" if leaf == "bias" else "weight"
  if block == "head":
    return Place(_HEAD, is_transposed=True)
  names = _GPT2_NAMES if is_gpt2 else _LLAMA_NAMES
  if block in names:
    return Place(f"{names[block]}.{kind}")
  layer, inner = block.split("/", 1)
  number = layer.removeprefix("layer_")
  if not is_gpt2:
    name = f"layers.{number}.{_LLAMA_LAYER_NAMES[inner]}.{kind}"
    return Place(name, is_transposed=leaf == "kernel")
  # GPT-2's kernels are [inputs, outputs], those of three projections in one.
  if inner in _GPT2_FUSED:
    part = (_GPT2_FUSED.index(inner), len(_GPT2_FUSED))
    return Place(f"h.{number}.attn.c_attn.{kind}", part=part)
  return Place(f"h.{number}.{_GPT2_LAYER_NAMES[inner]}.{kind}")


def _gpt2_sizes(fields: Mapping[str, Any]) -> GptConfig:
  found = sizes.from_hugging_face(
    fields,
    _FROM_GPT2,
    optional=_OPTIONAL,
    only_value=_GPT2_ONLY,
    kind="a plain GPT-2",
  )
  width, num_heads = found["hidden_size"], found["num_heads"]
  return GptConfig(
    **{
      "intermediate_size": 4 * width,
      "num_key_heads": num_heads,
      "head_size": _head_size(width, num_heads),
      **found,
    }
  )


def _llama_sizes(fields: Mapping[str, Any]) -> GptConfig:
  only = {**_LLAMA_ONLY, "hidden_act": "silu"}
  found = sizes.from_hugging_face(
    fields,
    _FROM_LLAMA,
    optional=_OPTIONAL,
    only_value=only,
    kind="a plain decoder of Llama's kind",
  )
  width, num_heads = found["hidden_size"], found["num_heads"]
  query_bias, output_bias, feed_forward_bias = _LLAMA_KINDS[
    fields["model_type"]
  ](fields)
  # Qwen2 files have one that `use_sliding_window` switches off.
  has_window = fields["model_type"] == "mistral"
  window = fields.get("sliding_window") if has_window else None
  if window:
    # Within the window it is a plain decoder.
    found["max_positions"] = min(found["max_positions"], window)
  return GptConfig(
    **{
      "positions": "rotary",
      **_rotary(fields),
      "norm": "rms",
      "norm_eps": 1e-6,
      "hidden_act": "silu",
      "gated": True,
      "query_bias": query_bias,
      "output_bias": output_bias,
      "feed_forward_bias": feed_forward_bias,
      "tied": False,
      "num_key_heads": num_heads,
      "head_size": _head_size(width, num_heads),
      **found,
    }
  )


# {model_type: which biases queries, output and feed-forward part have}
_LLAMA_KINDS = {
  "llama": lambda fields: (
    fields.get("attention_bias", False),
    fields.get("attention_bias", False),
    fields.get("mlp_bias", False),
  ),
  "mistral": lambda fields: (False, False, False),
  "qwen2": lambda fields: (True, False, False),
}


def _rotary(fields: Mapping[str, Any]) -> dict[str, Any]:
  """Returns our settings of rotary positions, from older and newer files.

  Raises:
    UserError: they are of a kind that is not implemented, or incomplete.
  """
  found = {
    "rope_theta": 10000.0,
    "original_max_position_embeddings": fields.get("max_position_embeddings"),
    **{name: fields[name] for name in ("rope_theta",) if name in fields},
    **fields.get("rope_scaling", {}),
    **fields.get("rope_parameters", {}),
  }
  kind = found.get("rope_type", found.get("type", "default"))
  stretch: tuple[float, ...] = ()
  try:
    base = float(found["rope_theta"])
    if kind == "llama3":
      stretch = tuple(float(found[name]) for name in _STRETCH)
  except (KeyError, TypeError, ValueError) as error:
    raise UserError(
      f"config.json: rotary positions of type {kind!r} lack a number "
      f"({one_line(error)}); take the config.json that belongs to the weights"
    ) from error
  if kind not in ("default", "llama3"):
    raise UserError(
      f"config.json: rotary positions are of type {kind!r}; only 'default' and "
      "'llama3' are implemented, take a checkpoint without rope_scaling"
    )
  return {"rotary_base": base, "rotary_stretch": stretch}


def _head_size(width: Any, num_heads: Any) -> int:
  if isinstance(width, int) and isinstance(num_heads, int) and num_heads > 0:
    return max(width // num_heads, 1)
  return 1  # GptConfig names what is wrong.
