"""Picture types: which objects with which properties, and how to draw them.

A type says of the two properties of its experiment whether they hold. One
sampler per type, all put together from `placements`; `TYPES` is the table.
"""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np

from structcomp_jax.tasks.shapes import draws, placements
from structcomp_jax.tasks.shapes.contours import (
  ContourKind,
  Contours,
  draw_contours,
)

_LARGE = ContourKind(step=0.07, hole=0.2, tries=24)
_LARGE_NESTED = ContourKind(step=0.08, hole=0.2, tries=24)
_SMALL = ContourKind(step=0.01, hole=0.05, tries=1)
_CLUMPED = ContourKind(step=0.007, hole=0.05, tries=1)

_TOUCHING = placements.Spot(margin=0.0, tries=100, rounds=100)
_APART = placements.Spot(margin=0.2, tries=500, rounds=100)
_NESTED = placements.Spot(margin=0.0, tries=100, rounds=20)


@dataclasses.dataclass(frozen=True)
class Scenes:
  """Pictures to be made.

  Attributes:
    keys: uint64[n].
    problem_keys: uint64[n], shared by the pictures of a problem.
    number: int64[n], the number N of the problem, 2 or 3.
  """

  keys: np.ndarray
  problem_keys: np.ndarray
  number: np.ndarray

  def __getitem__(self, rows: np.ndarray) -> "Scenes":
    return Scenes(self.keys[rows], self.problem_keys[rows], self.number[rows])


@dataclasses.dataclass(frozen=True)
class Objects:
  """Objects of several pictures.

  Attributes:
    picture: int64[m], the picture that an object is in.
    order: int64[m], later ones are painted over earlier ones.
    contour: int64[m], index of the object's contour.
    size: float64[m], side of its box, in pictures.
    centre: float64[m, 2], in pictures.
    contours: the contours.
  """

  picture: np.ndarray
  order: np.ndarray
  contour: np.ndarray
  size: np.ndarray
  centre: np.ndarray
  contours: Contours

  def of_pictures(self, pictures: np.ndarray) -> "Objects":
    """The same objects when picture i is to be pictures[i]."""
    return dataclasses.replace(self, picture=pictures[self.picture])


Sampler = Callable[[Scenes], Objects]


def _stacked(
  contours: list[Contours], sizes: list[np.ndarray], centres: list[np.ndarray]
) -> Objects:
  """Objects of pictures that all have the same number of them."""
  count = len(sizes[0])
  return Objects(
    picture=np.tile(np.arange(count), len(sizes)),
    order=np.repeat(np.arange(len(sizes)), count),
    contour=np.arange(count * len(sizes)),
    size=np.concatenate(sizes),
    centre=np.concatenate(centres),
    contours=Contours.concatenate(tuple(contours)),
  )


# Inside and contact: a large object and a small one.


def _two_sizes(scenes: Scenes) -> tuple[np.ndarray, np.ndarray]:
  """Sizes of the large objects, and of the small ones in units of those."""
  large = draws.uniform(draws.fold_in(scenes.keys, "large size"), 0.25, 0.5)
  share = draws.uniform(draws.fold_in(scenes.keys, "share"), 1 / 4, 1 / 2.5)
  return large, share


def _large_centre(scenes: Scenes, size: np.ndarray) -> np.ndarray:
  return placements.box_in_picture(
    draws.fold_in(scenes.keys, "place"), np.repeat(size[:, None], 2, axis=1)
  )


def _small_contours(scenes: Scenes) -> Contours:
  return draw_contours(draws.fold_in(scenes.keys, "small"), _SMALL)


def _large_contours(scenes: Scenes) -> Contours:
  return draw_contours(draws.fold_in(scenes.keys, "large"), _LARGE)


def _inside(scenes: Scenes, *, contact: bool) -> Objects:
  size, share = _two_sizes(scenes)
  large, inner = placements.free_spots(
    draws.fold_in(scenes.keys, "large"),
    _LARGE,
    share,
    _TOUCHING if contact else _APART,
  )
  small = _small_contours(scenes)
  if contact:
    inner = placements.in_contact_inside(large, small, share, inner)
  centre = _large_centre(scenes, size)
  return _stacked(
    [large, small],
    [size, size * share],
    [centre, centre + size[:, None] * inner],
  )


