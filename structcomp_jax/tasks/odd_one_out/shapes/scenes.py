"""What is drawn: pictures to be made, and the objects in them."""

import dataclasses

import numpy as np

from structcomp_jax.tasks.odd_one_out.shapes.contours import Contours


@dataclasses.dataclass(frozen=True)
class Scenes:
  """Pictures to be made.

  Attributes:
    keys: uint64[n].
    problem_keys: uint64[n], shared by the pictures of a problem.
    number: int64[n], the number N of the problem, 2 or 3.
    holds: bool[n, 2], whether a picture has the two properties of its
      experiment: its type.
  """

  keys: np.ndarray
  problem_keys: np.ndarray
  number: np.ndarray
  holds: np.ndarray


@dataclasses.dataclass(frozen=True)
class Objects:
  """Objects of several pictures.

  Attributes:
    picture: int64[m], the picture that an object is in.
    order: int64[m], objects with a higher number are painted over others.
    contour: int64[m], index of the object's contour.
    size: float64[m], side of the object's box in units of a picture.
    centre: float64[m, 2], in units of a picture.
    contours: the contours.
  """

  picture: np.ndarray
  order: np.ndarray
  contour: np.ndarray
  size: np.ndarray
  centre: np.ndarray
  contours: Contours

  @classmethod
  def concatenate(cls, parts: "list[Objects]") -> "Objects":
    """Joins several lists of objects in the same pictures."""
    before = np.cumsum([0, *(len(part.contours) for part in parts)])
    arrays = {
      name: np.concatenate([getattr(part, name) for part in parts])
      for name in ("picture", "order", "size", "centre")
    }
    return cls(
      contour=np.concatenate(
        [part.contour + n for part, n in zip(parts, before, strict=False)]
      ),
      contours=Contours.concatenate(tuple(part.contours for part in parts)),
      **arrays,
    )


def one_each(
  picture: np.ndarray,
  order: int | np.ndarray,
  contours: Contours,
  size: np.ndarray,
  centre: np.ndarray,
) -> Objects:
  """Returns one object with a contour of its own per entry of `picture`."""
  return Objects(
    picture=picture,
    order=np.broadcast_to(order, picture.shape),
    contour=np.arange(len(picture)),
    size=size,
    centre=centre,
    contours=contours,
  )
