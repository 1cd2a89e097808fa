"""Where the masks of a work directory lie, and what they share.

Masks and cuts are compared within one base network: the weights of two
networks have nothing to do with each other, so masks of different networks are
never compared.
"""

import dataclasses
import itertools
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from structcomp_jax import trees
from structcomp_jax.io import layout, mask_files
from structcomp_jax.report import workdir
from structcomp_jax.structure import anatomy, overlap
from structcomp_jax.structure.separability import SUBROUTINES
from structcomp_jax.studies.break_it_down import attention
from structcomp_jax.types import UserError, command

# Kinds of pairs of masks.
SAME = "masks, same subroutine"
DIFFERENT = "masks, different subroutines"
SAME_SIDE = "two cuts, same side"
OWN_SIDE = "mask, and its side of a cut"
OTHER_SIDE = "mask, and the other side of a cut"
# What an anatomy compares.
MASKS = "masks for the two subroutines"
REPEATED = "two masks for one subroutine"
CUT = "cut between the subroutines"
NONSENSE = "cut between nonsense properties"
# What names a pair of masks in a table of overlaps, and what an anatomy.
PAIR = (
  "regime", "base_seed", "kind", "first", "first_candidate", "second",
  "second_candidate",
)  # fmt: skip
COMPARED = ("regime", "base_seed", "compared", "first", "second")

_Mask = Mapping[str, np.ndarray]
_Network = tuple[str, int]


@dataclasses.dataclass(frozen=True)
class _Labelled:
  """A mask, or a side of a cut.

  Attributes:
    name: what it does.
    candidate: its row in its file.
    mask: {path: bool[...]}.
    is_cut: whether it is the side of a cut.
  """

  name: str
  candidate: int
  mask: _Mask
  is_cut: bool = False


@dataclasses.dataclass(frozen=True)
class _Cut:
  """One cut: the two sides of a mask."""

  kept: _Labelled
  rest: _Labelled


