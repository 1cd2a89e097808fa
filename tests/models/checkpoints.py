"""Writes the golden tiny BERT as a checkpoint directory."""

import json
import pathlib

import numpy as np
from safetensors.numpy import save_file

from structcomp_jax.models.pretrained import tokenizers

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"
SPECIAL = list(tokenizers.SPECIAL_TOKENS)
WORDS = [f"word{index}" for index in range(36)]
CONFIG = {
  "model_type": "bert",
  "vocab_size": 40,
  "hidden_size": 32,
  "num_hidden_layers": 2,
  "num_attention_heads": 4,
  "intermediate_size": 64,
  "max_position_embeddings": 16,
}


def golden_tiny() -> dict[str, np.ndarray]:
  with np.load(GOLDEN / "bert_tiny.npz") as arrays:
    return dict(arrays)


def golden_weights() -> dict[str, np.ndarray]:
  """Returns the tensors under the names of a bare `BertModel`."""
  return {
    name.removeprefix("weight/"): array
    for name, array in golden_tiny().items()
    if name.startswith("weight/")
  }


def write(
  directory: pathlib.Path,
  *,
  weights: dict[str, np.ndarray] | None = None,
  **config_changes,
) -> pathlib.Path:
  """Writes config.json, model.safetensors and tokenizer.json."""
  directory.mkdir(parents=True, exist_ok=True)
  fields = {**CONFIG, **config_changes}
  (directory / "config.json").write_text(json.dumps(fields))
  weights = golden_weights() if weights is None else weights
  contiguous = {k: np.ascontiguousarray(v) for k, v in weights.items()}
  save_file(contiguous, directory / "model.safetensors")
  tokenizers.save(
    tokenizers.word_tokenizer(WORDS), directory / "tokenizer.json"
  )
  return directory
