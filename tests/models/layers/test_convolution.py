"""The convolution: `lax`'s numbers from matrix products, also batched."""

import functools
import itertools
import os
import re

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from structcomp_jax import target
from structcomp_jax.engine import parallel
from structcomp_jax.models.layers import windows
from structcomp_jax.models.layers.convolution import Conv, convolve

# (height, width, kernel size, stride): odd and even sizes, pixels that no
# window reaches, a kernel larger than the image.
CASES = [
  (8, 8, 3, 1),
  (8, 8, 3, 2),
  (9, 7, 3, 2),
  (8, 8, 1, 1),
  (8, 7, 1, 2),
  (16, 16, 7, 2),
  (15, 15, 5, 3),
  (8, 8, 3, 4),
  (6, 6, 2, 2),
  (5, 5, 4, 1),
  (2, 2, 7, 2),
  (1, 1, 3, 1),
]
every_case = pytest.mark.parametrize("case", CASES, ids=str)


def reference(images, kernel, stride):
  """PyTorch's Conv2d(padding=size // 2), by `lax`."""
  pad = kernel.shape[0] // 2
  return lax.conv_general_dilated(
    images,
    kernel,
    (stride, stride),
    [(pad, pad), (pad, pad)],
    dimension_numbers=("NHWC", "HWIO", "NHWC"),
    precision=lax.Precision.HIGHEST,
  )


def make(case, rows=()):
  """Returns images, kernel and stride, the arrays with leading axes `rows`."""
  height, width, size, stride = case
  random = np.random.default_rng(0)
  images = random.standard_normal((*rows, 2, height, width, 3), np.float32)
  kernel = random.standard_normal((*rows, size, size, 3, 5), np.float32)
  return jnp.asarray(images), jnp.asarray(kernel), stride


def cotangent_of(output):
  """Returns a dense cotangent."""
  random = np.random.default_rng(1)
  return jnp.asarray(random.standard_normal(output.shape, np.float32))


def output_and_gradients(fn, images, kernel):
  """Returns the output and the gradients for a dense cotangent."""
  output, transpose = jax.vjp(fn, images, kernel)
  return output, *transpose(cotangent_of(output))


@functools.cache
def expected(case):
  """Returns what `lax` computes of `make(case)`."""
  images, kernel, stride = make(case)
  fn = functools.partial(reference, stride=stride)
  return jax.jit(output_and_gradients, static_argnums=0)(fn, images, kernel)


@pytest.fixture(params=["cpu", "other"])
def backend(request):
  """Both ways to compute; the second computes with `lax` unless batched."""
  with target.compiling_for(request.param):
    yield request.param


@every_case
def test_equals_lax_with_both_gradients(case, backend):
  images, kernel, stride = make(case)
  actual = jax.jit(output_and_gradients, static_argnums=0)(
    functools.partial(convolve, stride=stride), images, kernel
  )
  chex.assert_trees_all_close(actual, expected(case), rtol=1e-5, atol=3e-5)


@pytest.mark.parametrize("batch", [1, 3, 4])
def test_parts_of_a_batch_equal_the_whole(batch, monkeypatch):
  """A layer with short rows is shared among cores."""
  monkeypatch.setattr(os, "cpu_count", lambda: 2)
  random = np.random.default_rng(0)
  images = jnp.asarray(random.standard_normal((batch, 48, 48, 8), np.float32))
  kernel = jnp.asarray(random.standard_normal((3, 3, 8, 96), np.float32))
  fn = functools.partial(output_and_gradients, convolve)
  parts = 2 if batch == 4 else 1
  assert lowered(fn, images, kernel).count("stablehlo.convolution") == (
    2 * parts + 1
  )
  plain = functools.partial(reference, stride=1)
  chex.assert_trees_all_close(
    jax.jit(fn)(images, kernel),
    jax.jit(output_and_gradients, static_argnums=0)(plain, images, kernel),
    rtol=1e-4,
    atol=2e-3,
  )


