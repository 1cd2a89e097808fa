"""Speed of a convolution with its gradients, against other ways to compute it.

    python -m benchmarks.convolution [--rows=3] [--seconds=0.3]

For layers of ResNet50 at 128 x 128 pixels, and one of a small network: output
and both gradients inside `lax.fori_loop`, as training and search run them, with
one kernel and with one for each row (`vmap`):

- here: `structcomp_jax.models.layers.convolution`;
- lax: `lax.conv_general_dilated` and what `jax.grad` makes of it;
- windows: matrix products of image windows (im2col);
- winograd: 16 instead of 36 products for four pixels (`benchmarks.winograd`),
  for 3x3 kernels with stride 1.

Printed is the fraction of the speed of a large matrix product in the same run,
with operations counted from the layer's shape: 6 x output pixels x kernel
weights. Of process time, which other processes disturb least; still, run it on
one core (`taskset -c 0`) where others compute. About five minutes.
"""

import argparse
import functools
import time
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks import winograd
from structcomp_jax.models.layers import windows
from structcomp_jax.models.layers.convolution import convolve

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
WAYS = {
  "here": convolve,
  "lax": with_lax,
  "windows": with_windows,
  "winograd": lambda images, kernel, stride: winograd.convolve(images, kernel),
}


def ways(layer: tuple[int, ...]) -> dict[str, Callable]:
  """Returns those of `WAYS` that compute a layer."""
  *_, size, stride = layer
  only_others = (size, stride) != (3, 1)
  return {
    name: fn
    for name, fn in WAYS.items()
    if not (name == "winograd" and only_others)
  }


def operations(layer: tuple[int, ...]) -> float:
  """Returns those of the output and of both gradients."""
  batch, side, inputs, outputs, size, stride = layer
  return 6.0 * batch * (side // stride) ** 2 * size**2 * inputs * outputs


def speeds(
  runs: Sequence[tuple[Callable[[int], object], float]], seconds: float
) -> list[float]:
  """Returns operations per second of process time, the best of three runs.

  They take turns, so that what else the machine does meets all of them.

  Args:
    runs: functions that do so many repeats, and the operations of one.
    seconds: how long a run takes, about.
  """

  def took(run, repeats):
    started = time.process_time()
    jax.block_until_ready(run(repeats))
    return time.process_time() - started

  for run, _ in runs:
    took(run, 1)
  repeats = [max(1, int(seconds / took(run, 1))) for run, _ in runs]
  best = [np.inf] * len(runs)
  for _ in range(3):
    best = [
      min(least, took(run, many) / many)
      for least, (run, _), many in zip(best, runs, repeats, strict=True)
    ]
  return [count / least for least, (_, count) in zip(best, runs, strict=True)]


def layer_run(
  fn: Callable, layer: tuple[int, ...], rows: int
) -> tuple[Callable[[int], object], float]:
  """Returns a function that repeats a layer in a loop, and its operations."""
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
  return lambda repeats: compiled(repeats, *arrays), rows * operations(layer)


def matrix_run() -> tuple[Callable[[int], object], float]:
  """Returns the same of a large matrix product."""
  matrix = jnp.full((_SIDE_OF_MATRIX,) * 2, 1 / _SIDE_OF_MATRIX)
  product = jax.jit(
    lambda repeats: lax.fori_loop(
      0, repeats, lambda _, power: power @ matrix, matrix
    )
  )
  return product, 2 * _SIDE_OF_MATRIX**3


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
      there = ways(layer)
      peak, *found = speeds(
        [matrix_run(), *(layer_run(fn, layer, rows) for fn in there.values())],
        arguments.seconds,
      )
      print(
        f"{name:26}{rows:8}"
        + "".join(f"{speed / peak:9.2f}" for speed in found),
        flush=True,
      )


if __name__ == "__main__":
  main()
