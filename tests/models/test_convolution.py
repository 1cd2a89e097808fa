"""The convolution: `lax`'s numbers from matrix products, also batched."""

import functools
import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from structcomp_jax import parallel
from structcomp_jax.models import convolution
from structcomp_jax.models.convolution import Conv, convolve

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


def output_and_gradients(fn, images, kernel):
  """Returns the output and the gradients for a dense cotangent."""
  output, transpose = jax.vjp(fn, images, kernel)
  random = np.random.default_rng(1).standard_normal(output.shape, np.float32)
  return output, *transpose(jnp.asarray(random))


@pytest.fixture(params=["cpu", "other"])
def backend(request, monkeypatch):
  """Both ways to compute; the second computes with `lax` unless batched."""
  monkeypatch.setattr(jax, "default_backend", lambda: request.param)
  return request.param


@every_case
def test_equals_lax_with_both_gradients(case, backend):
  images, kernel, stride = make(case)
  actual, expected = (
    jax.jit(output_and_gradients, static_argnums=0)(
      functools.partial(fn, stride=stride), images, kernel
    )
    for fn in (convolve, reference)
  )
  chex.assert_trees_all_close(actual, expected, rtol=1e-5, atol=3e-5)


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


@pytest.mark.parametrize("case", [CASES[1], CASES[4]], ids=str)
def test_kernels_of_their_own_never_make_a_convolution(case, backend):
  images, kernel, stride = make(case, rows=(3,))
  fn = functools.partial(
    output_and_gradients, functools.partial(convolve, stride=stride)
  )
  text = jax.jit(jax.vmap(fn)).lower(images, kernel).as_text()
  assert "stablehlo.convolution" not in text
  assert "stablehlo.dot_general" in text


def test_shared_kernels_make_a_plain_convolution_but_not_on_cpu(backend):
  images, kernel, stride = make(CASES[1], rows=(3,))
  fn = jax.vmap(functools.partial(convolve, stride=stride), (0, None))
  text = jax.jit(fn).lower(images, kernel[0]).as_text()
  assert ("stablehlo.convolution" in text) == (backend == "other")
  assert "feature_group_count = 3" not in text


def test_a_single_row_makes_a_plain_convolution_but_not_on_cpu(backend):
  images, kernel, stride = make(CASES[1], rows=(1,))
  fn = functools.partial(
    output_and_gradients, functools.partial(convolve, stride=stride)
  )
  text = jax.jit(jax.vmap(fn)).lower(images, kernel).as_text()
  assert ("stablehlo.convolution" in text) == (backend == "other")
  chex.assert_trees_all_close(
    jax.vmap(fn)(images, kernel),
    jax.tree.map(lambda leaf: leaf[None], fn(images[0], kernel[0])),
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


def test_outside_of_loops_the_backend_computes_it():
  images, kernel = jnp.ones((2, 8, 8, 3)), jnp.ones((3, 3, 3, 4))

  def network(images, kernel):
    return convolve(images, kernel, 2)

  def primitives():
    return str(jax.make_jaxpr(lambda *args: network(*args))(images, kernel))

  matmul = network(images, kernel)
  assert "conv_general_dilated" not in primitives()
  with convolution.outside_of_loops():
    assert "conv_general_dilated" in primitives()
    chex.assert_trees_all_close(network(images, kernel), matmul, atol=1e-5)
  assert "conv_general_dilated" not in primitives()
