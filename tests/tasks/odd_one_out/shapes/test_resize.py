"""Pictures at a smaller size."""

import numpy as np
import pytest

from structcomp_jax.tasks.odd_one_out.shapes import resize
from structcomp_jax.types import UserError


def pictures(count=3, side=8):
  rng = np.random.default_rng(0)
  return rng.integers(0, 256, (count, 4, side, side, 3), np.uint8)


@pytest.mark.parametrize("how", resize.RESIZES)
def test_same_size_is_the_same(how):
  images = pictures()
  assert resize.resize(images, 8, how) is images


@pytest.mark.parametrize("how", resize.RESIZES)
def test_one_colour_stays(how):
  images = np.full((2, 4, 8, 8, 3), 77, np.uint8)
  small = resize.resize(images, 2, how)
  assert small.shape == (2, 4, 2, 2, 3)
  assert (small == 77).all()


def test_what_a_line_becomes():
  images = np.full((1, 1, 4, 4, 3), 255, np.uint8)
  images[..., 1, :, :] = 0
  area = resize.resize(images, 2, "area")[0, 0, :, 0, 0]
  darkest = resize.resize(images, 2, "darkest")[0, 0, :, 0, 0]
  np.testing.assert_array_equal(area, [128, 255])
  np.testing.assert_array_equal(darkest, [0, 255])


def test_every_problem_is_reduced(monkeypatch):
  images = pictures(count=5)
  whole = resize.resize(images, 4, "area")
  monkeypatch.setattr(resize, "_CHUNK", 2)
  np.testing.assert_array_equal(resize.resize(images, 4, "area"), whole)


def test_a_size_that_does_not_divide():
  with pytest.raises(UserError, match="choose a divisor of 8"):
    resize.resize(pictures(), 3, "area")
