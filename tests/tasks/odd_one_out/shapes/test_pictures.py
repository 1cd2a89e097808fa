"""Sizes, places, colours and ink are as in Lepori et al. 2023."""

import chex
import numpy as np
import pytest
from scipy import stats

from structcomp_jax.tasks.odd_one_out.shapes import drawing, draws
from structcomp_jax.tasks.odd_one_out.shapes.pictures import POLICIES
from structcomp_jax.tasks.odd_one_out.shapes.scenes import Scenes
from tests.tasks.odd_one_out.shapes import facts

_COUNT = 1000
_TYPES = [(True, True), (True, False), (False, True), (False, False)]


def _scenes(holds, count=_COUNT):
  problem_keys = draws.fold_in(np.full(1, 9, np.uint64), np.arange(count))
  return Scenes(
    keys=draws.fold_in(problem_keys, "picture"),
    problem_keys=problem_keys,
    number=2 + draws.coin(draws.fold_in(problem_keys, "number")),
    holds=np.tile(holds, (count, 1)),
  )


def _sample(experiment, holds, policy="published", count=_COUNT):
  return POLICIES[policy].samplers[experiment](_scenes(holds, count))


@pytest.fixture(scope="module")
def published():
  return {
    (experiment, holds): _sample(experiment, holds)
    for experiment in POLICIES["published"].samplers
    for holds in _TYPES
  }


def _offset(objects):
  """Distance of the second of two objects from the first, in sizes of it."""
  first, second = objects.order == 0, objects.order == 1
  distance = np.hypot(*(objects.centre[second] - objects.centre[first]).T)
  return distance / objects.size[first]


@pytest.mark.parametrize(
  ("holds", "percentiles", "mean"),
  [
    (_TYPES[0], (0.044, 0.091, 0.174, 0.231, 0.280, 0.338, 0.375), 0.225),
    (_TYPES[1], (0.012, 0.027, 0.065, 0.098, 0.135, 0.186, 0.222), 0.102),
    (_TYPES[2], (0.431, 0.507, 0.601, 0.646, 0.695, 0.792, 0.860), 0.647),
    (_TYPES[3], (0.687, 0.753, 0.970, 1.23, 1.61, 2.36, 2.9), 1.346),
  ],
)
def test_offsets_of_inside_contact(published, holds, percentiles, mean):
  offset = _offset(published["inside_contact", holds])
  facts.assert_percentiles(offset, percentiles, rounding=0.0005)
  facts.assert_mean(offset, mean, rounding=0.0005)


@pytest.mark.parametrize("holds", _TYPES)
def test_sizes_of_inside_contact(published, holds):
  objects = published["inside_contact", holds]
  large, small = (objects.size[objects.order == i] for i in (0, 1))
  for values, low, high in ((large, 0.25, 0.5), (small / large, 0.25, 0.4)):
    uniform = stats.uniform(low, high - low).cdf
    assert stats.kstest(values, uniform).pvalue > 1e-4


def _area(contours):
  x, y = contours.points.astype(float)
  following = np.arange(1, len(x) + 1)
  following[contours.starts[1:] - 1] = contours.starts[:-1]
  cross = x * y[following] - x[following] * y
  return np.add.reduceat(cross, contours.starts[:-1]) / 2


def _large_area(objects):
  return _area(objects.contours)[objects.contour[objects.order == 0]]


@pytest.mark.parametrize(
  ("holds", "area"),
  [(_TYPES[0], 0.610), (_TYPES[1], 0.640), (_TYPES[2], 0.610)],
)
def test_pictures_without_contact_inside_have_roomy_outlines(
  published, holds, area
):
  found = _large_area(published["inside_contact", holds])
  facts.assert_mean(found, area, rounding=0.0005)


def test_balanced_pictures_do_not_tell_contact_inside():
  touching, apart = (
    _sample("inside_contact", holds, "balanced", 200) for holds in _TYPES[:2]
  )
  chex.assert_trees_all_equal(_large_area(touching), _large_area(apart))
  np.testing.assert_allclose(_offset(touching), _offset(apart), atol=1e-6)
  outside = _sample("inside_contact", (False, False), "balanced", 200)
  chex.assert_trees_all_equal(_large_area(touching), _large_area(outside))


