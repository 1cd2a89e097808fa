"""The part of the page that says where the parts lie, and what they share."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from structcomp_jax.report import curves, markup, methods
from structcomp_jax.report.markup import escape, number, percent
from structcomp_jax.structure import anatomy, overlap
from structcomp_jax.studies.break_it_down.findings import places
from structcomp_jax.studies.break_it_down.findings.collect import Evidence
from structcomp_jax.studies.break_it_down.findings.task_difference import (
  UNTRAINED_REGIME,
)
from structcomp_jax.studies.break_it_down.page import (
  anatomy_figures,
  details,
  wording,
)
from structcomp_jax.studies.break_it_down.regimes import LABELS

_SHOWN = ("iou", "random_iou", "iomin", "random_iomin", "excess", "noise")
# Kinds of pairs that a sentence is about, and its subject.
_IN_WORDS = {
  places.SAME: "two masks for the same subroutine",
  places.DIFFERENT: "masks for different subroutines",
  places.OWN_SIDE: "a mask and its own side of the cut",
}
# What an anatomy compares -> its control; sentences are about the first one
# that there is.
_WITH_CONTROL = {
  places.CUT: places.NONSENSE,
  places.MASKS: places.REPEATED,
}
_PLURALS = {"matrix": "matrices", "head": "heads", "neuron": "neurons"}


def section(evidence: Evidence) -> str:
  """Returns overlap, density and anatomy; nothing where there are no files."""
  parts = [
    *_overlap_parts(evidence),
    *_anatomy_parts(evidence),
    *_density_parts(evidence),
  ]
  if not parts:
    return ""
  lead = f"<h3>Where the parts lie</h3><p>{wording.WHEREABOUTS}</p>"
  return "\n".join([lead, *parts])


def working(evidence: Evidence, rows: pd.DataFrame) -> pd.DataFrame:
  """Returns the rows of base networks that solve their task.

  Args:
    evidence: the tables.
    rows: columns regime and base_seed.
  """
  failed = evidence.differences[evidence.differences["base_failed"]]
  networks = set(zip(failed["regime"], failed["base_seed"], strict=True))
  keys = zip(rows["regime"], rows["base_seed"], strict=True)
  return rows[[key not in networks for key in keys]]


def _overlap_parts(evidence: Evidence) -> list[str]:
  if evidence.overlaps.empty:
    return []
  rows = overlap.with_chance(working(evidence, evidence.overlaps))
  pooled = overlap.with_shares(overlap.over_leaves(rows, places.PAIR))
  keys = ["regime", "kind"]
  means = overlap.between_networks(pooled, keys, _SHOWN)
  by_leaf = overlap.between_networks(
    overlap.with_shares(rows), [*keys, "leaf"], _SHOWN
  )
  return [
    f"<h4>What masks share</h4><p>{wording.OVERLAP}</p>",
    _sentences(_overlap_sentences(means)),
    _overlap_table(means),
    markup.folded("The same, matrix by matrix", _overlap_table(by_leaf)),
  ]


def _sentences(found: Iterable[str]) -> str:
  items = "".join(f"<li>{text}</li>" for text in found if text)
  return f"<p><b>In short:</b></p><ul>{items}</ul>" if items else ""


def _overlap_sentences(means: pd.DataFrame) -> Iterator[str]:
  """Says in words what two masks of trained networks share."""
  is_control = means["regime"] == UNTRAINED_REGIME
  controls = means[is_control].set_index("kind")["excess"]
  for row in means[~is_control].to_dict("records"):
    if row["kind"] in _IN_WORDS:
      yield _overlap_sentence(row, controls.get(row["kind"]))


def _overlap_sentence(row: Mapping[str, Any], control: float | None) -> str:
  low, high = row["excess_low"], row["excess_high"]
  if low > 0:
    compared = "more than random masks of the same sizes"
  elif high < 0:
    compared = "less than random masks of the same sizes"
  else:
    compared = "no clear difference from random masks of the same sizes"
  before = number(control, sign=True)
  return (
    f"{escape(LABELS.name(row['regime']).capitalize())}:"
    f" {_IN_WORDS[row['kind']]} share {percent(row['iou'])} of the weights that"
    f" either keeps, {compared} ({percent(row['random_iou'])}); excess"
    f" {number(row['excess'], sign=True)}"
    + ("." if control is None else f", in networks never trained {before}.")
  )


def _overlap_table(means: pd.DataFrame) -> str:
  """Returns rows of `overlap.between_networks` as a table."""
  has_leaves = "leaf" in means
  header = (
    "network",
    "two of",
    *(("matrix",) if has_leaves else ()),
    "both keep, of all<br>that either keeps",
    "of the<br>smaller mask",
    "excess<br><small>0: random, 1: all</small>",
    "noise of random<br>masks",
    "networks",
  )
  rows = [
    (
      escape(LABELS.name(row["regime"])),
      escape(row["kind"]),
      *((escape(curves.leaf_group(row["leaf"])),) if has_leaves else ()),
      _with_random(row, "iou"),
      _with_random(row, "iomin"),
      f"<b>{_interval(row, 'excess', sign=True)}</b>",
      f"{markup.PLUS_MINUS}{number(row['noise'], 3)}",
      str(row["num_networks"]),
    )
    for _, row in means.iterrows()
  ]
  return markup.table(header, rows, css_class="small")


def _with_random(row: pd.Series, name: str) -> str:
  chance = number(row[f"random_{name}"])
  return f"{_interval(row, name)}<br><small>random {chance}</small>"


def _interval(row: pd.Series, name: str, *, sign: bool = False) -> str:
  """Returns a mean with its 95 % interval, where there is one."""
  mean = number(row[name], sign=sign)
  low, high = row[f"{name}_low"], row[f"{name}_high"]
  if pd.isna(low):
    return mean
  return f"{mean} [{number(low, sign=sign)}, {number(high, sign=sign)}]"


def _anatomy_parts(evidence: Evidence) -> list[str]:
  if evidence.anatomy.empty:
    return []
  rows = working(evidence, evidence.anatomy)
  if rows.empty:
    return []
  keys = ["regime", "compared", "unit"]
  shares = anatomy.belonging(rows, keys)
  means = overlap.between_networks(shares, keys, ("belonging",))
  parts = [
    f"<h4>What belongs to one subroutine</h4><p>{wording.ANATOMY}</p>",
    _sentences(_belonging_sentences(means)),
    belonging_table(means, rows),
    markup.figure(
      anatomy_figures.neuron_figure(rows),
      wording.CAPTIONS["neurons"],
      "Share of neurons that belong to one side, matrix by matrix",
    ),
  ]
  heads = rows[rows["unit"] == "head"]
  if not heads.empty:
    parts += [
      markup.figure(
        anatomy_figures.head_figure(heads),
        wording.CAPTIONS["heads"],
        "Whose the weights of every attention head are",
      ),
      markup.folded("Every attention head", _unit_table(heads)),
    ]
  matrices = rows[rows["unit"] == "matrix"]
  return [*parts, markup.folded("Every matrix", _unit_table(matrices))]


def _belonging_sentences(means: pd.DataFrame) -> Iterator[str]:
  """Says in words how much of trained networks belongs to one subroutine."""
  found = means.set_index(["regime", "compared", "unit"])["belonging"]
  for regime in dict.fromkeys(means["regime"]):
    kinds = [one for one in _WITH_CONTROL if (regime, one, "neuron") in found]
    if regime == UNTRAINED_REGIME or not kinds:
      continue
    compared = kinds[0]
    units = [
      f"{_share(found[regime, compared, unit])} of the {words}"
      for unit, words in _PLURALS.items()
      if (regime, compared, unit) in found
    ]
    control = _WITH_CONTROL[compared]
    text = (
      f"{escape(LABELS.name(regime).capitalize())}, {compared}:"
      f" {methods.listed(units)} belong to one"
    )
    if (regime, control, "neuron") in found:
      chance = _share(found[regime, control, "neuron"])
      text += f"; in the control ({control}) {chance} of the neurons"
    yield f"{text}."


def belonging_table(means: pd.DataFrame, rows: pd.DataFrame) -> str:
  """Returns how many matrices, heads and neurons belong to one mask.

  Args:
    means: of `belonging`, by `regime`, `compared` and `unit`.
    rows: of the anatomy, of networks that count.
  """
  keys = ["regime", "compared", "unit"]
  counts = rows.groupby([*keys, "base_seed"]).size().groupby(keys).max()
  kinds = [kind for kind in anatomy.KINDS if kind in set(means["unit"])]
  header = ["network", "compared", "searches<br>of each"]
  header += [f"{_PLURALS[kind]} that<br>belong to one" for kind in kinds]
  header.append("networks")
  lines = []
  for (regime, compared), group in means.groupby(keys[:2], sort=False):
    by_kind = group.set_index("unit")
    of_both = rows[(rows["regime"] == regime) & (rows["compared"] == compared)]
    cells = [
      f"{_percents(by_kind.loc[kind])}<br><small>of"
      f" {counts[regime, compared, kind]:,}</small>"
      for kind in kinds
    ]
    lines.append(
      (
        escape(LABELS.name(str(regime))),
        escape(_compared_words(str(compared))),
        str(of_both["num_pairs"].max()),
        *cells,
        str(by_kind["num_networks"].max()),
      )
    )
  return markup.table(header, lines, css_class="small")


def _compared_words(compared: str) -> str:
  is_control = compared in (places.NONSENSE, places.REPEATED)
  return f"{compared} (control)" if is_control else compared


def _percents(row: pd.Series) -> str:
  mean, low, high = (row[f"belonging{end}"] for end in ("", "_low", "_high"))
  if pd.isna(low) or low == high:
    return f"<b>{_share(mean)}</b>"
  ends = ", ".join(_share(min(max(end, 0.0), 1.0)) for end in (low, high))
  return f"<b>{_share(mean)}</b> [{ends}]"


def _share(fraction: float) -> str:
  """Returns a fraction in percent, and nothing as nothing."""
  return percent(fraction) if fraction else "0%"


def _unit_table(rows: pd.DataFrame) -> str:
  """Returns one row per matrix or head, network and comparison."""
  header = (
    "network",
    "base seed",
    "compared",
    "",
    "kept by the first",
    "by the second",
    "share of the first",
    "expected",
    "p",
    "belongs to",
  )
  lines = [
    (
      escape(LABELS.name(row.regime)),
      escape(row.base_seed),
      escape(f"{row.first} / {row.second}"),
      escape(anatomy_figures.unit_name(row.place, row.index_)),
      percent(row.first_kept),
      percent(row.second_kept),
      percent(row.share),
      f"{percent(row.expected)} {markup.PLUS_MINUS} {percent(row.noise)}",
      markup.p_value(row.p),
      escape(row.belongs) or markup.DASH,
    )
    for row in rows.rename(columns={"index": "index_"}).itertuples()
  ]
  return markup.table(header, lines, css_class="small")


def _density_parts(evidence: Evidence) -> list[str]:
  densities = evidence.densities
  if densities is None or densities.empty:
    return []
  return [
    markup.figure(
      curves.density_figure(densities, labels=LABELS),
      wording.CAPTIONS["density"],
      "Fraction of weights kept, matrix by matrix",
    ),
    markup.folded("Weights kept per matrix", details.density_table(densities)),
  ]
