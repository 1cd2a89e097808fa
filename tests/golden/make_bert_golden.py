"""Writes bert_tiny.npz and bert_minilm.npz with Hugging Face's BertModel.

Needs the `torch` extra (made with torch 2.13.0, transformers 5.23.0):

  python -m tests.golden.make_bert_golden --minilm=DIRECTORY

DIRECTORY is what `models.pretrained.hugging_face.minilm_directory` says.
"""

import argparse
import pathlib

import numpy as np
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

from tests.models import checkpoints

_HERE = pathlib.Path(__file__).parent
_SENTENCES = (
  "the senator near the ducks admires the man",
  "the ducks swim",
  "the duck that the farmers admire swims",
  "the boys congratulated themselves",
  "the lawyer doubts herself",
)


def _hidden(model: BertModel, inputs: dict[str, np.ndarray]) -> np.ndarray:
  model.eval()
  with torch.no_grad():
    tensors = {name: torch.tensor(value) for name, value in inputs.items()}
    return model(**tensors).last_hidden_state.numpy()


def make_tiny() -> None:
  """Random weights of every kind, one output per activation."""
  torch.manual_seed(0)
  sizes = {k: v for k, v in checkpoints.CONFIG.items() if k != "model_type"}
  random = np.random.default_rng(0)
  weights = None
  inputs = {
    "input_ids": random.integers(0, 40, (3, 9)),
    "attention_mask": (np.arange(9) < [[9], [5], [2]]).astype(np.int64),
    "token_type_ids": random.integers(0, 2, (3, 9)),
  }
  outputs = {}
  for activation in ("gelu", "gelu_new", "relu"):
    model = BertModel(BertConfig(hidden_act=activation, **sizes))
    if weights is None:
      # Far from the initial values, so that no term is near zero.
      weights = {
        name: tensor + 0.2 * torch.randn_like(tensor)
        for name, tensor in model.state_dict().items()
        if tensor.is_floating_point()
      }
    model.load_state_dict(weights, strict=False)
    outputs[f"hidden/{activation}"] = _hidden(model, inputs)
  stored = {f"weight/{name}": value.numpy() for name, value in weights.items()}
  np.savez_compressed(_HERE / "bert_tiny.npz", **inputs, **outputs, **stored)


def make_minilm(directory: str) -> None:
  """Published weights: token ids, [CLS] and 8 features of every token."""
  tokenizer = BertTokenizerFast.from_pretrained(directory)
  encoded = tokenizer(list(_SENTENCES), padding="longest", return_tensors="np")
  hidden = _hidden(BertModel.from_pretrained(directory), dict(encoded))
  np.savez_compressed(
    _HERE / "bert_minilm.npz",
    sentences=np.array(_SENTENCES),
    token_ids=encoded["input_ids"],
    attention_mask=encoded["attention_mask"],
    first_token=hidden[:, 0],
    features=hidden[:, :, :8],
  )


if __name__ == "__main__":
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("--minilm", required=True, help="checkpoint directory")
  arguments = parser.parse_args()
  make_tiny()
  make_minilm(arguments.minilm)
