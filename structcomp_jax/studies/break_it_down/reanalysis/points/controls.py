"""Points about random-init networks: repeats, and masks that did not learn."""

import pandas as pd

from structcomp_jax.report.clustered import Estimate, clustered_difference
from structcomp_jax.studies.break_it_down.findings.statistics import DIFFERENCES
from structcomp_jax.studies.break_it_down.findings.task_difference import (
  OWN_THRESHOLD,
  UNTRAINED_REGIME,
)
from structcomp_jax.studies.break_it_down.reanalysis import (
  analysis_data,
  searches,
)
from structcomp_jax.studies.break_it_down.reanalysis.points.point import (
  Point,
  listed,
  of,
)
from structcomp_jax.studies.break_it_down.reanalysis.published_data import (
  Published,
)

_LEVEL = 0.05
_COMPARISON = [
  "table",
  "task",
  "difference",
  "estimate",
  "error_published",
  "error_by_seed",
  "networks_published",
  "networks_by_seed",
  "p_published",
  "p_by_seed",
  "p_t_by_seed",
]
# What decides a random-init search, whatever network lent its settings.
_RUN = [
  "release_experiment",
  "model",
  "task",
  "learning_rate",
  "mask_init",
  "masked_from",
  "seed",
]


def clusters_by_seed(found: Published) -> Point:
  """Returns the point about random-init networks that are the same."""
  compared = comparisons(found.searches)
  repeated = repeats(found.evaluations, found.searches)
  is_clear = {
    name: int((compared[name] < _LEVEL).sum())
    for name in ("p_published", "p_by_seed", "p_t_by_seed")
  }
  wider = (compared["error_by_seed"] > compared["error_published"]).sum()
  return Point(
    "4",
    "random-init clustered by seed",
    "Random-init networks are clustered by the seed that draws them instead"
    " of by the network that lends its settings, in the"
    f" {len(compared)} comparisons of trained with untrained networks; how much"
    " the borrowed settings differ then counts as spread within a network.",
    f"The error grows in {of(wider, len(compared))}; below {_LEVEL} are"
    f" {is_clear['p_published']} as published,"
    f" {is_clear['p_by_seed']} by seed and {is_clear['p_t_by_seed']} by seed"
    f" with a t distribution. {_repeats_in_words(repeated)}",
    tables={
      "04_trained_against_random_init": compared,
      "04_repeated_searches": repeated,
    },
  )


def comparisons(table: pd.DataFrame) -> pd.DataFrame:
  """Returns untrained minus trained networks, with either kind of cluster.

  Args:
    table: see `searches.of_release`.

  Returns:
    One row per released pair of tables, task and difference: table, task,
    difference, estimate, then `error_`, `networks_` and `p_` (normal), each
    `published` and `by_seed`, and `p_t_by_seed`.
  """
  groups = searches.groups(table[~analysis_data.failed_by_hand(table)])
  rows = []
  for group, trained in groups.items():
    control = (*group[:2], UNTRAINED_REGIME, group[3])
    if not {group, control} <= analysis_data.RELEASED or group == control:
      continue
    if group[2] != group[3] or control not in groups:
      continue
    for task, of_task in trained.groupby("task"):
      untrained = groups[control]
      untrained = untrained[untrained["task"] == task]
      for name, column in DIFFERENCES.items():
        published, by_seed = (
          _difference(untrained, of_task, column, cluster)
          for cluster in ("base_seed", "seed")
        )
        if published is None or by_seed is None:
          continue
        rows.append(
          {
            "table": searches.group_name(group),
            "task": task,
            "difference": name,
            "estimate": published.value,
            "error_published": published.standard_error,
            "error_by_seed": by_seed.standard_error,
            "networks_published": published.num_clusters,
            "networks_by_seed": by_seed.num_clusters,
            "p_published": published.p_normal,
            "p_by_seed": by_seed.p_normal,
            "p_t_by_seed": by_seed.p_t,
          }
        )
  return pd.DataFrame(rows, columns=_COMPARISON)


def _difference(
  untrained: pd.DataFrame, trained: pd.DataFrame, column: str, cluster: str
) -> Estimate | None:
  """Returns untrained minus trained; `cluster` is that of the untrained."""
  # They share no cluster: a name that they share is that of a lender.
  names = "untrained " + untrained[cluster].astype(str)
  return clustered_difference(
    untrained[column], names, trained[column], trained["base_seed"]
  )


