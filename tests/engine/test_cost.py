"""Arithmetic is counted as the compiler counts it, but for loops."""

import jax
import jax.numpy as jnp
import pytest

from structcomp_jax.engine import cost
from structcomp_jax.models.layers.convolution import convolve

IMAGES = jnp.ones((2, 8, 7, 4))
KERNEL = jnp.ones((3, 2, 4, 6))


def counted(function, *arguments):
  """Returns what XLA counts."""
  return jax.jit(function).lower(*arguments).cost_analysis()["flops"]


@pytest.mark.parametrize(
  ("stride", "padding", "apart", "groups"),
  [
    (1, (0, 0), (1, 1), 1),
    (2, (1, 1), (1, 1), 1),
    (1, (1, 2), (2, 1), 2),
    (2, (2, 1), (1, 2), 1),
  ],
)
def test_convolutions_leave_out_padding_and_holes(
  stride, padding, apart, groups
):
  def function(images, kernel):
    return jax.lax.conv_general_dilated(
      images,
      kernel,
      (stride, 1),
      [padding, (0, 1)],
      lhs_dilation=(apart[0], 1),
      rhs_dilation=(1, apart[1]),
      dimension_numbers=("NHWC", "HWIO", "NHWC"),
      feature_group_count=groups,
    )

  arguments = IMAGES, KERNEL[:, :, : 4 // groups]
  assert cost.product_flops(function, *arguments) == counted(
    function, *arguments
  )


def test_every_turn_of_a_loop_counts():
  kernel = jnp.ones((3, 3, 4, 6))
  one = cost.product_flops(lambda kernel: convolve(IMAGES, kernel), kernel)
  kernels = jnp.stack([kernel] * 5)

  def many(kernels):
    return jax.lax.map(lambda kernel: convolve(IMAGES, kernel), kernels)

  assert cost.product_flops(many, kernels) == 5 * one
  assert cost.product_flops(many, kernels, repeats=False) == one


def test_what_no_result_depends_on_does_not_count():
  kernel = jnp.ones((3, 3, 4, 6))

  def loss(kernel):
    return convolve(IMAGES, kernel).sum()

  # The gradient of a sum needs no output, and that in the images nobody asks.
  found = cost.product_flops(jax.grad(loss), kernel)
  assert found == counted(jax.grad(loss), kernel)
  assert found == cost.product_flops(loss, kernel)