@pytest.mark.parametrize(
  ("number", "percentiles", "mean"),
  [
    (2, (0.162, 0.178, 0.220, 0.266, 0.312, 0.386, 0.442), 0.271),
    (3, (0.123, 0.137, 0.174, 0.211, 0.251, 0.327, 0.391), 0.218),
  ],
)
def test_sizes_of_inside_count(published, number, percentiles, mean):
  objects = published["inside_count", (True, True)]
  chosen = _scenes((True, True)).number[objects.picture] == number
  large = objects.size[chosen & (objects.order % 2 == 0)]
  facts.assert_percentiles(large, percentiles, rounding=0.0005)
  facts.assert_mean(large, mean, rounding=0.0005)


def _pairs(objects):
  """Rows of the large and the small objects of all nested pairs."""
  order = np.lexsort((objects.order, objects.picture))
  picture, place = objects.picture[order], objects.order[order]
  first = np.flatnonzero(
    (picture[1:] == picture[:-1])
    & (place[1:] == place[:-1] + 1)
    & (place[:-1] % 2 == 0)
    & (place[1:] < 10)
  )
  return order[first], order[first + 1]


def test_nested_pairs_of_inside_count(published):
  objects = published["inside_count", (True, True)]
  large, small = _pairs(objects)
  assert len(large) * 2 == len(objects.size)
  share = objects.size[small] / objects.size[large]
  assert stats.kstest(share, stats.uniform(0.25, 0.15).cdf).pvalue > 1e-4
  distance = np.hypot(*(objects.centre[small] - objects.centre[large]).T)
  offset = distance / objects.size[large]
  percentiles = (0.020, 0.047, 0.109, 0.164, 0.222, 0.300, 0.350)
  facts.assert_percentiles(offset, percentiles, rounding=0.0005)
  facts.assert_mean(offset, 0.167, rounding=0.0005)


@pytest.mark.parametrize(
  ("holds", "less_two_n"),
  [
    (_TYPES[0], {0: 1.0}),
    (_TYPES[1], {-2: 0.5, 2: 0.5}),
    (_TYPES[2], {0: 1.0}),
    (_TYPES[3], {-1: 0.5, 1: 0.5}),
  ],
)
def test_objects_of_inside_count(published, holds, less_two_n):
  counts = np.bincount(published["inside_count", holds].picture)
  _assert_shares(counts - 2 * _scenes(holds).number, less_two_n)


@pytest.mark.parametrize("holds", _TYPES)
def test_balanced_inside_count_is_even(holds):
  objects = _sample("inside_count", holds, "balanced")
  change = np.bincount(objects.picture) - 2 * _scenes(holds).number
  _assert_shares(change, {0: 1.0} if holds[1] else {-2: 0.5, 2: 0.5})
  pairs = np.bincount(objects.picture[_pairs(objects)[0]], minlength=_COUNT)
  assert (2 * pairs == np.bincount(objects.picture)).all() == holds[0]


@pytest.mark.parametrize("holds", _TYPES)
def test_objects_of_contact_count(published, holds):
  counts = np.bincount(published["contact_count", holds].picture)
  number = _scenes(holds).number
  if holds[1]:
    chex.assert_trees_all_equal(counts, number)
  else:
    assert (counts[number == 2] == 3).all()
    _assert_shares(counts[number == 3], {2: 0.5, 4: 0.5})


def _assert_shares(values, shares):
  found, counts = np.unique(values, return_counts=True)
  assert found.tolist() == sorted(shares)
  if len(found) > 1:
    expected = [shares[value] * len(values) for value in found]
    assert stats.chisquare(counts, expected).pvalue > 1e-4


def _distances_to_nearest(objects, rows_of_picture):
  for rows in rows_of_picture:
    centres = objects.centre[rows]
    apart = np.hypot(*(centres[:, None] - centres).transpose(2, 0, 1))
    np.fill_diagonal(apart, np.inf)
    yield apart.min(1) / objects.size[rows]


@pytest.mark.parametrize(
  ("count", "holds", "percentiles", "mean"),
  [
    (2, _TYPES[0], (0.630, 0.735, 0.908, 0.974, 1.04, 1.19, 1.30), 0.972),
    (3, _TYPES[0], (0.591, 0.718, 0.880, 0.959, 1.01, 1.16, 1.27), 0.946),
    (4, _TYPES[1], (0.537, 0.696, 0.862, 0.947, 1.00, 1.15, 1.26), 0.933),
  ],
)
def test_neighbours_in_clumps(published, count, holds, percentiles, mean):
  objects = published["contact_count", holds]
  counts = np.bincount(objects.picture)
  rows = [
    np.flatnonzero(objects.picture == picture)
    for picture in np.flatnonzero(counts == count)
  ]
  # Objects of a clump are not independent, so the error is that of one of each.
  nearest = [near[0] for near in _distances_to_nearest(objects, rows)]
  all_nearest = np.concatenate(list(_distances_to_nearest(objects, rows)))
  error = np.std(nearest) * np.sqrt(1 / len(nearest) + 1 / 1000)
  assert abs(all_nearest.mean() - mean) < 4 * error + 0.0005
  shares = [np.mean(all_nearest <= value) for value in percentiles]
  for percent, share in zip(facts.PERCENTS, shares, strict=True):
    expected = percent / 100
    error = np.sqrt(expected * (1 - expected) * (1 / len(nearest) + 1 / 1000))
    assert abs(share - expected) < 4 * error + 0.02