def repeats(evaluations: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
  """Returns the random-init searches that another one repeats.

  Two searches repeat each other if task, settings and seed are the same: the
  weights depend on the seed alone.

  Args:
    evaluations: see `release.read`.
    table: see `searches.of_release`.

  Returns:
    One row per such search: `_RUN`, hparams_from, base_model (the network
    that lent its settings), search_id, run (a number that repeats share) and
    `is_identical`: another one of the run has every accuracy and every number
    of kept weights the same.
  """
  rows = table[table["regime"] == UNTRAINED_REGIME]
  rows = rows.assign(run=rows.groupby(_RUN, sort=False).ngroup())
  rows = rows[rows.duplicated("run", keep=False)]
  numbers = evaluations.sort_values(["ablation", "eval_task"])
  outcome = numbers.groupby("search_id")[["accuracy", "l0"]].apply(
    lambda one: one.to_numpy().tobytes()
  )
  rows = rows.assign(outcome=rows["candidate"].map(outcome))
  rows = rows.assign(
    is_identical=rows.duplicated(["run", "outcome"], keep=False)
  )
  rows = rows.drop(columns="base_model").rename(
    columns={"base_seed": "base_model", "candidate": "search_id"}
  )
  return rows.sort_values("run", kind="stable", ignore_index=True)[
    [*_RUN, "hparams_from", "base_model", "search_id", "run", "is_identical"]
  ]


def _repeats_in_words(repeated: pd.DataFrame) -> str:
  """Returns how many searches are repeats, and the identical ones by name."""
  counts = (
    f"{len(repeated)} random-init searches share task, settings and seed with"
    f" another one, {int(repeated['is_identical'].sum())} of them with the same"
    " outcome in every accuracy and kept count"
  )
  within = repeated[
    repeated["is_identical"] & (repeated["hparams_from"] == "scratch")
  ]
  pairs = {
    f"{rows['release_experiment'].iloc[0]} {rows['task'].iloc[0].lower()}"
    f" ({' = '.join(map(searches.short, sorted(set(rows['base_model']))))})"
    for _, rows in within.groupby("run")
    if len(rows) > 1
  }
  return f"{counts}; inside one released table: {listed(sorted(pairs))}."


def only_learned(found: Published) -> Point:
  """Returns the point about masks that did not learn their own task."""
  summary = learned_summary(found.searches)
  untrained = found.searches["regime"] == UNTRAINED_REGIME
  missed = ~found.searches["learned"]
  never = summary[summary["num_learned"] == 0]
  changed = summary[
    (summary["num_learned"] > 0)
    & ((summary["d_sub_learned"] - summary["d_sub"]).abs() >= _LEVEL)
  ]
  return Point(
    "5",
    "own task learned",
    f"Accuracy on the own task stands beside D, and D is shown again over the"
    f" searches that reach {OWN_THRESHOLD} on it.",
    f"{of((missed & untrained).sum(), untrained.sum())} random-init and"
    f" {of((missed & ~untrained).sum(), (~untrained).sum())} other searches do"
    f" not reach it; in {of(len(never), len(summary))} rows none does"
    f" ({listed(_row_names(never))}), so that D says nothing there; in"
    f" {len(changed)} others D_sub moves by {_LEVEL} or more.",
    tables={"05_learned": summary},
  )


def learned_summary(table: pd.DataFrame) -> pd.DataFrame:
  """Returns D over all searches and over those that learned.

  Args:
    table: see `searches.of_release`.

  Returns:
    One row per group, experiment and task: num_searches, num_learned, own
    (mean accuracy on the own task), and means of d_sub and d_abl, of all
    searches and of those that learned (`_learned`; NaN without any).
  """
  rows = []
  key = [*searches.GROUP[1:], "release_experiment", "task"]
  for names, part in table.groupby(key, sort=False):
    learned = part[part["learned"]]
    rows.append(
      {
        **dict(zip(key, names, strict=True)),
        "num_searches": len(part),
        "num_learned": len(learned),
        "own": part["subnetwork_own"].mean(),
        "d_sub": part["d_sub"].mean(),
        "d_sub_learned": learned["d_sub"].mean(),
        "d_abl": part["d_abl"].mean(),
        "d_abl_learned": learned["d_abl"].mean(),
      }
    )
  return pd.DataFrame(rows)


def _row_names(summary: pd.DataFrame) -> list[str]:
  return [
    f"{row['release_experiment']} {row['model']} {row['regime']}"
    f" {row['task'].lower()}"
    for _, row in summary.iterrows()
  ]
