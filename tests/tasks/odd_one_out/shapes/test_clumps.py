"""Objects brought into contact."""

import numpy as np
import pytest

from structcomp_jax.tasks.odd_one_out.shapes import clumps, draws
from structcomp_jax.tasks.odd_one_out.shapes.contours import (
  ContourKind,
  draw_contours,
)

_KIND = ContourKind(step=0.02, hole=0.05, tries=1, batch=2048)


def _keys(count, seed):
  return draws.fold_in(np.full(1, seed, np.uint64), np.arange(count))


@pytest.mark.parametrize(("i", "j"), [(1, 1), (16, 3), (70, 200), (300, 150)])
def test_closest_pair_is_the_closest(i, j):
  random = np.random.default_rng(0)
  a = random.normal(size=(2, 40, i)).astype(np.float32)
  b = random.normal(size=(2, 40, j)).astype(np.float32) + np.float32(1.5)
  from_a, from_b = clumps.closest_pair(a, b)
  apart = np.hypot(*(a[:, :, :, None] - b[:, :, None]))
  found = np.hypot(*(from_a - from_b).T)
  np.testing.assert_allclose(found, apart.min((1, 2)), rtol=1e-5)
  for points, chosen in ((a, from_a), (b, from_b)):
    assert (points == chosen.T[:, :, None]).all(0).any(1).all()


def test_clump_members_touch_and_fill_the_box():
  keys = _keys(60, 1)
  members = [draw_contours(_keys(60, 2 + i), _KIND) for i in range(3)]
  sizes = [draws.uniform(_keys(60, 8 + i), 0.1, 0.3) for i in range(3)]
  centres, extent = clumps.clump(keys, members, sizes)
  vertices = [
    member.padded() * size[:, None] + centres[:, i].T[:, :, None]
    for i, (member, size) in enumerate(zip(members, sizes, strict=True))
  ]
  joined = np.concatenate(vertices, axis=2)
  np.testing.assert_allclose(joined.min(2).T, -extent / 2, atol=1e-6)
  np.testing.assert_allclose(joined.max(2).T, extent / 2, atol=1e-6)
  for i in (1, 2):
    others = np.concatenate(vertices[:i], axis=2)
    apart = np.hypot(*(vertices[i][:, :, :, None] - others[:, :, None]))
    # Objects are pulled together by 1/32 of about the size of the clump.
    assert apart.min((1, 2)).max() < 0.03


def test_single_member_is_its_own_clump():
  contours = draw_contours(_keys(5, 1), _KIND)
  size = np.full(5, 0.25)
  centres, extent = clumps.clump(_keys(5, 2), [contours], [size])
  np.testing.assert_array_equal(centres, np.zeros((5, 1, 2)))
  np.testing.assert_array_equal(extent, np.full((5, 2), 0.25))


def test_contact_inside_pulls_back_by_a_32nd():
  """A square of side 0.2 in one of side 1, moved right from the middle."""

  def square(points_per_side):
    side = np.linspace(-0.5, 0.5, points_per_side, dtype=np.float32)
    edge = np.full_like(side, 0.5)
    x = np.concatenate([side, edge, -side, -edge])
    y = np.concatenate([-edge, side, edge, -side])
    starts = np.array([0, len(x)])
    return type(draw_contours(_keys(1, 0), _KIND))(np.stack([x, y]), starts)

  centre = clumps.in_contact_inside(
    square(101), square(21), np.array([0.2]), np.array([[0.25, 0.005]])
  )
  np.testing.assert_allclose(centre[0, 0], 0.4 * 31 / 32, atol=1e-6)
  assert abs(centre[0, 1]) < 0.02
