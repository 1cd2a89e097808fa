"""Masks drawn on a page: matrix by matrix, head by head, neuron by neuron.

In a notebook a `View` shows itself; `View.html` is a page that needs no server
and no other file.

    View({"subject": first, "verb": second})
"""

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from structcomp_jax.report import markup, mask_images, pages, style
from structcomp_jax.report.markup import escape, number, percent
from structcomp_jax.structure import overlap
from structcomp_jax.structure.anatomy import Heads
from structcomp_jax.types import AnyMask, UserError

# Pixels of the longer side: of a picture in the table, and of one that opens.
_SMALL, _LARGE = 220, 2048
_STRIP_HEIGHT = 12


@dataclasses.dataclass(frozen=True)
class View:
  """Some masks of one network.

  Attributes:
    masks: {name: {path: bool[...]}}, at most `mask_images.MOST_MASKS`. A leaf
      that a mask lacks is kept by it as a whole.
    backdrop: another mask {path: bool[...]}, in grey where no mask keeps a
      weight.
    heads: where attention heads lie.
    title: plain text.
    notes: plain text, a paragraph each.

  Raises:
    UserError: there is no mask, there are too many, or the shapes of a leaf
      differ.
  """

  masks: Mapping[str, AnyMask]
  backdrop: AnyMask | None = None
  heads: Sequence[Heads] = ()
  title: str = "Masks"
  notes: Sequence[str] = ()

  def __post_init__(self) -> None:
    most = mask_images.MOST_MASKS
    if not 1 <= len(self.masks) <= most:
      raise UserError(
        f"{len(self.masks)} masks cannot be drawn together; give 1 to {most}"
      )
    for path, leaves in self._leaves.items():
      shapes = {name: leaf.shape for name, leaf in leaves.items()}
      if len(set(shapes.values())) > 1:
        raise UserError(
          f"masks of leaf {path!r} have different shapes ({shapes}); give masks"
          " of one network"
        )

  @functools.cached_property
  def _leaves(self) -> dict[str, dict[str, np.ndarray]]:
    """{path: {name of a mask: bool[...]}}, in the order of the masks."""
    paths = dict.fromkeys(path for mask in self.masks.values() for path in mask)
    return {
      path: {
        name: np.atleast_1d(np.asarray(mask[path]))
        for name, mask in self.masks.items()
        if path in mask
      }
      for path in sorted(paths)
    }

  def body(self) -> str:
    """Returns the page without its frame."""
    parts = [
      f"<h1>{escape(self.title)}</h1>",
      *(f"<p>{escape(note)}</p>" for note in self.notes),
      self._legend(),
      self._pairs(),
      "<h2>Matrices</h2>",
      "<p>Lines are inputs, columns outputs; a small picture mixes the colours"
      " of neighbours. Under it, line by line for every mask, how much of each"
      " output neuron it keeps (black: all of its weights).</p>",
      markup.table(self._header(), list(self._matrix_rows())),
      *self._head_tables(),
    ]
    return "\n".join(part for part in parts if part)

  def html(self) -> str:
    """Returns the whole page."""
    return pages.framed(self.title, self.body())

  def _repr_html_(self) -> str:
    """Returns what a notebook shows."""
    return self.body()

  def _legend(self) -> str:
    entries = [
      (colour, f"{name} alone")
      for colour, name in zip(style.PALETTE, self.masks, strict=False)
    ]
    if len(self.masks) > 1:
      entries.append((mask_images.SHARED, "several"))
    if self.backdrop is not None:
      entries.append((mask_images.BACKDROP, "backdrop alone"))
    entries.append((mask_images.NONE, "none"))
    chips = " ".join(
      f'<span style="display: inline-block; width: 1em; height: 1em;'
      f" background: {colour}; border: 1px solid #888; margin-left: 1em;"
      f' vertical-align: -0.15em"></span> {escape(name)}'
      for colour, name in entries
    )
    return f"<p><b>Kept by</b>{chips}</p>"

  def _pairs(self) -> str:
    """Returns what every two masks share, beside random ones."""
    pairs = list(itertools.combinations(self.masks, 2))
    if not pairs:
      return ""
    rows = pd.DataFrame(
      {"first": first, "second": second, **counts}
      for first, second in pairs
      for counts in overlap.leaf_counts(self.masks[first], self.masks[second])
    )
    if rows.empty:
      return ""
    found = overlap.with_shares(
      overlap.over_leaves(overlap.with_chance(rows), ["first", "second"])
    )
    header = (
      "masks", "intersection over union", "of random masks of these sizes",
      "excess", "noise",
    )  # fmt: skip
    lines = [
      (
        f"{escape(row['first'])}, {escape(row['second'])}",
        number(row["iou"]),
        number(row["random_iou"]),
        number(row["excess"], sign=True),
        number(row["noise"], 3),
      )
      for row in found.to_dict("records")
    ]
    return f"<h2>What two masks share</h2>{markup.table(header, lines)}"

  def _header(self) -> list[str]:
    kept = [f"kept by {escape(name)}" for name in self.masks]
    shared = ["by several"] if len(self.masks) > 1 else []
    return ["matrix", "shape", *kept, *shared, "weights"]

  def _matrix_rows(self) -> Iterator[list[str]]:
    for path, leaves in self._leaves.items():
      kept = [
        percent(float(np.mean(leaves[name]))) if name in leaves else markup.DASH
        for name in self.masks
      ]
      whole = np.ones_like(next(iter(leaves.values())))
      masks = [leaves.get(name, whole) for name in self.masks]
      count = sum(mask.astype(np.uint8) for mask in masks)
      shared = [percent(float(np.mean(count > 1)))] if len(masks) > 1 else []
      shape = " x ".join(map(str, whole.shape))
      picture = self._picture(path, [mask_images.flat(mask) for mask in masks])
      yield [escape(path), shape, *kept, *shared, picture]

  def _picture(self, path: str, masks: Sequence[np.ndarray]) -> str:
    """Returns a leaf of all masks, each bool[inputs, outputs]."""
    backdrop = (self.backdrop or {}).get(path)
    if backdrop is not None:
      backdrop = mask_images.flat(np.atleast_1d(np.asarray(backdrop)))
    picture = mask_images.colours(masks, backdrop)
    small = mask_images.shrunk(picture, _SMALL)
    strip = mask_images.shades(np.stack([mask.mean(axis=0) for mask in masks]))
    large = mask_images.shrunk(picture, _LARGE)
    size = " x ".join(map(str, large.shape[:2]))
    shown = "every weight" if large is picture else f"{size} pixels"
    times = max(_SMALL // 2 // max(small.shape), 1)
    height, width = (times * side for side in small.shape[:2])
    name = escape(path)
    return (
      mask_images.image(small, f"masks of {name}", width, height)
      + "<br>"
      + mask_images.image(
        mask_images.shrunk(strip, _LARGE),
        f"share of every output of {name}",
        width,
        _STRIP_HEIGHT * len(masks),
      )
      + markup.folded(
        f"<small>{shown}</small>",
        mask_images.image(large, f"{shown} of {name}"),
      )
    )

  def _head_tables(self) -> Iterator[str]:
    """Yields a table for every attention: what is kept of each head."""
    is_first = True
    for layer in self.heads:
      shares = {
        name: found
        for name, mask in self.masks.items()
        if (found := _head_shares(mask, layer)) is not None
      }
      if not shares:
        continue
      if is_first:
        yield "<h2>Attention heads</h2>"
        is_first = False
      header = [
        f"{escape(layer.place)}, kept by",
        *map(str, range(layer.count)),
      ]
      yield markup.table(
        header,
        [
          [escape(name), *(_shaded(share) for share in found)]
          for name, found in shares.items()
        ],
      )


def _head_shares(mask: AnyMask, layer: Heads) -> np.ndarray | None:
  """Returns which part of every head is kept, f[heads]; None: no leaf of it."""
  kept, size = np.zeros(layer.count), 0
  for path, axis in layer.axes.items():
    if path not in mask:
      continue
    leaf = np.asarray(mask[path])
    if leaf.shape[axis] % layer.count == 0:
      parts = np.moveaxis(leaf, axis, 0).reshape(layer.count, -1)
      kept, size = kept + parts.sum(axis=1), size + parts.shape[1]
  return kept / size if size else None


def _shaded(share: float) -> str:
  """Returns a percentage on a grey that grows with it."""
  return (
    f'<span style="display: block; padding: 0 4px; background: rgba(0, 114,'
    f' 178, {0.6 * share:.2f})">{percent(share)}</span>'
  )
