"""3x3 convolutions with fewer multiplications: Winograd's F(2x2, 3x3).

Four pixels of the output come from a tile of 4 x 4 pixels, by 16 products where
the sum over the kernel takes 36 (Lavin and Gray 2016, arXiv 1509.09308, sec.
4.1). All tiles together make 16 matrix products, one for each place of a tile.
`benchmarks.convolution` compares it; the project's networks do not use it.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

# Lavin and Gray 2016, eq. 7: how tiles, kernels and outputs are transformed.
_TILE = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]])
_KERNEL = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
_OUTPUT = np.array([[1, 1, 1, 0], [0, 1, -1, -1]])
_STEP, _SIDE = 2, 4


@jax.custom_vjp
def convolve(
  images: Float[Array, "batch height width inputs"],
  kernel: Float[Array, "3 3 inputs outputs"],
) -> Float[Array, "batch height width outputs"]:
  """Returns what the project's `convolve` does; height and width are even."""
  products = _seen(images) @ _on_both_sides(_KERNEL, kernel).reshape(
    _SIDE**2, *kernel.shape[2:]
  )
  outputs = _on_both_sides(_OUTPUT, products.reshape(_SIDE, _SIDE, -1))
  batch, height, width, _ = images.shape
  return (
    outputs.reshape(_STEP, _STEP, batch, height // _STEP, width // _STEP, -1)
    .transpose(2, 3, 0, 4, 1, 5)
    .reshape(batch, height, width, -1)
  )


def _forward(images, kernel):
  return convolve(images, kernel), (images, kernel)


def _backward(saved, cotangent):
  images, kernel = saved
  to_images = convolve(cotangent, kernel[::-1, ::-1].swapaxes(2, 3))
  pixels = jnp.stack(
    [
      jnp.stack([cotangent[:, i::_STEP, j::_STEP] for j in range(_STEP)])
      for i in range(_STEP)
    ]
  )
  slopes = _flat(_on_both_sides(_OUTPUT.T, pixels))
  products = jnp.einsum("atc,ato->aco", _seen(images), slopes)
  to_kernel = _on_both_sides(
    _KERNEL.T, products.reshape(_SIDE, _SIDE, *products.shape[1:])
  )
  return to_images, to_kernel


convolve.defvjp(_forward, _backward)


def _seen(images):
  """Returns the transformed tiles [place, tile, channel], two pixels apart."""
  padded = jnp.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
  rows, columns = (size - 1 for size in images.shape[1:3])
  tiles = jnp.stack(
    [
      jnp.stack(
        [
          padded[:, i : i + rows : _STEP, j : j + columns : _STEP]
          for j in range(_SIDE)
        ]
      )
      for i in range(_SIDE)
    ]
  )
  return _flat(_on_both_sides(_TILE, tiles))


def _flat(tiles):
  return tiles.reshape(_SIDE**2, -1, tiles.shape[-1])


def _on_both_sides(matrix, tiles):
  """Returns M X M^T for tiles X that stand in the first two axes.

  Sums are written out; XLA does not fuse products with small matrices.
  """
  for axis in (0, 1):
    parts = [
      functools.reduce(
        jnp.add,
        (
          weight * tiles.take(index, axis)
          for index, weight in enumerate(line)
          if weight
        ),
      )
      for line in matrix.tolist()
    ]
    tiles = jnp.stack(parts, axis)
  return tiles
