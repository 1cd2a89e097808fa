"""Points about weights: the pooler, the fill, what kept fractions mean."""

import pandas as pd

from structcomp_jax.report import markup
from structcomp_jax.studies.break_it_down.reanalysis import searches
from structcomp_jax.studies.break_it_down.reanalysis.points.point import (
  Point,
  listed,
  of,
)
from structcomp_jax.studies.break_it_down.reanalysis.published_data import (
  Published,
)

# The pooler of BERT-small is a matrix of this side.
_BERT_WIDTH = 512
_POOLER = _BERT_WIDTH**2
_BERT = "bert_small"
_MOVED = 0.1


def pooler(found: Published) -> Point:
  """Returns the point about a matrix that nothing reads."""
  rows = found.searches[found.searches["model"] == _BERT]
  sizes = sorted(rows["l0_max"].unique())
  shares = [markup.percent(_POOLER / size) for size in sizes]
  small = int((rows["l0"] <= _POOLER).sum())
  return Point(
    "3",
    "the unused pooler",
    "Kept fractions of BERT were bounded without the pooler: how many of its"
    f" {_POOLER:,} weights a mask keeps is not in the table.",
    f"It is {listed(shares)} of what can be masked; in {of(small, len(rows))}"
    " searches no more weights are kept than it has, so that all of them could"
    " be weights that nothing reads.",
    tables={"03_pooler": _bounds(rows)},
  )


def _bounds(rows: pd.DataFrame) -> pd.DataFrame:
  """Returns what a mask may keep of the weights that are used."""
  used = rows["l0_max"] - _POOLER
  return (
    rows.assign(
      kept=rows["density"],
      at_least=(rows["l0"] - _POOLER).clip(lower=0) / used,
      at_most=rows["l0"].clip(upper=used) / used,
    )
    .groupby(
      ["release_experiment", "regime", "hparams_from", "task", "masked_from"]
    )[["kept", "at_least", "at_most"]]
    .mean()
    .reset_index()
  )


def redrawn(found: Published) -> Point:
  """Returns the point about random weights in place of the subnetwork."""
  rows = found.searches
  apart = (rows["d_redrawn"] - rows["d_abl"]).abs()
  summary = (
    rows.groupby(
      [*searches.GROUP[1:], "release_experiment", "task"], sort=False
    )[["d_abl", "d_redrawn"]]
    .mean()
    .reset_index()
  )
  both = rows[["d_abl", "d_redrawn"]].corr().iloc[0, 1]
  return Point(
    "12",
    "random ablation",
    "D with re-drawn instead of removed weights, which no published analysis"
    " shows, was set beside D_abl; the distribution it was drawn from cannot"
    " be changed afterwards.",
    f"The two differ by {markup.number(apart.mean())} on average and by"
    f" {_MOVED} or more in {of(int((apart >= _MOVED).sum()), len(rows))}"
    f" searches (correlation {markup.number(both)}).",
    tables={"12_redrawn": summary},
  )


def sizes(found: Published) -> Point:
  """Returns the point about fractions with different denominators."""
  table = kept_weights(found.searches)
  key = ["release_experiment", "model", "regime", "hparams_from", "task"]
  stages = table.groupby(key, sort=False)["masked_from"].nunique()
  mixed = int((stages > 1).sum())
  whole = table.groupby(["model", "masked_from"])["l0_max"].max()
  ranges = [
    f"{model} {markup.number(part.min() / 1e6, 1)} to"
    f" {markup.number(part.max() / 1e6, 1)} million"
    for model, part in whole.groupby(level=0)
  ]
  return Point(
    "sizes",
    "kept fractions",
    "Kept fractions were averaged and compared within one first masked stage"
    " alone.",
    f"{of(mixed, len(stages))} rows mix first masked stages; their fractions"
    f" have different denominators ({listed(ranges)}), so that one mean for the"
    " row means nothing.",
    tables={"kept_weights": table},
  )


def kept_weights(table: pd.DataFrame) -> pd.DataFrame:
  """Returns kept weights at equal first masked stages.

  Args:
    table: see `searches.of_release`.

  Returns:
    One row per experiment, model, regime, settings, task and first masked
    stage: num_searches, mean, smallest and largest number of kept weights
    (`l0`, `l0_min`, `l0_max_kept`), maskable weights (`l0_max`) and the mean
    kept fraction.
  """
  return (
    table.groupby(
      [
        "release_experiment",
        "model",
        "regime",
        "hparams_from",
        "task",
        "masked_from",
      ],
      sort=False,
    )
    .agg(
      num_searches=("l0", "size"),
      l0=("l0", "mean"),
      l0_min=("l0", "min"),
      l0_max_kept=("l0", "max"),
      l0_max=("l0_max", "max"),
      fraction=("density", "mean"),
    )
    .reset_index()
  )
