"""What programs cost in arithmetic, and how much of it a machine can do."""

import math
import time
from collections.abc import Callable
from typing import Any

import jax

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
  """Returns the arithmetic of all matrix products of a function.

  XLA counts the body of a loop once, whatever its length. Here the body of
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
  return _products(jax.make_jaxpr(function)(*arguments).jaxpr, repeats)


def _products(jaxpr: Any, repeats: bool) -> float:
  total = 0.0
  for equation in jaxpr.eqns:
    if equation.primitive.name == "dot_general":
      (contracted, _), _ = equation.params["dimension_numbers"]
      shape = equation.invars[0].aval.shape
      depth = math.prod(shape[axis] for axis in contracted)
      total += 2.0 * math.prod(equation.outvars[0].aval.shape) * depth
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
