"""What the study measures of a base network and its masks."""

import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from structcomp_jax import evaluation, trees, types
from structcomp_jax.io import hosts, layout, logit_files
from structcomp_jax.pipeline import mask_sets
from structcomp_jax.pipeline.mask_tests import (
  LEARNED,
  RANDOM,
  MaskTests,
  Measured,
  Variants,
)
from structcomp_jax.pipeline.parts import Part
from structcomp_jax.structure import overlap
from structcomp_jax.studies.are_nets_modular.domain import CONTROL, Domain

NUM_BINS = 500
_IO_CONTROL, _IO_FREE = "zero_io_control", "zero_io_free"


def variants_of(
  learned: types.AnyMask,
  random: types.AnyMask,
  further: Mapping[str, types.AnyMask],
  seeds: Sequence[int],
) -> Variants:
  """Returns the networks to make of some masks.

  Args:
    learned: {path: bool[K, ...]}.
    random: random masks that keep as much.
    further: {label: masks of what stays}, see `further_labels`.
    seeds: of the masks.
  """
  stays = {
    (LEARNED, "none"): (learned, False),
    (LEARNED, "zero"): (learned, True),
    (RANDOM, "none"): (random, False),
    (RANDOM, "zero"): (random, True),
    **{(LEARNED, label): (one, False) for label, one in further.items()},
  }
  return {
    label: evaluation.Variant(stacked, seeds, inverted=inverted)
    for label, (stacked, inverted) in stays.items()
  }


def further_labels(
  domain: Domain, subroutine: str, paths: Sequence[str]
) -> list[str]:
  """Returns the labels of further masks made of those of a subroutine.

  All that there may be: without its control mask, one has no `zero_io_control`.

  Args:
    domain: of the experiment.
    subroutine: whose masks they are made of.
    paths: of the masked leaves.
  """
  if subroutine == CONTROL:
    return [
      f"{label}_{name}"
      for name in domain.halves(paths)
      for label in ("half", "rest")
    ]
  first, last = domain.ends()
  return [_IO_CONTROL, _IO_FREE] if {*first, *last} else []


