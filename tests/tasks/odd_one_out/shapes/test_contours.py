"""Contours are distributed as in the pictures of Lepori et al. 2023."""

import chex
import numpy as np
import pytest

from structcomp_jax.tasks.odd_one_out.shapes import contours, draws
from structcomp_jax.tasks.odd_one_out.shapes.contours import ContourKind
from tests.tasks.odd_one_out.shapes import facts

_COUNT = 3000
_KINDS = {
  "large": ContourKind(step=0.07, hole=0.2, tries=24, batch=8192),
  "large_nested": ContourKind(step=0.08, hole=0.2, tries=24, batch=8192),
  "small": ContourKind(step=0.01, hole=0.05, tries=1, batch=2048),
  "clumped": ContourKind(step=0.007, hole=0.05, tries=1, batch=2048),
}
# Percentiles of the number of vertices and of the area, medians of the
# perimeter, mean distances of vertices from the centre.
_KNOWN = {
  "large": (
    (37, 40, 44, 47, 49, 53, 56),
    (0.45, 0.49, 0.56, 0.61, 0.66, 0.74, 0.78),
    3.27,
    0.452,
  ),
  "large_nested": (
    (32, 35, 38, 41, 43, 46, 48),
    (0.45, 0.50, 0.56, 0.61, 0.66, 0.74, 0.77),
    3.26,
    0.453,
  ),
  "small": (
    (187, 216, 264, 295, 323, 360, 381),
    (0.25, 0.33, 0.44, 0.51, 0.58, 0.67, 0.73),
    3.51,
    0.429,
  ),
  "clumped": (
    (255, 312, 380, 427, 471, 520, 549),
    (0.26, 0.34, 0.44, 0.51, 0.58, 0.67, 0.73),
    3.55,
    0.429,
  ),
}


def _keys(count):
  return draws.fold_in(np.full(1, 5, np.uint64), np.arange(count))


@pytest.fixture(scope="module", params=_KINDS)
def drawn(request):
  return request.param, contours.draw_contours(
    _keys(_COUNT), _KINDS[request.param]
  )


def _following(shapes):
  following = np.arange(1, shapes.points.shape[1] + 1)
  following[shapes.starts[1:] - 1] = shapes.starts[:-1]
  return shapes.points.astype(float)[:, following]


def _area(shapes):
  (x, y), (next_x, next_y) = shapes.points.astype(float), _following(shapes)
  return np.add.reduceat(x * next_y - next_x * y, shapes.starts[:-1]) / 2


def test_vertices(drawn):
  name, shapes = drawn
  facts.assert_percentiles(shapes.lengths, _KNOWN[name][0], rounding=1)


def test_area(drawn):
  name, shapes = drawn
  facts.assert_percentiles(_area(shapes), _KNOWN[name][1], rounding=0.005)


def test_perimeter(drawn):
  name, shapes = drawn
  edges = np.hypot(*(_following(shapes) - shapes.points))
  perimeter = np.add.reduceat(edges, shapes.starts[:-1])
  # The standard error of a median is that of a mean times sqrt(pi / 2).
  error = perimeter.std() * np.sqrt(np.pi / 2 * 2 / _COUNT)
  assert abs(np.median(perimeter) - _KNOWN[name][2]) < 4 * error + 0.005


def test_distance_from_the_centre(drawn):
  name, shapes = drawn
  distance = np.hypot(*shapes.points.astype(float))
  per_shape = np.add.reduceat(distance, shapes.starts[:-1])
  # Vertices of one shape are not independent, but means of shapes are.
  error = (per_shape / shapes.lengths).std() * np.sqrt(2 / _COUNT)
  assert abs(distance.mean() - _KNOWN[name][3]) < 4 * error + 0.0005


def test_boxes_are_filled_and_shapes_go_round_once(drawn):
  _, shapes = drawn
  for reduce, side in ((np.minimum, -0.5), (np.maximum, 0.5)):
    corner = reduce.reduceat(shapes.points, shapes.starts[:-1], axis=1)
    np.testing.assert_allclose(corner, side, atol=1e-6)
  assert (_area(shapes) > 0).all()


def test_turned_by_any_angle(drawn):
  """Without the rotation the corners of the ring would stay empty."""
  _, shapes = drawn
  first = shapes.points[:, shapes.starts[:-1]]
  angle = np.arctan2(*first)
  counts = np.histogram(angle, 8, (-np.pi, np.pi))[0]
  assert counts.min() > _COUNT / 8 / 2


def test_a_shape_depends_on_its_key_alone(drawn):
  name, shapes = drawn
  some = np.array([2999, 0, 17, 1234])
  again = contours.draw_contours(_keys(_COUNT)[some], _KINDS[name])
  chex.assert_trees_all_equal(again.points, shapes[some].points)
  chex.assert_trees_all_equal(again.lengths, shapes.lengths[some])


@pytest.mark.parametrize(
  ("name", "share"),
  [("large", 0.088), ("large_nested", 0.091), ("small", 0.753)],
)
def test_share_of_tries_that_are_accepted(name, share):
  accepted, _ = contours.draw_tries(_keys(_COUNT), _KINDS[name])
  error = np.sqrt(share * (1 - share) * 2 / _COUNT)
  assert abs(accepted.mean() - share) < 4 * error


def test_no_keys_no_shapes():
  shapes = contours.draw_contours(_keys(0), _KINDS["small"])
  assert (len(shapes), shapes.points.shape) == (0, (2, 0))


def test_padding_repeats_the_last_vertex():
  shapes = contours.draw_contours(_keys(5), _KINDS["large"])
  padded = shapes.padded()
  for i, (start, stop) in enumerate(
    zip(shapes.starts[:-1], shapes.starts[1:], strict=True)
  ):
    own = padded[:, i, : stop - start]
    chex.assert_trees_all_equal(own, shapes.points[:, start:stop])
    assert (padded[:, i, stop - start :] == own[:, -1:]).all()
