"""How far masks of two systems agree, beside masks of one."""

import itertools
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from structcomp_jax import masks, trees, types


def overlaps(first: types.Mask, second: types.Mask) -> np.ndarray:
  """Returns intersection over union of every two masks, f64[2 n, 2 n]."""
  flat = np.concatenate(
    [
      np.concatenate(
        [np.asarray(mask[path]).reshape(len(mask[path]), -1) for path in first],
        axis=1,
      )
      for mask in (first, second)
    ]
  ).astype(np.float64)
  both, kept = flat @ flat.T, flat.sum(1)
  return both / (kept[:, None] + kept - both)


def agreement(overlaps: np.ndarray) -> dict[str, float]:
  """Compares overlaps within two systems with those across.

  >>> two_kinds = np.kron(np.eye(2), np.ones((2, 2)))
  >>> agreement(two_kinds) == {
  ...   "first": 1, "second": 1, "across": 0, "same": 0, "p": 0.5
  ... }
  True

  Args:
    overlaps: f[2 n, 2 n], of n masks of the first system and then n of the
      second one, of the same seeds.

  Returns:
    "first", "second": mean over two seeds of one system; "across": mean over
    two seeds, one of each system; "same": mean over the same seed in both;
    "p": of all ways to swap the systems of some seeds, the share in which
    masks of one system are at least as much more alike, than across, as here.
    Systems that are no more than further seeds of one another have p < 0.05
    in at most 5 %.
  """
  num = len(overlaps) // 2
  one, two = np.triu_indices(num, 1)

  def means(swapped):
    places = np.arange(num) + num * swapped
    others = np.arange(num) + num * (1 - swapped)
    within = [overlaps[rows[one], rows[two]] for rows in (places, others)]
    across = [
      overlaps[places[one], others[two]],
      overlaps[others[one], places[two]],
    ]
    return *map(np.mean, within), np.mean(across)

  first, second, across = means(np.zeros(num, int))

  def excess(first, second, across):
    return (first + second) / 2 - across

  # Swapping all seeds is swapping none.
  swaps = itertools.product((0, 1), repeat=num - 1)
  drawn = [excess(*means(np.array((0, *swap)))) for swap in swaps]
  rounding = 1e-9
  seen = excess(first, second, across) - rounding
  return {
    "first": first,
    "second": second,
    "across": across,
    "same": np.mean([overlaps[i, i + num] for i in range(num)]),
    "p": np.mean([value >= seen for value in drawn]),
  }


def by_chance(first: types.Mask, second: types.Mask) -> float:
  """Returns the overlap across of random masks as large in every leaf."""
  keys = jax.random.split(jax.random.key(0), trees.num_rows(first))
  draw = jax.vmap(masks.random_like)
  drawn = overlaps(draw(first, keys), jax.device_get(second))
  return float(agreement(drawn)["across"])


def accuracy_lines(
  network: str, found: Mapping[tuple[str, str], Mapping[str, Any]]
) -> list[tuple[str, ...]]:
  """Returns the table of one network: kept weights and accuracies."""
  own = {kind: one for (name, kind), one in found.items() if name == network}
  tests = next(iter(own.values()))["tests"]
  tasks = list(next(iter(tests.values())))
  columns = [(half, task) for half in ("kept", "removed") for task in tasks]
  lines = [
    (
      network,
      "masks of",
      "kept weights, %",
      *(f"{half}: {task}" for half, task in columns),
    )
  ]
  for kind, one in own.items():
    for system, mask in one["masks"].items():
      kept = 100 * np.array(
        [
          masks.total_density(trees.row(mask, index))
          for index in range(trees.num_rows(mask))
        ]
      )
      accuracies = [
        one["tests"][system, half][task]["accuracy"] for half, task in columns
      ]
      lines.append(
        (
          kind,
          system,
          _mean_and_sd(kept),
          *(_mean_and_sd(values) for values in accuracies),
        )
      )
  return lines


def _mean_and_sd(values: np.ndarray) -> str:
  return f"{np.mean(values):.2f} ± {np.std(values, ddof=1):.2f}"


def agreement_lines(
  found: Mapping[tuple[str, str], Mapping[str, Any]],
) -> list[tuple[str, ...]]:
  """Returns the table of intersections over unions."""
  systems = next(iter(found.values()))["masks"]
  head = (
    "network",
    "relaxation",
    *(f"two seeds of {name}" for name in systems),
    "two seeds, one of each",
    "one seed, one of each",
    "random masks",
    "p",
    "largest difference of test losses",
  )
  lines = [head]
  for (name, kind), one in found.items():
    pair = one["masks"].values()
    means = agreement(overlaps(*pair))
    lines.append(
      (
        name,
        kind,
        *(f"{means[key]:.3f}" for key in ("first", "second", "across", "same")),
        f"{by_chance(*pair):.3f}",
        f"{means['p']:.2f}",
        f"{one['loss_gap']:.1e}",
      )
    )
  return lines
