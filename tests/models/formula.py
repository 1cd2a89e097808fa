"""Inputs and weights that goldens are computed from, not stored with them."""

import zlib

import numpy as np

# A small ViT, as fields of Hugging Face's config.json.
VIT = {
  "model_type": "vit",
  "image_size": 32,
  "patch_size": 8,
  "hidden_size": 32,
  "num_hidden_layers": 2,
  "num_attention_heads": 4,
  "intermediate_size": 64,
}


def weight(name: str, shape: tuple[int, ...]) -> np.ndarray:
  """Returns f32 values that depend on a tensor's PyTorch name and shape only.

  Matrices and kernels keep the size of what they multiply ([outputs, inputs,
  ...], as PyTorch stores them); scales are about 1, all others small.
  """
  random = np.random.default_rng(zlib.crc32(name.encode()))
  values = random.standard_normal(shape, np.float32)
  if name.endswith(("norm.weight", "layernorm_before.weight",
                    "layernorm_after.weight")):  # fmt: skip
    return 1 + np.float32(0.2) * values
  is_projection = "projection" in name
  if len(shape) < 2 or ("embeddings." in name and not is_projection):
    return np.float32(0.2) * values
  return values * np.float32((2 / np.prod(shape[1:])) ** 0.5)


def images(size: int) -> np.ndarray:
  """Returns uint8[2, size, size, 3]: noise, and a square on white."""
  pictures = np.full((2, size, size, 3), 255, np.uint8)
  random = np.random.default_rng(0)
  pictures[0] = random.integers(0, 256, (size, size, 3))
  pictures[1, size // 4 : size // 2, size // 3 :] = (200, 30, 90)
  return pictures


def lstm(
  kernel: np.ndarray,
  recurrent: np.ndarray,
  bias: np.ndarray,
  inputs: np.ndarray,
  state: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
  """Returns f64[N, time, units] and (h, c) after the last step.

  Args:
    kernel: [inputs, 4 units]; gates input, forget, cell, output.
    recurrent: [units, 4 units].
    bias: [4 units].
    inputs: [N, time, inputs].
    state: (h, c) before the first step, each [N, units]; None means zeros.
  """
  units = len(recurrent)
  weights = np.concatenate([kernel, recurrent]).astype(np.float64)
  hidden, memory = state or np.zeros((2, len(inputs), units))
  outputs = np.zeros((len(inputs), inputs.shape[1], units))
  for time in range(inputs.shape[1]):
    both = np.concatenate([inputs[:, time], hidden], axis=1)
    i, f, g, o = np.split(both @ weights + np.asarray(bias), 4, axis=1)
    memory = sigmoid(f) * memory + sigmoid(i) * np.tanh(g)
    hidden = sigmoid(o) * np.tanh(memory)
    outputs[:, time] = hidden
  return outputs, (hidden, memory)


def sigmoid(x: np.ndarray) -> np.ndarray:
  """Returns the logistic function."""
  return 1 / (1 + np.exp(-x))