@every_case
def test_products_of_windows_equal_lax(case):
  """What `vmap` batches, by itself."""
  images, kernel, stride = make(case)

  @jax.jit
  def products(images, kernel, cotangent):
    return (
      windows.convolve(stride, images, kernel),
      windows.image_gradient(stride, images.shape[1:3], cotangent, kernel),
      windows.kernel_gradient(stride, len(kernel), images, cotangent),
    )

  output, *gradients = expected(case)
  chex.assert_trees_all_close(
    products(images, kernel, cotangent_of(output)),
    (output, *gradients),
    rtol=1e-5,
    atol=3e-5,
  )


@pytest.mark.parametrize(
  ("images_batched", "kernel_batched"),
  [(True, True), (True, False), (False, True)],
)
@pytest.mark.parametrize("case", [CASES[1], CASES[4]], ids=str)
def test_rows_equal_single_runs(case, images_batched, kernel_batched, backend):
  images, kernel, stride = make(case, rows=(3,))
  images = images if images_batched else images[0]
  kernel = kernel if kernel_batched else kernel[0]
  fn = jax.jit(
    functools.partial(
      output_and_gradients, functools.partial(convolve, stride=stride)
    )
  )
  in_axes = (0 if images_batched else None, 0 if kernel_batched else None)
  rows = jax.vmap(fn, in_axes)(images, kernel)
  for index in range(3):
    single = fn(
      images[index] if images_batched else images,
      kernel[index] if kernel_batched else kernel,
    )
    row = jax.tree.map(lambda leaf, k=index: leaf[k], rows)
    chex.assert_trees_all_close(row, single, rtol=1e-5, atol=3e-5)


def test_two_candidate_axes(backend):
  images, kernel, stride = make(CASES[1], rows=(2, 3))
  fn = functools.partial(convolve, stride=stride)
  nested = jax.vmap(jax.vmap(fn))(images, kernel)
  for i, j in itertools.product(range(2), range(3)):
    chex.assert_trees_all_close(
      nested[i, j], fn(images[i, j], kernel[i, j]), rtol=1e-5, atol=3e-5
    )
  shared = jax.vmap(jax.vmap(fn, (0, None)), (0, None))(images, kernel[0, 0])
  chex.assert_trees_all_close(
    shared[1, 2], fn(images[1, 2], kernel[0, 0]), rtol=1e-5, atol=3e-5
  )


def lowered(fn, *arrays):
  """Returns the program of a convolution with its gradients."""
  return jax.jit(fn).lower(*arrays).as_text()


@pytest.mark.parametrize("case", [CASES[1], CASES[4]], ids=str)
def test_kernels_of_their_own_never_make_a_grouped_convolution(case, backend):
  images, kernel, stride = make(case, rows=(3,))
  fn = functools.partial(
    output_and_gradients, functools.partial(convolve, stride=stride)
  )
  text = lowered(jax.vmap(fn), images, kernel)
  assert not re.search(r"group_count = [^1]", text)
  # On a CPU one row after the other, elsewhere one batched product.
  assert ("stablehlo.while" in text) == (backend == "cpu")
  assert ("stablehlo.convolution" in text) == (backend == "cpu")


@pytest.mark.parametrize("rows", [(), (3,)], ids=str)
def test_a_shared_kernel_makes_plain_convolutions(backend, rows):
  images, kernel, stride = make(CASES[1], rows)
  fn = functools.partial(convolve, stride=stride)
  if rows:
    fn, kernel = jax.vmap(fn, (0, None)), kernel[0]
  text = lowered(fn, images, kernel)
  assert text.count("stablehlo.convolution") == 1
  assert "stablehlo.while" not in text
  assert "stablehlo.dot_general" not in text


