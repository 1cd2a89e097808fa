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
