"""Points about what networks answer: always the same, or by a hair."""

import pandas as pd

from structcomp_jax.report import markup
from structcomp_jax.studies.break_it_down.findings.task_difference import (
  COLLAPSED_THRESHOLD,
  UNSURE_LOSS,
)
from structcomp_jax.studies.break_it_down.reanalysis import searches
from structcomp_jax.studies.break_it_down.reanalysis.points.point import (
  Point,
  listed,
  of,
  signed,
)
from structcomp_jax.studies.break_it_down.reanalysis.published_data import (
  Published,
)

_ACCURATE = 0.9
_GROUP = ["model", "regime", "release_experiment", "task"]


def collapsed(found: Published) -> Point:
  """Returns the point about networks that give one answer to everything."""
  table = found.searches
  rows = table[table["collapsed"]]
  constant = table[table["ablated_constant"]]
  at_chance = table["ablated_collapsed"].sum()
  bases = sorted({searches.short(base) for base in constant["base_seed"]})
  by_group = rows.groupby(["regime", "model"]).size()
  counted = [
    f"{count} {regime} ({model})" for (regime, model), count in by_group.items()
  ]
  return Point(
    "8",
    "collapsed networks",
    "Searches whose subnetwork has the same accuracy on all tests were found"
    " and left out; so were ablated networks of that kind.",
    f"{of(len(rows), len(table))} searches collapsed: {listed(counted)}."
    f"{_moved_in_words(without_collapsed(table))} The ablated network is"
    f" constant in {len(constant)} searches"
    + (f" (in {listed(bases)})" if bases else "")
    + f" and below {COLLAPSED_THRESHOLD} on its own task and both single-cue"
    f" tests in {of(at_chance, len(table))}: their D_abl near 0 says nothing.",
    tables={
      "08_collapsed": _collapsed_rows(rows),
      "08_without_collapsed": without_collapsed(table),
    },
  )


def _collapsed_rows(rows: pd.DataFrame) -> pd.DataFrame:
  """Returns which searches collapsed."""
  named = rows[[*_GROUP, "base_seed", "candidate", "seed", "subnetwork_own"]]
  return named.rename(
    columns={
      "base_seed": "base_model",
      "candidate": "search_id",
      "subnetwork_own": "accuracy_everywhere",
    }
  ).reset_index(drop=True)


def without_collapsed(table: pd.DataFrame) -> pd.DataFrame:
  """Returns mean D with and without collapsed searches, where there are any.

  Args:
    table: see `searches.of_release`.
  """
  rows = []
  for names, part in table.groupby([*_GROUP, "hparams_from"], sort=False):
    kept = part[~part["collapsed"]]
    if len(kept) == len(part):
      continue
    rows.append(
      {
        **dict(zip(_GROUP, names, strict=False)),
        "num_searches": len(part),
        "num_collapsed": len(part) - len(kept),
        **{
          f"{name}{words}": of_part[name].mean()
          for name in ("d_sub", "d_abl")
          for words, of_part in (("", part), ("_without", kept))
        },
      }
    )
  return pd.DataFrame(rows)


def _moved_in_words(moved: pd.DataFrame) -> str:
  """Returns what leaving them out changes in the means."""
  if moved.empty:
    return ""
  change = moved["d_sub_without"] - moved["d_sub"]
  row = moved.loc[change.abs().idxmax()]
  return (
    f" Without them mean D_sub moves by {signed(change.min())} to"
    f" {signed(change.max())} in {len(moved)} rows, most in"
    f" {row['release_experiment']} {row['model']} {row['regime']}"
    f" {row['task'].lower()}: from {signed(row['d_sub'])} to"
    f" {signed(row['d_sub_without'])} (D_abl from {signed(row['d_abl'])} to"
    f" {signed(row['d_abl_without'])})."
  )


def unsure(found: Published) -> Point:
  """Returns the point about right answers that rest on tiny differences."""
  rows = found.evaluations
  accurate = rows[rows["accuracy"] > _ACCURATE]
  by_hair = accurate["loss"] > UNSURE_LOSS
  summary = (
    accurate.assign(unsure=by_hair)
    .groupby(["model", "regime", "hparams_from", "experiment"])["unsure"]
    .agg(num_accurate="size", num_unsure="sum")
    .reset_index()
  )
  share = by_hair.mean() if len(accurate) else 0.0
  by_regime = summary.groupby(["model", "regime"])[
    ["num_accurate", "num_unsure"]
  ].sum()
  shares = by_regime["num_unsure"] / by_regime["num_accurate"]
  most = [
    f"{markup.percent(value)} of {model} {regime}"
    for (model, regime), value in shares.nlargest(2).items()
  ]
  return Point(
    "9",
    "low confidence",
    f"Evaluations with accuracy above {_ACCURATE} were counted whose cross"
    f" entropy is above {UNSURE_LOSS} (guessing is 1.386).",
    f"{of(int(by_hair.sum()), len(accurate))} ({markup.percent(share)}) decide"
    f" by tiny differences, most often {listed(most)}; margins are not in the"
    " table, so that the loss has to stand for them.",
    tables={"09_unsure": summary},
  )