def _outside_in_contact(scenes: Scenes) -> Objects:
  size, share = _two_sizes(scenes)
  contours = [_large_contours(scenes), _small_contours(scenes)]
  sizes = [size, size * share]
  clump_keys = draws.fold_in(scenes.keys, "clump")
  centres, extent = placements.clump(clump_keys, contours, sizes)
  place = placements.box_in_picture(draws.fold_in(scenes.keys, "place"), extent)
  return _stacked(contours, sizes, [place + centres[:, i] for i in range(2)])


def _outside_apart(scenes: Scenes) -> Objects:
  size, share = _two_sizes(scenes)
  centre = _large_centre(scenes, size)
  apart = placements.box_apart(
    draws.fold_in(scenes.keys, "small place"), centre, size * share, size
  )
  return _stacked(
    [_large_contours(scenes), _small_contours(scenes)],
    [size, size * share],
    [centre, apart],
  )


# Inside and count: nested pairs, and objects alone.


def _one_more_or_less(scenes: Scenes) -> np.ndarray:
  return np.where(draws.coin(draws.fold_in(scenes.keys, "more")), 1, -1)


def _nested(scenes: Scenes, *, inside: bool, count: bool) -> Objects:
  """Pairs in the first slots, lone objects in slots behind.

  Their numbers: N pairs; N + 1 or N - 1 if the count is wrong. Without
  "inside" one pair is torn apart, or an object is added to N or N - 1 pairs.
  """
  number = scenes.number
  if inside:
    pairs = number if count else number + _one_more_or_less(scenes)
    lone = _no_objects()
  elif count:
    pairs = number - 1
    lone = _torn_pair(number)
  else:
    fewer = draws.coin(draws.fold_in(scenes.keys, "fewer"))
    pairs = number - fewer
    lone = _one_object(scenes)
  return _fill_slots(scenes, pairs, lone)


@dataclasses.dataclass(frozen=True)
class _Lone:
  """Objects that are not part of a pair: int64[m] and bool[m] each."""

  picture: np.ndarray
  slot: np.ndarray
  large_contour: np.ndarray
  large_size: np.ndarray


def _no_objects() -> _Lone:
  none = np.zeros(0, np.int64)
  return _Lone(none, none, none.astype(bool), none.astype(bool))


def _torn_pair(number: np.ndarray) -> _Lone:
  pictures = np.arange(len(number))
  large = np.repeat([True, False], len(number))
  return _Lone(
    np.tile(pictures, 2), np.concatenate([number - 1, number]), large, large
  )


def _one_object(scenes: Scenes) -> _Lone:
  keys = draws.fold_in(scenes.keys, "lone")
  return _Lone(
    np.arange(len(keys)),
    scenes.number,
    draws.coin(draws.fold_in(keys, "contour")),
    draws.coin(draws.fold_in(keys, "size")),
  )


def _fill_slots(scenes: Scenes, pairs: np.ndarray, lone: _Lone) -> Objects:
  slot_keys = draws.fold_in(scenes.keys, "slots")
  centres, limit = placements.slots(slot_keys, scenes.number)
  slot_keys = draws.fold_in(slot_keys[:, None], np.arange(4))
  used = np.arange(4) <= scenes.number[:, None]
  limit = np.where(used, limit, 0.0)
  size = draws.uniform(draws.fold_in(slot_keys, "size"), limit / 2, limit)
  share = draws.uniform(draws.fold_in(slot_keys, "share"), 1 / 4, 1 / 2.5)
  large_keys = draws.fold_in(slot_keys, "large")
  small_keys = draws.fold_in(slot_keys, "small")

  paired = np.nonzero(np.arange(4) < pairs[:, None])
  outer, spots = placements.free_spots(
    large_keys[paired], _LARGE_NESTED, share[paired], _NESTED
  )
  alone = lone.picture, lone.slot
  is_large = lone.large_contour
  lone_large = draw_contours(large_keys[alone][is_large], _LARGE_NESTED)
  small = draw_contours(
    np.concatenate([small_keys[paired], small_keys[alone][~is_large]]), _SMALL
  )
  inner_centre = centres[paired] + size[paired][:, None] * spots
  lone_size = size[alone] * np.where(lone.large_size, 1, share[alone])
  return Objects(
    picture=np.concatenate(
      [paired[0], lone.picture[is_large], paired[0], lone.picture[~is_large]]
    ),
    order=np.concatenate(
      [
        2 * paired[1],
        np.full(is_large.sum(), 8),
        2 * paired[1] + 1,
        np.full((~is_large).sum(), 9),
      ]
    ),
    contour=np.arange(2 * len(outer) + len(is_large)),
    size=np.concatenate(
      [
        size[paired],
        lone_size[is_large],
        (size * share)[paired],
        lone_size[~is_large],
      ]
    ),
    centre=np.concatenate(
      [
        centres[paired],
        centres[alone][is_large],
        inner_centre,
        centres[alone][~is_large],
      ]
    ),
    contours=Contours.concatenate((outer, lone_large, small)),
  )