def compare(
  one: workdir.Workdir, differences: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
  """Compares the reported masks and the cuts of every base network.

  Args:
    one: the work directory; networks without mask files are left out.
    differences: table of `task_differences`, which names the reported masks.

  Returns:
    Columns `PAIR` and those of `overlap.leaf_counts`; columns `COMPARED` and
    those of `anatomy.compare`. Both are empty where there are no files.

  Raises:
    UserError: a file is torn, or lacks a mask that results.csv reports.
  """
  counted, found = [], []
  cuts = _cut_files(one)
  for network, files in _reported_files(one, differences).items():
    masks = [
      each
      for name, (file, rows) in files.items()
      for each in _read(file, rows, name)
    ]
    cuts_of_network = {
      pair: [_cut(each, names) for each in _read(file, rows, names[0])]
      for pair, (file, rows, names) in cuts.get(network, {}).items()
    }
    which = dict(zip(("regime", "base_seed"), network, strict=True))
    counted += [
      {**which, **row}
      for row in _overlaps(masks, cuts_of_network.get(SUBROUTINES, []))
    ]
    found += [
      table.assign(**which)
      for table in _anatomies(
        masks, cuts_of_network, one.config.get("model", {})
      )
    ]
  rows = pd.DataFrame(counted)
  if not found:
    return rows, pd.DataFrame()
  table = pd.concat(found, ignore_index=True)
  return rows, table[[*COMPARED, *anatomy.COLUMNS]]


def _reported_files(
  one: workdir.Workdir, differences: pd.DataFrame
) -> dict[_Network, dict[str, tuple[pathlib.Path, list[int]]]]:
  """Returns {network: {subroutine: (file, rows that are reported)}}."""
  found: dict[_Network, dict[str, tuple[pathlib.Path, list[int]]]] = {}
  for (regime, seed, name), file in one.mask_files.items():
    reported = differences[
      (differences["regime"] == regime)
      & (differences["base_seed"] == seed)
      & (differences["subroutine"] == name)
    ]
    rows = sorted(reported["candidate"].astype(int).unique())
    found.setdefault((regime, seed), {})[name] = (file, rows)
  return found


def _cut_files(
  one: workdir.Workdir,
) -> dict[_Network, dict[str, tuple[pathlib.Path, list[int], tuple[str, str]]]]:
  """Returns {network: {pair: (file, finished rows, tasks of both sides)}}."""
  found: dict[
    _Network, dict[str, tuple[pathlib.Path, list[int], tuple[str, str]]]
  ] = {}
  table = one.tables.get("cuts", pd.DataFrame())
  if table.empty:
    return found
  for key, rows in table.groupby(["regime", "base_seed", "pair"], sort=False):
    regime, seed, pair = str(key[0]), int(key[1]), str(key[2])
    file = one.paths.cut(regime, seed, pair) / layout.MASKS
    if file.is_file():
      finite = rows.groupby("candidate")["finite"].min().astype(bool)
      names = (str(rows["kept_task"].iloc[0]), str(rows["rest_task"].iloc[0]))
      found.setdefault((regime, seed), {})[pair] = (
        file,
        [int(row) for row in finite.index[finite]],
        names,
      )
  return found


def _read(
  file: pathlib.Path, rows: Sequence[int], name: str
) -> Iterator[_Labelled]:
  """Yields some masks of a file.

  Raises:
    UserError: the file is torn, or has no such rows.
  """
  stacked, _ = mask_files.load(file)
  arrays = {path: np.asarray(leaf) for path, leaf in stacked.items()}
  if rows and max(rows) >= trees.num_rows(arrays):
    raise UserError(
      f"{file} lacks masks that results.csv is about; run "
      f"{command('evaluate')} again"
    )
  for row in rows:
    yield _Labelled(name, row, trees.row(arrays, row))


def _cut(mask: _Labelled, names: tuple[str, str]) -> _Cut:
  kept, rest = names
  return _Cut(
    kept=dataclasses.replace(mask, name=kept, is_cut=True),
    rest=_Labelled(
      rest,
      mask.candidate,
      {path: ~leaf for path, leaf in mask.mask.items()},
      is_cut=True,
    ),
  )


def _overlaps(
  masks: Sequence[_Labelled], cuts: Sequence[_Cut]
) -> Iterator[dict[str, Any]]:
  """Yields one row for two masks and a leaf.

  The two sides of one cut share nothing by construction and are left out, and
  so are different sides of two cuts, which follow from the same ones.
  """
  sides = [side for cut in cuts for side in (cut.kept, cut.rest)]
  for first, second in itertools.combinations([*masks, *sides], 2):
    kind = _kind(first, second)
    if kind:
      for counts in overlap.leaf_counts(first.mask, second.mask):
        yield {
          "kind": kind,
          "first": first.name,
          "first_candidate": first.candidate,
          "second": second.name,
          "second_candidate": second.candidate,
          **counts,
        }


def _kind(first: _Labelled, second: _Labelled) -> str:
  is_same = first.name == second.name
  if first.is_cut and second.is_cut:
    return SAME_SIDE if is_same else ""
  if first.is_cut or second.is_cut:
    return OWN_SIDE if is_same else OTHER_SIDE
  return SAME if is_same else DIFFERENT


def _anatomies(
  masks: Sequence[_Labelled],
  cuts: Mapping[str, Sequence[_Cut]],
  model: Mapping[str, Any],
) -> Iterator[pd.DataFrame]:
  """Yields whose matrices, heads and neurons are, comparison by comparison."""
  by_name: dict[str, list[_Mask]] = {}
  for one in masks:
    by_name.setdefault(one.name, []).append(one.mask)
  wanted: list[tuple[str, tuple[str, str], list[tuple[_Mask, _Mask]]]] = []
  if len(by_name) == 2:
    first, second = by_name
    both = zip(by_name[first], by_name[second], strict=False)
    wanted.append((MASKS, (first, second), list(both)))
  for name, found in by_name.items():
    # Masks in twos; one that is left over has no partner.
    twice = list(zip(found[::2], found[1::2], strict=False))
    labels = f"{name}, one search", f"{name}, another"
    wanted.append((REPEATED, labels, twice))
  for pair, found_cuts in cuts.items():
    for names in {(cut.kept.name, cut.rest.name) for cut in found_cuts}:
      kind = CUT if pair == SUBROUTINES else NONSENSE
      sides = [(cut.kept.mask, cut.rest.mask) for cut in found_cuts]
      wanted.append((kind, names, sides))
  for compared, names, pairs in wanted:
    if pairs:
      heads = attention.heads(model, pairs[0][0])
      table = anatomy.compare(pairs, names, heads)
      yield table.assign(compared=compared, first=names[0], second=names[1])
