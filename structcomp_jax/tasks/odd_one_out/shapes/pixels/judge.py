"""Judges odd-one-out problems by what is seen in their pictures.

The judge knows the question of each data set (which properties the rule
pictures share, which ones the odd picture breaks), and nothing about how the
pictures were made.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Int8, UInt8

from structcomp_jax.tasks.odd_one_out.names import SHAPES
from structcomp_jax.tasks.odd_one_out.shapes.pixels import (
  readings as pixel_readings,
)
from structcomp_jax.tasks.odd_one_out.shapes.pixels.objects import (
  MAX_OBJECTS,
)
from structcomp_jax.tasks.odd_one_out.shapes.pixels.readings import (
  AMBIGUOUS,
  NO,
  YES,
)
from structcomp_jax.types import UserError

# {experiment: number of objects in a rule picture}, if it counts them.
_COUNTS = {"inside_count": (4, 6), "contact_count": (2, 3)}
_WORDS = {NO: "no", AMBIGUOUS: "ambiguous", YES: "yes"}


@dataclasses.dataclass(frozen=True)
class Judgement:
  """What the judge says; each problem is sound, wrong or ambiguous.

  Attributes:
    sound: bool [problems], every picture is what its role asks for.
    wrong: bool [problems], some picture is certainly not what it should be.
    ambiguous: bool [problems], neither sound nor wrong.
    fits: int8 [problems, 4], whether each picture is what its role asks for.
    properties: {name: int8 [problems, 4]}, whether each picture has it.
    readings: what was seen in the pictures, problem by problem.
  """

  sound: Bool[np.ndarray, " problems"]
  wrong: Bool[np.ndarray, " problems"]
  ambiguous: Bool[np.ndarray, " problems"]
  fits: Int8[np.ndarray, "problems 4"]
  properties: dict[str, Int8[np.ndarray, "problems 4"]]
  readings: pixel_readings.Readings

  def reason(self, problem: int) -> str:
    """Says in one line which pictures of a problem do not fit and why."""
    return "; ".join(
      self._describe(problem, picture)
      for picture in np.flatnonzero(self.fits[problem] != YES).tolist()
    )

  def _describe(self, problem: int, picture: int) -> str:
    index = 4 * problem + picture
    count = self.readings.count[index]
    parts = [f"{count} object{'' if count == 1 else 's'}"]
    parts += [
      f"{name} {_WORDS[int(values[problem, picture])]}"
      for name, values in self.properties.items()
    ]
    parts += ["clipped"] * bool(self.readings.clipped[index])
    parts += ["an open outline"] * (not self.readings.visible[index])
    parts += ["one colour for two objects"] * (
      not self.readings.separable[index]
    )
    kind = "odd" if picture == 3 else "rule"
    return f"{kind} picture {picture + 1}: {', '.join(parts)}"


def judge(
  images: UInt8[np.ndarray, "problems 4 height width 3"],
  experiment: str,
  role: str,
) -> Judgement:
  """Judges problems of one data set, the odd picture last.

  Args:
    images: uint8 [problems, 4, height, width, 3], outlines on white, each
      object in a colour of its own.
    experiment: "inside_contact", "inside_count" or "contact_count".
    role: "base", the name of a property, "odd_" and the name of a property
      (the odd picture breaks that one alone), or "odd_both".

  Raises:
    UserError: an unknown name, or not an array of problems.
  """
  _check(images, experiment, role)
  asked = SHAPES.experiments[experiment].subroutines
  pictures = images.reshape(-1, *images.shape[2:])
  readings = pixel_readings.read_pictures(
    pictures,
    inside="inside" in asked,
    contact="contact" in asked,
  )
  count = readings.count.reshape(-1, 4)
  seen = {
    "inside": readings.inside.reshape(-1, 4),
    "contact": readings.contact.reshape(-1, 4),
    "count": _has_count(count, _COUNTS.get(experiment, ())),
  }
  properties = {name: seen[name] for name in asked}
  first, second = properties.items()
  rule, odd = _wanted(first, second, role)
  fits = np.concatenate([rule[:, :3], odd[:, 3:]], axis=1)
  fits = np.minimum(fits, _has_objects(count, counted="count" in asked))
  # One object where two are wanted may be two of one colour.
  suspects = (fits == NO) & ((count == 1) | ("count" in properties))
  readings = _look_for_doubles(pictures, readings, np.flatnonzero(suspects))
  unreadable = readings.clipped | ~readings.visible | ~readings.separable
  fits = np.where(unreadable.reshape(-1, 4), AMBIGUOUS, fits)
  sound, wrong = (fits == YES).all(axis=1), (fits == NO).any(axis=1)
  return Judgement(sound, wrong, ~sound & ~wrong, fits, properties, readings)


def _look_for_doubles(
  pictures: UInt8[np.ndarray, "pictures height width 3"],
  readings: pixel_readings.Readings,
  suspects: np.ndarray,
) -> pixel_readings.Readings:
  """Returns readings in which suspects with a divided object are inseparable.

  Args:
    pictures: uint8 [pictures, height, width, 3].
    readings: of these pictures.
    suspects: int [n], pictures that may show two objects as one.
  """
  separable = readings.separable.copy()
  for picture in suspects:
    separable[picture] &= not pixel_readings.has_divided_object(
      pictures[picture]
    )
  return dataclasses.replace(readings, separable=separable)


def _check(images: np.ndarray, experiment: str, role: str) -> None:
  roles = SHAPES.experiment_spec(experiment).test_tasks
  if role not in roles:
    raise UserError(
      f"{experiment} has no role {role!r}; use one of {', '.join(roles)}"
    )
  if (
    images.ndim != 5
    or images.shape[1] != 4
    or images.shape[4] != 3
    or images.dtype != np.uint8
  ):
    raise UserError(
      f"pictures are {images.dtype} {list(images.shape)}; give uint8"
      " [problems, 4, height, width, 3]"
    )


def _wanted(
  first: tuple[str, np.ndarray], second: tuple[str, np.ndarray], role: str
) -> tuple[np.ndarray, np.ndarray]:
  """Returns which pictures would do as rule pictures, and which as odd."""
  (p, has_p), (q, has_q) = first, second
  has_both = np.minimum(has_p, has_q)
  return {
    "base": (has_both, YES - has_both),
    p: (has_p, YES - has_p),
    q: (has_q, YES - has_q),
    f"odd_{p}": (has_both, np.minimum(YES - has_p, has_q)),
    f"odd_{q}": (has_both, np.minimum(has_p, YES - has_q)),
    "odd_both": (has_both, np.minimum(YES - has_p, YES - has_q)),
  }[role]


def _has_count(count: np.ndarray, allowed: tuple[int, ...]) -> np.ndarray:
  """Returns which pictures have the number that the rule pictures agree on."""
  number = np.median(count[:, :3], axis=1, keepdims=True)
  return np.where((count == number) & np.isin(number, allowed), YES, NO)


def _has_objects(count: np.ndarray, *, counted: bool) -> np.ndarray:
  """Returns which pictures have as many objects as the properties need."""
  if counted:
    return np.where((count >= 2) & (count <= MAX_OBJECTS), YES, NO)
  return np.where(count == 2, YES, NO)
