"""Where the lines of pictures are."""

import numpy as np
import pytest

from structcomp_jax.tasks.odd_one_out import nonsense, shapes
from structcomp_jax.tasks.odd_one_out.shapes import appearance

BANDS = appearance.NUM_BANDS
SIDE = 2 * BANDS


def picture(row, column, colour=(0, 0, 0)):
  pixels = np.full((1, SIDE, SIDE, 3), 255, np.uint8)
  pixels[0, row, column] = colour
  return pixels


def test_every_band_is_found():
  for row in range(SIDE):
    for column in range(SIDE):
      found = appearance.bands(picture(row, column))
      np.testing.assert_array_equal(found, [[row // 2, column // 2]])


def test_a_line_is_where_its_middle_is():
  for rows in (slice(0, 5), slice(0, SIDE)):
    found = appearance.bands(picture(rows, 3, (10, 200, 30)))
    np.testing.assert_array_equal(found, [[rows.stop // 2 // 2, 1]])


def test_darker_lines_weigh_more():
  pixels = picture(0, 0, (250, 250, 250))
  pixels[0, 0, -1] = 0
  np.testing.assert_array_equal(appearance.bands(pixels), [[0, BANDS - 1]])


def test_pictures_of_all_chunks_keep_their_order(monkeypatch):
  pictures = np.concatenate([picture(0, column) for column in range(7)])
  whole = appearance.bands(pictures)
  monkeypatch.setattr(appearance, "_CHUNK", 2)
  np.testing.assert_array_equal(appearance.bands(pictures), whole)
  np.testing.assert_array_equal(whole[:, 1], np.arange(7) // 2)


@pytest.mark.parametrize("experiment", shapes.EXPERIMENTS)
def test_random_bits_divide_the_pictures(experiment):
  """A property that hardly any picture has would be dealt from a few."""
  problems = shapes.make_problems(f"{experiment}.base", "train", range(100))
  bands = appearance.bands(problems.reshape(-1, *problems.shape[2:]))
  for seed in range(10):
    bits = nonsense.random_bits(range(BANDS), seed)
    has = np.array([bits[band] for band in bands.ravel()]).reshape(bands.shape)
    assert (has.mean(0) > 0.1).all()
    assert (has.mean(0) < 0.9).all()
