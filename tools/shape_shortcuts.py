"""Asks what simple statistics of the pictures give away, in both policies.

    python -m tools.shape_shortcuts [--problems=2000] [NAME ...]

A linear probe scores every picture of a problem by statistics of it, centred
within the problem, and by their squares; the softmax of the scores says which
picture is odd. It is trained on one half of the problems and tested on the
other; guessing is right in 25 % (standard error 1.4 % for 2000 problems).
Prints for every data set and policy the accuracy with

  outline  area of the largest outline and of its hull, in units of its box
  size     side of the largest box, and of the smallest one in units of it
  offset   distance of the centres of the smallest and the largest box, in
           units of the larger
  colour   mean of the brightest channels, and mean brightness, of the objects
  parity   whether the number of objects is odd
  ink      number of pixels that are not white
  number   number of objects

and, as "unclear", the share of pictures in which an object is nearly black or
two have about the same colour.
"""

import argparse

import cv2
import numpy as np
from scipy import optimize, special

from structcomp_jax.tasks.odd_one_out import shapes
from structcomp_jax.tasks.odd_one_out.shapes.pixels import (
  objects as pixel_objects,
)

# {group: names of its statistics}
_GROUPS = {
  "outline": ("area", "hull"),
  "size": ("large", "share"),
  "offset": ("offset",),
  "colour": ("value", "brightness"),
  "parity": ("parity",),
  "ink": ("ink",),
  "number": ("number",),
}
# Of 255: darker is nearly black, closer is about the same.
_DARK, _ALIKE = 32, 40


def statistics(problems: np.ndarray) -> dict[str, np.ndarray]:
  """{name: float64[problems, 4]} of uint8[problems, 4, 128, 128, 3]."""
  pictures = problems.reshape(-1, *problems.shape[2:])
  objects = pixel_objects.find_objects(pictures)
  rows = [
    _picture_statistics(picture, objects, np.arange(first, first + count))
    for picture, first, count in zip(
      pictures, objects.first, objects.count, strict=True
    )
  ]
  return {
    name: np.array([row[name] for row in rows], float).reshape(-1, 4)
    for name in rows[0]
  }


def _picture_statistics(
  picture: np.ndarray, objects: pixel_objects.Objects, members: np.ndarray
) -> dict[str, float]:
  low = np.stack([objects.left[members], objects.top[members]], 1)
  high = np.stack([objects.right[members], objects.bottom[members]], 1)
  side = (high - low).max(1) + 1
  centre = (low + high) / 2
  largest, smallest = side.argmax(), side.argmin()
  first = objects.start[members]
  colours = picture[objects.y[first], objects.x[first]].astype(int)
  apart = np.abs(colours[:, None] - colours).max(2)
  np.fill_diagonal(apart, 255)
  start, size = first[largest], objects.size[members[largest]]
  pixels = slice(start, start + size)
  ink = (picture != 255).any(2).astype(np.uint8)
  area, hull = _outline(ink, objects.x[pixels], objects.y[pixels])
  distance = np.hypot(*(centre[smallest] - centre[largest]))
  return {
    "area": area / side[largest] ** 2,
    "hull": hull / side[largest] ** 2,
    "large": side[largest],
    "share": side[smallest] / side[largest],
    "offset": distance / side[largest],
    "value": colours.max(1).mean(),
    "brightness": colours.mean(),
    "parity": len(members) % 2,
    "ink": objects.size[members].sum(),
    "number": len(members),
    "unclear": colours.max(1).min() < _DARK or apart.min() < _ALIKE,
  }


def _outline(
  ink: np.ndarray, x: np.ndarray, y: np.ndarray
) -> tuple[int, float]:
  """Pixels that lines enclose in an outline's box; area of its convex hull.

  Both bear that a later object is painted over the outline.
  """
  box = ink[y.min() : y.max() + 1, x.min() : x.max() + 1]
  outside = cv2.copyMakeBorder(box, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
  cv2.floodFill(outside, None, (0, 0), 2)
  hull = cv2.convexHull(np.stack([x, y], axis=1).astype(np.int32))
  return np.count_nonzero(outside != 2), cv2.contourArea(hull)


def probe(features: np.ndarray) -> float:
  """Accuracy of finding the last of four by float64[problems, 4, features]."""
  centred = features - features.mean(1, keepdims=True)
  centred /= centred.std((0, 1)) + 1e-9
  inputs = np.concatenate([centred, centred**2], axis=2)
  train, test = inputs[0::2], inputs[1::2]

  def loss(weights):
    scores = train @ weights
    chosen = special.softmax(scores, axis=1)
    value = (special.logsumexp(scores, axis=1) - scores[:, 3]).mean()
    gradient = np.einsum("pi,pif->f", chosen, train) / len(train) - train[
      :, 3
    ].mean(0)
    return value + 1e-4 * weights @ weights, gradient + 2e-4 * weights

  fit = optimize.minimize(
    loss, np.zeros(inputs.shape[2]), jac=True, method="L-BFGS-B"
  )
  scores = test @ fit.x
  best = np.isclose(scores, scores.max(1, keepdims=True))
  return (best[:, 3] / best.sum(1)).mean()  # Ties are broken at random.


def line(name: shapes.DatasetName, problems: int) -> str:
  images = shapes.make_problems(name, "test", range(problems))
  values = statistics(images)
  accuracies = "".join(
    f"{probe(np.stack([values[n] for n in names], axis=2)):>9.1%}"
    for names in _GROUPS.values()
  )
  dataset = f"{name.experiment}.{name.role}"
  unclear = values["unclear"].mean()
  return f"{dataset:28}{name.policy:11}{accuracies}{unclear:>9.1%}"


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("names", nargs="*", metavar="NAME")
  parser.add_argument("--problems", type=int, default=2000)
  args = parser.parse_args()
  columns = "".join(f"{group:>9}" for group in (*_GROUPS, "unclear"))
  print(f"{'data set':28}{'policy':11}{columns}")
  names = args.names or [
    f"{experiment}.{role}"
    for experiment, spec in shapes.EXPERIMENTS.items()
    for role in spec.test_tasks
  ]
  for name in names:
    for policy in shapes.POLICIES:
      dataset = shapes.DatasetName(*name.split("."), policy=policy)
      print(line(dataset, args.problems), flush=True)


if __name__ == "__main__":
  main()