class Tests(MaskTests):
  """Masks, their inverses, and what masks share (Csordás et al. 2021)."""

  def variants(self, subroutine: str, found: mask_sets.MaskSet) -> Variants:
    """Returns the networks to make of some masks.

    Labels of learned masks:

        none             what the mask keeps
        zero             what it removes
        zero_io_control  the same, but the first and last layer have the control
                         mask, so that what enters and leaves is not cut
        zero_io_free     the same, but they have no mask
        half_<name>      the control mask, in one half of the leaves alone
        rest_<name>      the control mask, in the other half alone
    """
    random = self.random_masks(subroutine, found)
    is_control = subroutine == CONTROL
    further = self._halves(found) if is_control else self._inverses(found)
    return variants_of(found.stacked, random, further, found.seeds)

  def measures(
    self, task: str, measured: Measured, dense: Mapping[str, Measured]
  ) -> dict[str, Any]:
    """Returns what the answers are, where that was measured."""
    return {name: measured.get(name) for name in ("is_sum", "is_product")}

  def mask_columns(self, density: float | None) -> dict[str, Any]:
    """Returns the density; `mask_part` knows the penalty."""
    return {"density": density, "beta": None}

  def num_problems(self, task: str) -> int:
    """Returns the number of problems that belong to the task."""
    return trees.num_rows(self.frozen.work.load(task, "test"))

  def also_depends_on(self, subroutine: str, row: int) -> str:
    """Returns a digest of the control mask, with which the mask is compared."""
    if subroutine == CONTROL:
      return ""
    control = self._partner(self.masks[subroutine].settings[row])
    return "" if control is None else f" {trees.fingerprint(control)}"

  def mask_part(
    self,
    subroutine: str,
    found: mask_sets.MaskSet,
    index: int,
    metrics: Mapping[tuple[str, str], evaluation.TaskMetrics],
    dense: Mapping[str, Measured],
  ) -> Part:
    """Returns the rows of one mask, with the histogram of its logits."""
    part = super().mask_part(subroutine, found, index, metrics, dense)
    beta = self._beta(found.settings[index])
    for table in ("results", "controls"):
      for row in part[table]:
        row["beta"] = beta
    part["histograms"] = self._histogram_rows(subroutine, found.settings[index])
    part["outputs"] = self._output_rows(subroutine, found, index)
    return part

  def comparisons(self) -> Mapping[str, Callable[[], Part]]:
    """Returns {digest: makes the rows of overlaps.csv} of all masks."""
    every = hashlib.sha256("\n".join(self.digests).encode()).hexdigest()
    return {f"overlaps {every}": lambda: {"overlaps": list(self._overlaps())}}

  def _beta(self, setting: Mapping[str, Any]) -> float:
    """Returns the weight of the penalty that a mask was searched with."""
    penalty = setting["penalty"] * self.study.mask_search.penalty_batch_size
    return min(
      self.study.mask_search.betas, key=lambda beta: abs(beta - penalty)
    )

  def _partner(self, setting: Mapping[str, Any]) -> types.Mask | None:
    """Returns the control mask of the same seed and penalty."""
    control = self.masks[CONTROL]
    for row, other in enumerate(control.settings):
      if all(setting[name] == other[name] for name in ("mask_seed", "penalty")):
        return trees.row(control.stacked, row)
    return None

  def _inverses(self, found: mask_sets.MaskSet) -> dict[str, types.AnyMask]:
    """Returns inverse masks that leave the first and last layer to others.

    A mask whose control mask stopped is computed with another one, which
    `mask_part` never reports: that mask alone has no such label.
    """
    first, last = self.study.domain.ends()
    ends = {*first, *last}
    if not ends:
      return {}
    inverse = {path: ~leaf for path, leaf in found.stacked.items()}
    made: dict[str, types.AnyMask] = {}
    controls = [self._partner(setting) for setting in found.settings]
    known = [control for control in controls if control is not None]
    if known:
      control = trees.stack(
        [known[0] if one is None else one for one in controls]
      )
      made[_IO_CONTROL] = {
        path: control[path] if path in ends else leaf
        for path, leaf in inverse.items()
      }
    made[_IO_FREE] = {
      path: np.ones_like(leaf) if path in ends else leaf
      for path, leaf in inverse.items()
    }
    return made

  def _halves(self, found: mask_sets.MaskSet) -> dict[str, types.AnyMask]:
    """Returns control masks that mask one half of the leaves alone."""
    halves: dict[str, types.AnyMask] = {}
    for name, half in self.study.domain.halves(list(found.stacked)).items():
      for label, is_masked in (("half", True), ("rest", False)):
        halves[f"{label}_{name}"] = {
          path: leaf if (path in half) == is_masked else np.ones_like(leaf)
          for path, leaf in found.stacked.items()
        }
    return halves

  def _overlaps(self) -> Iterator[dict[str, Any]]:
    """Yields one row for two masks and a leaf."""
    labelled = [
      (subroutine, setting, trees.row(found.stacked, row))
      for subroutine, found in self.masks.items()
      for row, setting in enumerate(found.settings)
    ]
    for (first, setting, mask), (
      second,
      other,
      against,
    ) in itertools.combinations(labelled, 2):
      if setting["penalty"] != other["penalty"]:
        continue
      for counts in overlap.leaf_counts(mask, against):
        yield {
          "regime": self.regime,
          "base_seed": self.base_seed,
          "first": first,
          "first_seed": setting["mask_seed"],
          "second": second,
          "second_seed": other["mask_seed"],
          "beta": self._beta(setting),
          **counts,
        }

  def _histogram_rows(
    self, subroutine: str, setting: Mapping[str, Any]
  ) -> list[dict[str, Any]]:
    """Returns how often sigmoid(logit) is in each bin that is not empty."""
    directory = self.frozen.work.paths.masks(
      self.regime, self.base_seed, subroutine
    )
    stacked = hosts.by_first(logit_files.load)(
      directory / layout.LOGITS, self.frozen.fingerprint
    )
    logits = np.concatenate(
      [leaf[setting["candidate"]].ravel() for leaf in stacked.values()]
    ).astype(np.float64)
    kept = 1 / (1 + np.exp(-np.clip(logits, -700, 700)))
    counts, _ = np.histogram(kept, bins=NUM_BINS, range=(0, 1))
    return [
      {
        **self._which(subroutine, setting),
        "bin": int(place),
        "count": int(counts[place]),
      }
      for place in np.flatnonzero(counts)
    ]

  def _output_rows(
    self, subroutine: str, found: mask_sets.MaskSet, index: int
  ) -> list[dict[str, Any]]:
    """Returns how many weights of each output unit are kept and lost."""
    path, names = self.study.domain.outputs()
    control = self._partner(found.settings[index])
    if not names or control is None:
      return []
    mask = np.asarray(trees.row(found.stacked[path], index))
    before = np.asarray(control[path])
    return [
      {
        **self._which(subroutine, found.settings[index]),
        "output": name,
        "size": len(mask),
        "kept": int(mask[:, unit].sum()),
        "control_kept": int(before[:, unit].sum()),
        "lost": int((before[:, unit] & ~mask[:, unit]).sum()),
      }
      for unit, name in enumerate(names)
    ]

  def _which(
    self, subroutine: str, setting: Mapping[str, Any]
  ) -> dict[str, Any]:
    """Returns the columns that tell which mask a row is about."""
    return {
      "regime": self.regime,
      "base_seed": self.base_seed,
      "subroutine": subroutine,
      "mask_seed": setting["mask_seed"],
      "beta": self._beta(setting),
    }
