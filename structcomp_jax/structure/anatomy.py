"""Which matrices, heads and neurons belong to which of two masks.

What both masks keep, and what none of them keeps, says nothing about whose a
unit is. So of two masks only the weights count that exactly one of them keeps.
If a unit has m of them, b kept by the first mask, and its matrix has M of them,
B kept by the first mask, then

    share = b / m,      expected share = B / M,

and if labels were dealt at random within the matrix, b would be hypergeometric:
m draws from M weights, B of which are the first mask's. That gives an exact
p-value, whatever the densities of the masks. A cut is the case in which every
weight is kept by exactly one side.

A unit that lies in several matrices (a head: its columns of queries, keys and
values, its rows of the output) has the sum of their numbers, which are
independent. A matrix is compared with all masked matrices together.

A unit *belongs* to a mask if, in every pair of masks,

1. the odds that such a weight is that mask's are at least `LEAST_ODDS` to 1,
2. they are at least `LEAST_ODDS` times the expected odds, and
3. the largest p-value of the pairs is significant among all units of its kind
   in the network (false discovery rate 5 %, Benjamini and Hochberg 1995).

Where one head is the first mask's, its matrices are, too, and all other heads
have less of it than they: the first condition keeps them from being called the
second mask's. With many weights any small difference is significant, and with
few any large one is chance: hence the second and the third.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import signal, special, stats

from structcomp_jax.types import AnyMask

KINDS = ("matrix", "head", "neuron")
LEAST_ODDS = 2.0
# Expected share of false ones among the units that are said to belong to one.
FALSE_DISCOVERIES = 0.05
COLUMNS = (
  "unit", "place", "index", "num_units", "size", "first_kept", "second_kept",
  "share", "expected", "noise", "p", "belongs", "num_pairs",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Heads:
  """The attention heads of one layer.

  Attributes:
    place: the attention's path.
    count: number of heads.
    axes: {path of a matrix: the axis along which its heads lie side by side,
      in equal parts}.
  """

  place: str
  count: int
  axes: Mapping[str, int]


@dataclasses.dataclass(frozen=True)
class _Units:
  """Units of one kind that lie side by side in the same matrices."""

  kind: str
  place: str
  count: int
  axes: Mapping[str, int]


class _Pair:
  """Two masks, on the leaves that both have.

  Attributes:
    first, second: {path: bool[...]}.
    only_first: {path: bool[...]}, what the first mask alone keeps.
    either: {path: bool[...]}, what exactly one mask keeps.
    counts: {path: (of `only_first`, of `either`)}.
  """

  def __init__(self, first: AnyMask, second: AnyMask) -> None:
    paths = sorted(set(first) & set(second))
    self.first, self.second = (
      {path: np.atleast_1d(np.asarray(mask[path])) for path in paths}
      for mask in (first, second)
    )
    self.either = {path: self.first[path] ^ self.second[path] for path in paths}
    self.only_first = {
      path: self.first[path] & self.either[path] for path in paths
    }
    self.counts = {
      path: (int(self.only_first[path].sum()), int(self.either[path].sum()))
      for path in paths
    }


@dataclasses.dataclass(frozen=True)
class _Dealt:
  """The weights that exactly one mask keeps, in one matrix.

  Attributes:
    only_first: i64[units], those that the first mask keeps.
    either: i64[units], all of them.
    all_first: i64[], those of the first mask in all that is compared with.
    all_either: i64[], all of them there.
  """

  only_first: np.ndarray
  either: np.ndarray
  all_first: int
  all_either: int

  @property
  def expected(self) -> np.ndarray:
    """Mean of `only_first` if labels were dealt at random."""
    return self.either * self.all_first / max(self.all_either, 1)

  @property
  def variance(self) -> np.ndarray:
    """Variance of `only_first` if labels were dealt at random."""
    whole = max(self.all_either, 1)
    share = self.all_first / whole
    rest = (whole - self.either) / max(whole - 1, 1)
    return self.either * share * (1 - share) * rest


def compare(
  pairs: Sequence[tuple[AnyMask, AnyMask]],
  names: tuple[str, str],
  heads: Sequence[Heads] = (),
) -> pd.DataFrame:
  """Says of every matrix, head and neuron which of two masks it belongs to.

  Args:
    pairs: (mask of the first, mask of the second) of one base network, both
      {path: bool[...]}, pair by pair from other mask seeds. Leaves that a mask
      lacks take no part.
    names: what the first and the second masks are for.
    heads: where attention heads lie; those of leaves without a mask, or whose
      masks have no such axis, take no part.

  Returns:
    One row per unit, columns `COLUMNS`: `unit` (of `KINDS`), `place` (path of
    the matrix or attention), `index` (number of the head or neuron; -1 of a
    matrix), `num_units` (of its kind at its place), `size` (weights),
    `first_kept` and `second_kept` (fractions that are kept), `share`,
    `expected`, `noise` (standard deviation of the share in one pair if labels
    were dealt at random), `p` (the largest of the pairs), `belongs` (one of
    `names`, or ""), `num_pairs`. Numbers are means over pairs; a share of no
    weights is NaN.
  """
  if not pairs:
    return pd.DataFrame(columns=list(COLUMNS))
  masks = [_Pair(*pair) for pair in pairs]
  every_unit = list(_every_unit(masks[0].first, heads))
  found = [_rows(pair, units) for pair in masks for units in every_unit]
  table = _over_pairs(pd.concat(found))
  table = table.astype({"num_units": int, "size": int})
  table["belongs"] = _sides(table, names)
  return table.assign(num_pairs=len(pairs))[list(COLUMNS)]


def belonging(
  anatomy: pd.DataFrame, keys: Sequence[str], names: Sequence[str] = ()
) -> pd.DataFrame:
  """Returns the fraction of units that belong to a mask, network by network.

  Args:
    anatomy: rows of `compare` with `keys` and `base_seed`.
    keys: columns that are kept apart.
    names: the masks that count; all of them if none is named.

  Returns:
    `keys`, `base_seed`, `num_units` and `belonging`.
  """
  side = anatomy["belongs"]
  is_counted = side.isin(names) if names else side != ""
  by_network = anatomy.assign(belonging=is_counted).groupby(
    [*keys, "base_seed"], sort=False
  )["belonging"]
  return pd.DataFrame(
    {"num_units": by_network.size(), "belonging": by_network.mean()}
  ).reset_index()


def _every_unit(
  mask: Mapping[str, np.ndarray], heads: Sequence[Heads]
) -> Iterator[_Units]:
  for path in mask:
    yield _Units("matrix", path, 1, {path: -1})
  for layer in heads:
    axes = {
      path: axis
      for path, axis in layer.axes.items()
      if path in mask and mask[path].shape[axis] % layer.count == 0
    }
    if axes:
      yield _Units("head", layer.place, layer.count, axes)
  for path, leaf in mask.items():
    yield _Units("neuron", path, leaf.shape[-1], {path: -1})


def _rows(pair: _Pair, units: _Units) -> pd.DataFrame:
  """Returns a row per unit, about one pair of masks."""
  size = np.zeros(units.count, int)
  kept = np.zeros((2, units.count), int)
  dealt = []
  for path, axis in units.axes.items():
    size += pair.first[path].size // units.count
    kept += [
      _per_unit(mask[path], axis, units.count)
      for mask in (pair.first, pair.second)
    ]
    compared = pair.first if units.kind == "matrix" else [path]
    dealt.append(
      _Dealt(
        _per_unit(pair.only_first[path], axis, units.count),
        _per_unit(pair.either[path], axis, units.count),
        sum(pair.counts[each][0] for each in compared),
        sum(pair.counts[each][1] for each in compared),
      )
    )
  only_first, either, expected, variance = (
    sum(getattr(part, name) for part in dealt)
    for name in ("only_first", "either", "expected", "variance")
  )
  with np.errstate(invalid="ignore"):
    return pd.DataFrame(
      {
        "unit": units.kind,
        "place": units.place,
        "index": np.arange(units.count) if units.kind != "matrix" else -1,
        "num_units": units.count,
        "size": size,
        "first_kept": kept[0] / size,
        "second_kept": kept[1] / size,
        "share": only_first / either,
        "expected": expected / either,
        "noise": np.sqrt(variance) / either,
        "p": _p_values(dealt),
        "leaning": _leaning(only_first, either, expected),
      }
    )


def _per_unit(leaf: np.ndarray, axis: int, count: int) -> np.ndarray:
  """Counts what is true in equal parts of an axis, i64[count]."""
  return np.moveaxis(leaf, axis, 0).reshape(count, -1).sum(axis=1)


def _leaning(
  only_first: np.ndarray, either: np.ndarray, expected: np.ndarray
) -> np.ndarray:
  """Returns 1 where the odds favour the first mask, -1 the second, else 0.

  Args:
    only_first: of the weights that one mask alone keeps, those of the first.
    either: all of them.
    expected: `only_first` if labels were dealt at random.
  """
  first = _favours(only_first, either, expected)
  second = _favours(either - only_first, either, either - expected)
  return first.astype(int) - second.astype(int)


def _favours(
  own: np.ndarray, either: np.ndarray, expected: np.ndarray
) -> np.ndarray:
  """Returns where the odds of a mask are high, and higher than expected."""
  other, chance = either - own, either - expected
  return (
    (own > expected)
    & (own >= LEAST_ODDS * other)
    & (own * chance >= LEAST_ODDS * other * expected)
  )


def _p_values(dealt: Sequence[_Dealt]) -> np.ndarray:
  """Returns float[units]: twice the smaller tail, at most 1."""
  if len(dealt) == 1:
    (one,) = dealt
    whole = one.all_either, one.all_first, one.either
    lower = stats.hypergeom.cdf(one.only_first, *whole)
    upper = stats.hypergeom.sf(one.only_first - 1, *whole)
    p = np.minimum(1.0, 2 * np.minimum(lower, upper))
    # SciPy knows no tail of no weights.
    return np.where(one.either > 0, p, 1.0)
  count = len(dealt[0].either)
  return np.array([_p_of_sum(dealt, unit) for unit in range(count)])


def _p_of_sum(dealt: Sequence[_Dealt], unit: int) -> float:
  """Returns the p-value of a sum of independent hypergeometric numbers."""
  chances, place = np.ones(1), 0
  for one in dealt:
    drawn = int(one.either[unit])
    least = max(0, drawn - (one.all_either - one.all_first))
    possible = np.arange(least, min(drawn, one.all_first) + 1)
    chances = signal.fftconvolve(chances, _chances(possible, one, drawn))
    place += int(one.only_first[unit]) - least
  tail = min(chances[: place + 1].sum(), chances[place:].sum())
  # The transform leaves rounding errors, of either sign, where nothing lies.
  return float(np.clip(2 * tail, 0.0, 1.0))


def _chances(possible: np.ndarray, one: _Dealt, drawn: int) -> np.ndarray:
  """Returns hypergeometric probabilities; those of SciPy are too slow."""

  def log_choose(whole: Any, part: Any) -> Any:
    return (
      special.gammaln(whole + 1)
      - special.gammaln(part + 1)
      - special.gammaln(whole - part + 1)
    )

  return np.exp(
    log_choose(one.all_first, possible)
    + log_choose(one.all_either - one.all_first, drawn - possible)
    - log_choose(one.all_either, drawn)
  )


def _over_pairs(table: pd.DataFrame) -> pd.DataFrame:
  """Returns means over pairs, the largest p, and the side that all lean to."""
  units = table.groupby(["unit", "place", "index"], sort=False)
  found = units.mean()
  leanings = units["leaning"].agg(["min", "max"])
  agree = leanings["min"] == leanings["max"]
  found["leaning"] = leanings["min"].where(agree, 0)
  found["p"] = units["p"].max()
  return found.reset_index()


def _sides(table: pd.DataFrame, names: tuple[str, str]) -> Any:
  """Returns which mask every unit belongs to."""
  significant = table.groupby("unit", sort=False)["p"].transform(
    lambda p: stats.false_discovery_control(p) <= FALSE_DISCOVERIES
  )
  words = {1: names[0], -1: names[1], 0: ""}
  return table["leaning"].where(significant.astype(bool), 0).map(words)