# Contact and count: objects of one contour and one size.


def _clumped(scenes: Scenes, *, contact: bool, count: bool) -> Objects:
  total = scenes.number
  if not count:
    more = draws.coin(draws.fold_in(scenes.keys, "more"))
    total = np.where(scenes.number == 2, 3, np.where(more, 4, 2))
  contour, contours = _shared_contours(scenes)
  largest = 0.9 / np.sqrt(4 * scenes.number)
  size_keys = draws.fold_in(scenes.problem_keys, "size")
  size = draws.uniform(size_keys, largest / 2, largest)
  clumped = total if contact else total - 1
  return _join_objects(
    [
      _one_clump(scenes, rows, contours[contour[rows]], size[rows], n, contact)
      for n in range(1, 5)
      if (rows := np.flatnonzero(clumped == n)).size
    ],
    contour,
    contours,
  )


def _shared_contours(scenes: Scenes) -> tuple[np.ndarray, Contours]:
  """Index int64[n] of every picture's contour: one for each problem."""
  problem_keys, contour = np.unique(scenes.problem_keys, return_inverse=True)
  shape_keys = draws.fold_in(problem_keys, "contour")
  return contour, draw_contours(shape_keys, _CLUMPED)


def _one_clump(
  scenes: Scenes,
  rows: np.ndarray,
  contours: Contours,
  size: np.ndarray,
  clumped: int,
  contact: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Rows [m], sizes [m] and centres [objects, m, 2] of pictures."""
  keys = scenes.keys[rows]
  centres, extent = placements.clump(
    draws.fold_in(keys, "clump"), [contours] * clumped, [size] * clumped
  )
  place_keys = draws.fold_in(keys, "place")
  if contact:
    place = placements.group(place_keys, extent)
    objects = place[:, None] + centres
  else:
    single = np.repeat(size[:, None], 2, axis=1)
    place, apart = placements.groups(place_keys, extent, single)
    objects = np.concatenate([place[:, None] + centres, apart[:, None]], axis=1)
  return rows, size, objects.transpose(1, 0, 2)


def _join_objects(
  parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]],
  contour: np.ndarray,
  contours: Contours,
) -> Objects:
  picture = np.concatenate([np.tile(rows, len(c)) for rows, _, c in parts])
  return Objects(
    picture=picture,
    order=np.concatenate(
      [np.repeat(np.arange(len(c)), len(rows)) for rows, _, c in parts]
    ),
    contour=contour[picture],
    size=np.concatenate([np.tile(size, len(c)) for _, size, c in parts]),
    centre=np.concatenate([c.reshape(-1, 2) for _, _, c in parts]),
    contours=contours,
  )


# {experiment: {(first property holds, second property holds): sampler}}
TYPES: dict[str, dict[tuple[bool, bool], Sampler]] = {
  "inside_contact": {
    (True, True): functools.partial(_inside, contact=True),
    (True, False): functools.partial(_inside, contact=False),
    (False, True): _outside_in_contact,
    (False, False): _outside_apart,
  },
  "inside_count": {
    (inside, count): functools.partial(_nested, inside=inside, count=count)
    for inside in (True, False)
    for count in (True, False)
  },
  "contact_count": {
    (contact, count): functools.partial(_clumped, contact=contact, count=count)
    for contact in (True, False)
    for count in (True, False)
  },
}
