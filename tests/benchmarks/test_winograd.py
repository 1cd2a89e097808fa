"""Winograd's products are the project's convolution, with both gradients."""

import chex
import jax
import numpy as np

from benchmarks import winograd
from structcomp_jax.models.layers.convolution import convolve


def test_output_and_gradients_are_those_of_the_convolution():
  random = np.random.default_rng(0)
  images, kernel, slope = (
    random.standard_normal(shape).astype("float32")
    for shape in ((2, 6, 8, 3), (3, 3, 3, 5), (2, 6, 8, 5))
  )
  expected, transpose = jax.vjp(convolve, images, kernel)
  found, its_transpose = jax.vjp(winograd.convolve, images, kernel)
  chex.assert_trees_all_close(found, expected, rtol=1e-5, atol=1e-4)
  chex.assert_trees_all_close(
    its_transpose(slope), transpose(slope), rtol=1e-5, atol=1e-4
  )
