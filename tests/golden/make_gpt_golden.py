"""Writes gpt_tiny.npz with decoders of Hugging Face.

Needs the `torch` extra (made with torch 2.14.1, transformers 5.24.0):

  python -m tests.golden.make_gpt_golden

Stored are the fields of config.json, the weights under their names in files,
and the logits.
"""

import json
import pathlib
import tempfile

import numpy as np
import torch
from safetensors.numpy import load_file
from transformers import (
  GPT2Config,
  GPT2LMHeadModel,
  LlamaConfig,
  LlamaForCausalLM,
  Qwen2Config,
  Qwen2ForCausalLM,
)

_HERE = pathlib.Path(__file__).parent
_GPT2 = {"n_embd": 16, "n_layer": 2, "n_head": 4, "n_positions": 12}
_LLAMA = {
  "hidden_size": 16,
  "num_hidden_layers": 2,
  "num_attention_heads": 4,
  "num_key_value_heads": 2,
  "intermediate_size": 20,
  "max_position_embeddings": 12,
}
# One of the three pairs of a head is of each kind.
_STRETCHED = {
  "rope_type": "llama3",
  "rope_theta": 100.0,
  "factor": 8.0,
  "low_freq_factor": 1.0,
  "high_freq_factor": 3.0,
  "original_max_position_embeddings": 40,
}
_ENDS = {"bos_token_id": 0, "eos_token_id": 1}


def models() -> dict[str, torch.nn.Module]:
  """Returns a network of every kind; together they have all choices."""
  sizes = {"vocab_size": 24, **_ENDS}
  return {
    "gpt2": GPT2LMHeadModel(GPT2Config(**sizes, **_GPT2)),
    "llama": LlamaForCausalLM(
      LlamaConfig(**sizes, **_LLAMA, head_dim=6, rope_parameters=_STRETCHED)
    ),
    "qwen2": Qwen2ForCausalLM(
      Qwen2Config(**sizes, **_LLAMA, tie_word_embeddings=True)
    ),
  }


def main() -> None:
  """Random weights, far from the initial ones, which float16 can hold."""
  torch.manual_seed(0)
  random = np.random.default_rng(0)
  inputs = {
    "token_ids": random.integers(0, 24, (3, 9)),
    "attention_mask": (np.arange(9) < [[9], [5], [2]]).astype(np.int64),
  }
  stored: dict[str, np.ndarray] = dict(inputs)
  for kind, model in models().items():
    model.eval()
    with torch.no_grad(), tempfile.TemporaryDirectory() as directory:
      for parameter in model.parameters():
        moved = parameter + 0.2 * torch.randn_like(parameter)
        parameter.copy_(moved.half().float())
      logits = model(
        input_ids=torch.tensor(inputs["token_ids"]),
        attention_mask=torch.tensor(inputs["attention_mask"]),
      ).logits
      model.save_pretrained(directory)
      weights = load_file(pathlib.Path(directory) / "model.safetensors")
      fields = json.loads((pathlib.Path(directory) / "config.json").read_text())
    stored[f"{kind}/config"] = np.array(json.dumps(fields, sort_keys=True))
    stored[f"{kind}/logits"] = logits.numpy()
    for name, array in weights.items():
      stored[f"{kind}/weight/{name}"] = array.astype(np.float16)
  np.savez_compressed(_HERE / "gpt_tiny.npz", **stored)


if __name__ == "__main__":
  main()