def test_one_contour_and_size_per_problem():
  scenes = _scenes((True, True), 50)
  twice = Scenes(
    keys=draws.fold_in(scenes.keys[:, None], np.arange(2)).ravel(),
    problem_keys=np.repeat(scenes.problem_keys, 2),
    number=np.repeat(scenes.number, 2),
    holds=np.repeat(scenes.holds, 2, axis=0),
  )
  objects = POLICIES["published"].samplers["contact_count"](twice)
  problem = objects.picture // 2
  for values in (objects.contour, objects.size):
    assert len(np.unique(np.stack([problem, values]), axis=1).T) == 50
  largest = 0.9 / np.sqrt(4 * scenes.number[problem])
  assert (objects.size <= largest).all()
  assert (objects.size >= largest / 2).all()


def _draw(objects, policy="published"):
  keys = _scenes((True, True)).keys
  pictures = np.full((_COUNT, drawing.SIDE, drawing.SIDE, 3), 255, np.uint8)
  colours = POLICIES[policy].colours(objects, keys)
  drawing.draw(pictures, objects, colours)
  return pictures, colours


# {object count: per cent of pixels that are not white, mean}
_INK = {
  ("inside_contact", _TYPES[0]): {2: 1.198},
  ("inside_contact", _TYPES[1]): {2: 1.210},
  ("inside_contact", _TYPES[2]): {2: 1.204},
  ("inside_contact", _TYPES[3]): {2: 1.210},
  ("inside_count", _TYPES[0]): {4: 1.714, 6: 2.039},
  ("inside_count", _TYPES[1]): {2: 0.872, 4: 1.360, 6: 2.578, 8: 2.716},
  ("inside_count", _TYPES[2]): {4: 1.727, 6: 2.046},
  ("inside_count", _TYPES[3]): {3: 1.327, 5: 1.952, 7: 2.385},
  ("contact_count", _TYPES[0]): {2: 1.459, 3: 1.768},
  ("contact_count", _TYPES[1]): {2: 1.173, 3: 2.180, 4: 2.349},
  ("contact_count", _TYPES[2]): {2: 1.462, 3: 1.774},
  ("contact_count", _TYPES[3]): {2: 1.195, 3: 2.189, 4: 2.390},
}


@pytest.mark.parametrize(("experiment", "holds"), _INK)
def test_ink(published, experiment, holds):
  objects = published[experiment, holds]
  pictures, _ = _draw(objects)
  ink = 100 * (pictures != 255).any(3).mean((1, 2))
  counts = np.bincount(objects.picture)
  for count, mean in _INK[experiment, holds].items():
    assert len(ink[counts == count]) > 50
    # The standard errors of the known means are at most 0.02.
    error = np.hypot(
      ink[counts == count].std() / np.sqrt(sum(counts == count)), 0.02
    )
    assert abs(ink[counts == count].mean() - mean) < 4 * error


def test_published_colours(published):
  objects = published["inside_count", (True, True)]
  _, colours = _draw(objects)
  largest, smallest = colours.max(1), colours.min(1)
  assert stats.chisquare(np.histogram(largest, 16, (0, 255))[0]).pvalue > 1e-4
  assert smallest.max() <= 128
  facts.assert_percentiles(
    largest, (None, 13, 64, 128, 191, 242, None), rounding=0.5
  )
  facts.assert_percentiles(
    smallest, (None, 1, 9, 24, 47, 89, None), rounding=0.5
  )


def test_balanced_colours_can_be_told_apart():
  objects = _sample("inside_count", (True, False), "balanced")
  _, colours = _draw(objects, "balanced")
  assert colours.max(1).min() >= 63
  for picture in range(0, _COUNT, 20):
    own = colours[objects.picture == picture]
    apart = np.abs(own[:, None] - own).max(2)
    assert apart[~np.eye(len(own), dtype=bool)].min() >= 40
