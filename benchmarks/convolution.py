"""Speed of a convolution with its gradients, against other ways to compute it.

    python -m benchmarks.convolution [--rows=3] [--seconds=0.3]

For layers of ResNet50 at 128 x 128 pixels, and one of a small network: output
and both gradients inside `lax.fori_loop`, as training and search run them, with
one kernel and with one for each row (`vmap`):

- here: `structcomp_jax.models.convolution`;
- lax: `lax.conv_general_dilated` and what `jax.grad` makes of it;
- windows: matrix products of image windows (im2col).

Printed is the fraction of the speed of a large matrix product in the same run,
with operations counted from the layer's shape: 6 x output pixels x kernel
weights. Of process time, which other processes disturb least; still, run it on
one core (`taskset -c 0`) where others compute. About five minutes.
"""

import argparse
import functools
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from structcomp_jax.models import windows
from structcomp_jax.models.convolution import convolve

# name: (images, side, inputs, outputs, kernel size, stride)
LAYERS = {
  "7x7/2, 3 -> 64, 128x128": (8, 128, 3, 64, 7, 2),
  "3x3, 64 -> 64, 32x32": (8, 32, 64, 64, 3, 1),
  "1x1, 256 -> 64, 32x32": (8, 32, 256, 64, 1, 1),
  "1x1, 64 -> 256, 32x32": (8, 32, 64, 256, 1, 1),
  "3x3/2, 128 -> 128, 32x32": (8, 32, 128, 128, 3, 2),
  "1x1/2, 256 -> 512, 32x32": (8, 32, 256, 512, 1, 2),
  "3x3, 256 -> 256, 8x8": (8, 8, 256, 256, 3, 1),
  "1x1, 1024 -> 256, 8x8": (8, 8, 1024, 256, 1, 1),
  "3x3, 512 -> 512, 4x4": (32, 4, 512, 512, 3, 1),
  "3x3, 16 -> 16, 32x32": (32, 32, 16, 16, 3, 1),
}
_SIDE_OF_MATRIX = 1024


def with_lax(images: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
  """The convolution of `convolve`, as `lax` computes it."""
  padding = [(kernel.shape[0] // 2,) * 2] * 2
  return lax.conv_general_dilated(
    images,
    kernel,
    (stride, stride),
    padding,
    dimension_numbers=("NHWC", "HWIO", "NHWC"),
  )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def with_windows(
  images: jax.Array, kernel: jax.Array, stride: int
) -> jax.Array:
  """The same by products of image windows."""
  return windows.convolve(stride, images, kernel)


def _windows_gradient(stride, saved, cotangent):
  images, kernel = saved
  return (
    windows.image_gradient(stride, images.shape[1:3], cotangent, kernel),
    windows.kernel_gradient(stride, len(kernel), images, cotangent),
  )


with_windows.defvjp(
  lambda images, kernel, stride: (
    windows.convolve(stride, images, kernel),
    (images, kernel),
  ),
  _windows_gradient,
)
WAYS = {"here": convolve, "lax": with_lax, "windows": with_windows}


def operations(layer: tuple[int, ...]) -> float:
  """Returns those of the output and of both gradients."""
  batch, side, inputs, outputs, size, stride = layer
  return 6.0 * batch * (side // stride) ** 2 * size**2 * inputs * outputs


def speed(run: Callable[[int], object], count: float, seconds: float) -> float:
  """Returns operations per second of process time, the best of five runs.

  Args:
    run: does so many repeats.
    count: operations of one.
    seconds: how long a run takes, about.
  """

  def took(repeats):
    started = time.process_time()
    jax.block_until_ready(run(repeats))
    return time.process_time() - started

  took(1)
  repeats = max(1, int(seconds / took(1)))
  return count * repeats / min(took(repeats) for _ in range(5))


def layer_speed(
  fn: Callable, layer: tuple[int, ...], rows: int, seconds: float
) -> float:
  """Returns operations per second of a layer in a loop."""
  batch, side, inputs, outputs, size, stride = layer
  random = np.random.default_rng(0)
  axis = (rows,) if rows > 1 else ()  # One kernel is not batched.
  images = random.standard_normal((*axis, batch, side, side, inputs))
  kernels = random.standard_normal((*axis, size, size, inputs, outputs)) / size
  slopes = random.standard_normal(
    (*axis, batch, side // stride, side // stride, outputs)
  )

  def step(images, kernel, slope):
    _, transpose = jax.vjp(
      lambda images, kernel: fn(images, kernel, stride), images, kernel
    )
    image_slope, kernel_slope = transpose(slope)
    return images - 1e-3 * image_slope, kernel - 1e-3 * kernel_slope

  def run(repeats, images, kernels, slopes):
    one_step = jax.vmap(step) if axis else step
    return lax.fori_loop(
      0, repeats, lambda _, now: one_step(*now, slopes), (images, kernels)
    )

  arrays = [
    jnp.asarray(array, "float32") for array in (images, kernels, slopes)
  ]
  compiled = jax.jit(run)
  return speed(
    lambda repeats: compiled(repeats, *arrays),
    rows * operations(layer),
    seconds,
  )


def matrix_speed(seconds: float) -> float:
  """Returns operations per second of a large matrix product."""
  matrix = jnp.full((_SIDE_OF_MATRIX,) * 2, 1 / _SIDE_OF_MATRIX)
  product = jax.jit(
    lambda repeats: lax.fori_loop(
      0, repeats, lambda _, power: power @ matrix, matrix
    )
  )
  return speed(product, 2 * _SIDE_OF_MATRIX**3, seconds)


def main() -> None:
  """Prints one line for each layer and number of kernels."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawTextHelpFormatter
  )
  parser.add_argument("--rows", type=int, default=3)
  parser.add_argument("--seconds", type=float, default=0.3)
  arguments = parser.parse_args()
  print(f"{'layer':26}{'kernels':>8}" + "".join(f"{way:>9}" for way in WAYS))
  for name, layer in LAYERS.items():
    for rows in (1, arguments.rows):
      peak = matrix_speed(arguments.seconds)
      fractions = [
        layer_speed(fn, layer, rows, arguments.seconds) / peak
        for fn in WAYS.values()
      ]
      print(
        f"{name:26}{rows:8}"
        + "".join(f"{fraction:9.2f}" for fraction in fractions),
        flush=True,
      )


if __name__ == "__main__":
  main()
