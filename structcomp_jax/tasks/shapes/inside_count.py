"""Pictures about inside and count: nested pairs, and objects alone.

A sampler per type; a type says whether all objects are in nested pairs, and
whether there are as many objects as in N pairs.
"""

import dataclasses
import functools

import numpy as np

from structcomp_jax.tasks.shapes import draws, placements, spots
from structcomp_jax.tasks.shapes.contours import ContourKind, draw_contours
from structcomp_jax.tasks.shapes.scenes import Objects, Scenes, one_each

_LARGE = ContourKind(step=0.08, hole=0.2, tries=24)
_SMALL = ContourKind(step=0.01, hole=0.05, tries=1)
_NESTED = spots.Spot(margin=0.0, tries=100, rounds=20)


@dataclasses.dataclass(frozen=True)
class _Lone:
  """Objects that are not part of a pair: int64[m] and bool[m] each."""

  picture: np.ndarray
  slot: np.ndarray
  large_contour: np.ndarray
  large_size: np.ndarray


def _published(scenes: Scenes, *, inside: bool, count: bool) -> Objects:
  """N + 1 slots. Without both properties one object is alone."""
  pairs, lone = _pairs_and_lone(scenes, inside=inside, count=count)
  if not inside and not count:
    pairs = scenes.number - draws.coin(draws.fold_in(scenes.keys, "fewer"))
    lone = _one_object(scenes)
  return _fill_slots(scenes, pairs, lone, scenes.number + 1)


def _balanced(scenes: Scenes, *, inside: bool, count: bool) -> Objects:
  """N + 2 slots, so that a torn pair can be added: all totals are even."""
  pairs, lone = _pairs_and_lone(scenes, inside=inside, count=count)
  return _fill_slots(scenes, pairs, lone, scenes.number + 2)


def _pairs_and_lone(
  scenes: Scenes, *, inside: bool, count: bool
) -> tuple[np.ndarray, _Lone]:
  """N pairs, or one more or less; without "inside" the last is torn apart."""
  pairs = scenes.number
  if not count:
    more = draws.coin(draws.fold_in(scenes.keys, "more"))
    pairs = pairs + np.where(more, 1, -1)
  if inside:
    return pairs, _no_objects()
  return pairs - 1, _torn_pair(pairs - 1)


def _no_objects() -> _Lone:
  none = np.zeros(0, np.int64)
  return _Lone(none, none, none.astype(bool), none.astype(bool))


def _torn_pair(slot: np.ndarray) -> _Lone:
  """A large object in the slot given, a small one in the next."""
  pictures = np.arange(len(slot))
  large = np.repeat([True, False], len(slot))
  return _Lone(
    np.tile(pictures, 2), np.concatenate([slot, slot + 1]), large, large
  )


def _one_object(scenes: Scenes) -> _Lone:
  """Contour and size of a large or a small one, each by a coin of its own."""
  keys = draws.fold_in(scenes.keys, "lone")
  return _Lone(
    np.arange(len(keys)),
    scenes.number,
    draws.coin(draws.fold_in(keys, "contour")),
    draws.coin(draws.fold_in(keys, "size")),
  )


def _fill_slots(
  scenes: Scenes, pairs: np.ndarray, lone: _Lone, slots: np.ndarray
) -> Objects:
  """Pairs in the first of the slots drawn, lone objects where they say."""
  keys = draws.fold_in(scenes.keys, "slots")
  centres, limit = placements.slots(keys, slots)
  keys = draws.fold_in(keys[:, None], np.arange(placements.MAX_SLOTS))
  size = draws.uniform(draws.fold_in(keys, "size"), limit / 2, limit)
  share = draws.uniform(draws.fold_in(keys, "share"), 1 / 4, 1 / 2.5)
  large_keys = draws.fold_in(keys, "large")
  small_keys = draws.fold_in(keys, "small")

  paired = np.nonzero(np.arange(placements.MAX_SLOTS) < pairs[:, None])
  picture, slot = paired
  outer, places = spots.free_spots(
    large_keys[paired], _LARGE, share[paired], _NESTED
  )
  inner = draw_contours(small_keys[paired], _SMALL)
  outer_size, outer_centre = size[paired], centres[paired]
  inner_centre = outer_centre + outer_size[:, None] * places
  objects = [
    one_each(picture, 2 * slot, outer, outer_size, outer_centre),
    one_each(
      picture, 2 * slot + 1, inner, outer_size * share[paired], inner_centre
    ),
  ]
  alone = lone.picture, lone.slot
  lone_size = size[alone] * np.where(lone.large_size, 1, share[alone])
  for kind, kind_keys, of_kind in (
    (_LARGE, large_keys, lone.large_contour),
    (_SMALL, small_keys, ~lone.large_contour),
  ):
    contours = draw_contours(kind_keys[alone][of_kind], kind)
    last = 2 * placements.MAX_SLOTS + len(objects)
    objects.append(
      one_each(
        lone.picture[of_kind],
        last,
        contours,
        lone_size[of_kind],
        centres[alone][of_kind],
      )
    )
  return Objects.concatenate(objects)


_TYPES = [
  (inside, count) for inside in (True, False) for count in (True, False)
]
# {(inside, count): sampler}
PUBLISHED = {
  (inside, count): functools.partial(_published, inside=inside, count=count)
  for inside, count in _TYPES
}
BALANCED = {
  (inside, count): functools.partial(_balanced, inside=inside, count=count)
  for inside, count in _TYPES
}