def test_a_single_row_makes_plain_convolutions(backend):
  images, kernel, stride = make(CASES[1], rows=(1,))
  fn = functools.partial(
    output_and_gradients, functools.partial(convolve, stride=stride)
  )
  text = lowered(jax.vmap(fn), images, kernel)
  assert text.count("stablehlo.convolution") == 3
  assert "stablehlo.while" not in text
  chex.assert_trees_all_close(
    jax.vmap(fn)(images, kernel),
    jax.tree.map(lambda leaf: leaf[None], fn(images[0], kernel[0])),
    rtol=1e-5,
    atol=3e-5,
  )


@every_case
def test_all_axes_stand_where_loops_on_a_cpu_are_fast(case):
  """XLA:CPU turns axes of the outermost program only, never in a loop."""
  images, kernel, stride = make(case)
  fn = functools.partial(
    output_and_gradients, functools.partial(convolve, stride=stride)
  )
  text = lowered(fn, images, kernel)
  assert text.count("stablehlo.convolution") == text.count(
    "dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]"
  )
  assert "reverse = [true" not in text


@pytest.mark.parametrize("case", CASES[1:7:2], ids=str)
@pytest.mark.parametrize("rows", [(), (2,)], ids=str)
def test_equals_lax_in_a_loop(case, rows, backend):
  images, kernel, stride = make(case, rows)
  step = functools.partial(
    output_and_gradients, functools.partial(convolve, stride=stride)
  )
  plain = functools.partial(
    output_and_gradients, functools.partial(reference, stride=stride)
  )
  if rows:
    step, plain = jax.vmap(step), jax.vmap(plain)

  @jax.jit
  def in_loop(images, kernel):
    return lax.map(lambda _: step(images, kernel), jnp.arange(2))

  chex.assert_trees_all_close(
    jax.tree.map(lambda leaf: leaf[1], in_loop(images, kernel)),
    jax.jit(plain)(images, kernel),
    rtol=1e-5,
    atol=3e-5,
  )


@pytest.mark.parametrize("shared", ["images", "kernel"])
@pytest.mark.parametrize("width", [0, 1])
def test_rows_on_devices(backend, width, shared):
  """As searches run it: `shard_map`, then `vmap` or a loop."""
  images, kernels, stride = make(CASES[1], rows=(16,))

  def fn(row, common):
    def loss(row):
      images, kernel = (common, row) if shared == "images" else (row, common)
      return (convolve(images, kernel, stride) ** 2).sum()

    return jax.value_and_grad(loss)(row)

  row, common = (
    (kernels, images[0]) if shared == "images" else (images, kernels[0])
  )
  mesh = parallel.row_mesh(16)
  rows = parallel.over_rows(fn, mesh, width=width)(row, common)
  chex.assert_trees_all_close(
    jax.tree.map(lambda leaf: leaf[9], rows),
    fn(row[9], common),
    rtol=1e-4,
    atol=1e-4,
  )


def test_nothing_as_large_as_the_windows_is_kept_for_the_gradient():
  images, kernel, stride = make(CASES[0])
  _, transpose = jax.vjp(
    functools.partial(convolve, stride=stride), images, kernel
  )
  largest = max(leaf.size for leaf in jax.tree.leaves(transpose))
  assert largest == images.size


def test_module():
  images = make(CASES[1])[0]
  variables = Conv(4000, 3, 2).init(jax.random.key(0), images)
  kernel = variables["params"]["kernel"]
  chex.assert_shape(kernel, (3, 3, 3, 4000))
  # Kaiming normal, fan out.
  np.testing.assert_allclose(kernel.std(), (2 / 9 / 4000) ** 0.5, rtol=0.01)
  actual = Conv(4000, 3, 2).apply(variables, images)
  chex.assert_trees_all_close(
    actual, reference(images, kernel, 2), rtol=1e-5, atol=1e-5
  )
  low = Conv(4000, 3, 2, jnp.bfloat16).apply(variables, images)
  chex.assert_type(low, jnp.bfloat16)
