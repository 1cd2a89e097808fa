"""What programs cost in arithmetic, and how much of it a machine can do."""

import math
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.interpreters import partial_eval

# {backend: (rows of the square matrices that `matmul_peak` multiplies, products
# in one timing)}.
YARDSTICK = {"cpu": (4096, 1), "gpu": (16384, 10), "tpu": (16384, 10)}


def elapsed(run: Callable[[], Any]) -> float:
  """Returns the seconds until all arrays of a result are there."""
  started = time.perf_counter()
  jax.block_until_ready(run())
  return time.perf_counter() - started


def matmul_peak(dtype: str) -> float:
  """Returns FLOP/s of a large square matrix product, the best of three.

  With JAX's default precision, as the networks compute: on a GPU float32
  products then use its matrix units.
  """
  size, products = YARDSTICK[jax.default_backend()]
  matrix = jax.random.normal(jax.random.key(0), (size, size), dtype)
  multiply = jax.jit(lambda matrix: matrix @ matrix)
  jax.block_until_ready(multiply(matrix))

  def run():
    return [multiply(matrix) for _ in range(products)]

  return 2 * size**3 * products / min(elapsed(run) for _ in range(3))


def copy_bandwidth(num_bytes: int = 2**30) -> float:
  """Returns bytes per second that a device reads and writes, best of three.

  >>> copy_bandwidth(2**16) > 0
  True

  Args:
    num_bytes: of the array that is copied.
  """
  array = jax.numpy.zeros(num_bytes // 4, "float32")
  copy = jax.jit(lambda array: array + 1)
  jax.block_until_ready(copy(array))
  return 2 * num_bytes / min(elapsed(lambda: copy(array)) for _ in range(3))


def product_flops(
  function: Callable[..., Any], *arguments: Any, repeats: bool = True
) -> float:
  """Returns the arithmetic of all matrix products and convolutions.

  What no result depends on does not count. XLA counts the body of a loop once,
  whatever its length. Here the body of
  `lax.scan` counts as often as it runs; that of a loop whose length is data
  counts once, and of several branches the dearest counts.

  >>> matrix = jax.ShapeDtypeStruct((2, 2), "float32")
  >>> product_flops(lambda x: jax.lax.fori_loop(0, 3, lambda i, y: y @ x, x),
  ...               matrix)
  48.0

  Args:
    function, *arguments: what is counted; shapes are enough.
    repeats: False: the body of every loop counts once.
  """
  jaxpr = jax.make_jaxpr(function)(*arguments).jaxpr
  needed, _ = partial_eval.dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars))
  return _products(needed, repeats)


def _products(jaxpr: Any, repeats: bool) -> float:
  total = 0.0
  for equation in jaxpr.eqns:
    if count := _COUNTED.get(equation.primitive.name):
      total += 2.0 * count(equation)
      continue
    inner = [
      _products(getattr(part, "jaxpr", part), repeats)
      for parameter in equation.params.values()
      for part in (
        parameter if isinstance(parameter, (tuple, list)) else (parameter,)
      )
      if hasattr(getattr(part, "jaxpr", part), "eqns")
    ]
    if equation.primitive.name == "cond":
      total += max(inner)
    else:
      length = equation.params.get("length", 1) if repeats else 1
      total += sum(inner) * length
  return total


def _of_product(equation: Any) -> int:
  """Returns the multiplications of a matrix product."""
  (contracted, _), _ = equation.params["dimension_numbers"]
  shape = equation.invars[0].aval.shape
  depth = math.prod(shape[axis] for axis in contracted)
  return math.prod(equation.outvars[0].aval.shape) * depth


def _of_convolution(equation: Any) -> int:
  """Returns those of a convolution, without the zeros that it puts in."""
  params = equation.params
  numbers = params["dimension_numbers"]
  images, kernel = (one.aval.shape for one in equation.invars)
  outputs = equation.outvars[0].aval.shape
  batch_axis, features_axis, *axes = numbers.out_spec
  total = outputs[batch_axis] * outputs[features_axis]
  total *= kernel[numbers.rhs_spec[1]]  # Inputs of a group.
  for place, axis in enumerate(axes):
    pixels = images[numbers.lhs_spec[2 + place]]
    apart = params["lhs_dilation"][place]
    first = (
      np.arange(outputs[axis]) * params["window_strides"][place]
      - params["padding"][place][0]
    )
    window = (
      np.arange(kernel[numbers.rhs_spec[2 + place]])
      * params["rhs_dilation"][place]
    )
    seen = first[:, None] + window
    is_inside = (seen >= 0) & (seen <= (pixels - 1) * apart)
    total *= int((is_inside & (seen % apart == 0)).sum())
  return total // params["batch_group_count"]


# {primitive: its multiplications}
_COUNTED = {
  "dot_general": _of_product,
  "conv_general_dilated": _of_convolution,
}
