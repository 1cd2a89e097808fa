"""Pictures about inside and count: nested pairs, and single objects.

A type says whether all objects are in nested pairs, and whether there are as
many objects as in N pairs.
"""

import dataclasses

import numpy as np

from structcomp_jax.tasks.odd_one_out.shapes import (
  draws,
  placements,
  spots,
)
from structcomp_jax.tasks.odd_one_out.shapes.contours import (
  ContourKind,
  draw_contours,
)
from structcomp_jax.tasks.odd_one_out.shapes.scenes import (
  Objects,
  Scenes,
  one_each,
)

_LARGE = ContourKind(step=0.08, hole=0.2, tries=24, batch=8192)
_SMALL = ContourKind(step=0.01, hole=0.05, tries=1, batch=2048)
_NESTED = spots.Spot(margin=0.0, tries=100, rounds=20)


def published(scenes: Scenes) -> Objects:
  """Fills N + 1 slots; a picture with neither property has a single object."""
  neither = ~scenes.holds.any(1)
  pairs, torn = _pairs_and_torn(scenes)
  fewer = draws.coin(draws.fold_in(scenes.keys, "fewer"))
  pairs = np.where(neither, scenes.number - fewer, pairs)
  lone = _Lone.concatenate(
    [
      _torn_pairs(pairs, np.flatnonzero(torn & ~neither)),
      _single_objects(scenes, np.flatnonzero(neither)),
    ]
  )
  return _fill_slots(scenes, pairs, lone, scenes.number + 1)


def balanced(scenes: Scenes) -> Objects:
  """Fills N + 2 slots: with room for a torn pair, all totals are even."""
  pairs, torn = _pairs_and_torn(scenes)
  lone = _torn_pairs(pairs, np.flatnonzero(torn))
  return _fill_slots(scenes, pairs, lone, scenes.number + 2)


def _pairs_and_torn(scenes: Scenes) -> tuple[np.ndarray, np.ndarray]:
  """Returns the number of nested pairs, and whether one more is torn apart.

  Together there are N pairs, or one more or one less if the count is wrong.

  Returns:
    int64[n] and bool[n].
  """
  inside, count = scenes.holds.T
  more = draws.coin(draws.fold_in(scenes.keys, "more"))
  total = scenes.number + np.where(count, 0, np.where(more, 1, -1))
  return total - ~inside, ~inside


@dataclasses.dataclass(frozen=True)
class _Lone:
  """Objects that are not part of a nested pair.

  Attributes:
    picture: int64[m], the picture that an object is in.
    slot: int64[m], its place among the slots of the picture.
    large_contour: bool[m], whether it has the contour of a large object.
    large_size: bool[m], whether it has the size of a large object.
  """

  picture: np.ndarray
  slot: np.ndarray
  large_contour: np.ndarray
  large_size: np.ndarray

  @classmethod
  def concatenate(cls, parts: "list[_Lone]") -> "_Lone":
    columns = zip(*(dataclasses.astuple(part) for part in parts), strict=True)
    return cls(*map(np.concatenate, columns))


def _torn_pairs(pairs: np.ndarray, pictures: np.ndarray) -> _Lone:
  """Puts a large object in the slot behind the pairs, a small one in the next.

  Args:
    pairs: int64[n], the number of nested pairs of every picture.
    pictures: int64[k], the pictures with a torn pair.
  """
  slot = pairs[pictures]
  large = np.repeat([True, False], len(pictures))
  return _Lone(
    np.tile(pictures, 2), np.concatenate([slot, slot + 1]), large, large
  )


def _single_objects(scenes: Scenes, pictures: np.ndarray) -> _Lone:
  """Puts one object behind the pairs of some pictures.

  One coin decides whether it has the contour of a large object, another one
  whether it has the size.
  """
  keys = draws.fold_in(scenes.keys[pictures], "lone")
  return _Lone(
    pictures,
    scenes.number[pictures],
    draws.coin(draws.fold_in(keys, "contour")),
    draws.coin(draws.fold_in(keys, "size")),
  )


def _fill_slots(
  scenes: Scenes, pairs: np.ndarray, lone: _Lone, slots: np.ndarray
) -> Objects:
  """Draws slots, puts pairs in the first ones and lone objects in theirs."""
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
  for kind, kind_keys, members in (
    (_LARGE, large_keys, lone.large_contour),
    (_SMALL, small_keys, ~lone.large_contour),
  ):
    contours = draw_contours(kind_keys[alone][members], kind)
    last = 2 * placements.MAX_SLOTS + len(objects)
    objects.append(
      one_each(
        lone.picture[members],
        last,
        contours,
        lone_size[members],
        centres[alone][members],
      )
    )
  return Objects.concatenate(objects)
