"""Time of a convolution with its gradients, against `lax`'s own.

    python -m benchmarks.convolution [--rows=3] [--steps=3]

For some layers of ResNets: one kernel and several (`vmap`), by itself and
inside `lax.fori_loop`, as training and search run it. Printed is process time,
which other processes on the machine disturb least, in ms per layer and step,
and what `lax` takes of ours. About five minutes on two cores.
"""

import argparse
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from structcomp_jax.models.convolution import convolve

# name: (images, side, inputs, outputs, kernel size, stride)
LAYERS = {
  "7x7/2, 3 -> 64, 64x64": (8, 64, 3, 64, 7, 2),
  "3x3, 16 -> 16, 32x32": (32, 32, 16, 16, 3, 1),
  "3x3, 64 -> 64, 16x16": (32, 16, 64, 64, 3, 1),
  "3x3/2, 64 -> 128, 16x16": (32, 16, 64, 128, 3, 2),
  "3x3, 256 -> 256, 8x8": (16, 8, 256, 256, 3, 1),
  "1x1, 256 -> 64, 32x32": (8, 32, 256, 64, 1, 1),
}


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


def milliseconds(
  fn: Callable, layer: tuple[int, ...], rows: int, steps: int, in_loop: bool
) -> float:
  """Returns the least process time of three runs, per row and step."""
  batch, side, inputs, outputs, size, stride = layer
  random = np.random.default_rng(0)
  images = random.standard_normal((rows, batch, side, side, inputs))
  kernels = random.standard_normal((rows, size, size, inputs, outputs)) / size

  def step(images, kernel):
    def loss(images, kernel):
      return (jax.nn.relu(fn(images, kernel, stride)) ** 2).mean()

    slopes = jax.grad(loss, (0, 1))(images, kernel)
    return images - 1e-3 * slopes[0], kernel - 1e-3 * slopes[1]

  # Without the row axis, one kernel is not batched.
  one_step = jax.vmap(step) if rows > 1 else step
  if rows == 1:
    images, kernels = images[0], kernels[0]
  repeats = steps if in_loop else 1

  def run(images, kernels):
    if not in_loop:
      return one_step(images, kernels)
    return lax.fori_loop(
      0, repeats, lambda _, now: one_step(*now), (images, kernels)
    )

  arguments = (
    jnp.asarray(images, jnp.float32),
    jnp.asarray(kernels, "float32"),
  )
  compiled = jax.jit(run).lower(*arguments).compile()
  jax.block_until_ready(compiled(*arguments))
  times = []
  for _ in range(3):
    started = time.process_time()
    jax.block_until_ready(compiled(*arguments))
    times.append(time.process_time() - started)
  return 1e3 * min(times) / rows / repeats


def main() -> None:
  """Prints one line for each layer and way to run it."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawTextHelpFormatter
  )
  parser.add_argument("--rows", type=int, default=3)
  parser.add_argument("--steps", type=int, default=3)
  arguments = parser.parse_args()
  print(
    f"{'layer':26}{'kernels':>8}{'loop':>6}{'ours':>9}{'lax':>9}{'ratio':>7}"
  )
  for name, layer in LAYERS.items():
    for rows in (1, arguments.rows):
      for in_loop in (False, True):
        ours, theirs = (
          milliseconds(fn, layer, rows, arguments.steps, in_loop)
          for fn in (convolve, with_lax)
        )
        print(
          f"{name:26}{rows:8}{'yes' if in_loop else 'no':>6}"
          f"{ours:9.1f}{theirs:9.1f}{theirs / ours:7.1f}",
          flush=True,
        )


if __name__ == "__main__":
  main()
