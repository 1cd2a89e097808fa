"""Points about base networks: which failed, what they are called."""

import pandas as pd

from structcomp_jax.studies.break_it_down.findings.published import (
  LOW_BASE_ACCURACY,
)
from structcomp_jax.studies.break_it_down.findings.task_difference import (
  BASE_THRESHOLD,
  UNTRAINED_REGIME,
)
from structcomp_jax.studies.break_it_down.reanalysis import (
  analysis_data,
  published_tests,
  searches,
)
from structcomp_jax.studies.break_it_down.reanalysis.points.point import (
  Point,
  listed,
  of,
  signed,
)
from structcomp_jax.studies.break_it_down.reanalysis.published_data import (
  Published,
)

_LEVEL = 0.05


def by_threshold(found: Published) -> Point:
  """Returns the point about failed networks typed by hand."""
  table = found.searches
  table = table.assign(by_hand=analysis_data.failed_by_hand(table))
  left_out = failed_networks(table)
  moved = differently_left_out(table)
  words = [
    f"{row['release_experiment']} {row['model']} {row['regime']}"
    f" {row['task'].lower()}: D_sub {signed(row['d_sub'])} instead of"
    f" {signed(row['d_sub_published'])}, D_abl {signed(row['d_abl'])} instead"
    f" of {signed(row['d_abl_published'])}"
    for _, row in moved.iterrows()
  ]
  by_hand_alone = left_out[left_out["by_hand"] & ~left_out["by_threshold"]]
  return Point(
    "10",
    "failed base networks",
    "Base networks failed where their accuracy on the whole task, by uuid, is"
    f" below {BASE_THRESHOLD}; the release publishes it apart from this table.",
    f"Below it: {listed(_names(left_out[left_out['by_threshold']]))}; left out"
    f" by the release besides, by position: {listed(_names(by_hand_alone))}."
    + _pruned_in_words(table)
    + (f" Over the networks that work, {'; '.join(words)}." if words else ""),
    tables={"10_failed": left_out, "10_means": moved},
  )


def _pruned_in_words(table: pd.DataFrame) -> str:
  """Returns which pruned networks come from failed ones and were kept."""
  failed = set(table[table["base_failed"]]["base_seed"])
  rows = table[table["pruned_from"].isin(failed) & ~table["by_hand"]]
  pairs = rows[["base_seed", "pruned_from"]].drop_duplicates()
  kept = [
    f"{searches.short(base)}, pruned from {searches.short(origin)}"
    for base, origin in pairs.itertuples(index=False, name=None)
  ]
  return f" The release kept {listed(kept)}." if kept else ""


def failed_networks(table: pd.DataFrame) -> pd.DataFrame:
  """Returns the base networks that either rule leaves out.

  Args:
    table: see `searches.of_release`, with `by_hand`.
  """
  rows = table[table["base_failed"] | table["by_hand"]]
  named = rows.drop_duplicates(
    ["release_experiment", "model", "regime", "base_seed"]
  )
  return pd.DataFrame(
    {
      "release_experiment": named["release_experiment"],
      "model": named["model"],
      "regime": named["regime"],
      "base_model": named["base_seed"],
      "number": named["base_model"],
      "pruned_from": named["pruned_from"],
      "accuracy": named["base_seed"].str[:8].map(LOW_BASE_ACCURACY),
      "by_threshold": named["base_failed"],
      "by_hand": named["by_hand"],
    }
  ).reset_index(drop=True)


def differently_left_out(table: pd.DataFrame) -> pd.DataFrame:
  """Returns mean D under both rules, where they leave out others.

  Args:
    table: see `searches.of_release`, with `by_hand`.
  """
  rows = []
  key = ["release_experiment", "model", "regime", "hparams_from", "task"]
  for names, part in table.groupby(key, sort=False):
    if (part["by_hand"] == part["base_failed"]).all():
      continue
    published, ours = part[~part["by_hand"]], part[~part["base_failed"]]
    rows.append(
      {
        **dict(zip(key, names, strict=True)),
        "d_sub_published": published["d_sub"].mean(),
        "d_sub": ours["d_sub"].mean(),
        "d_abl_published": published["d_abl"].mean(),
        "d_abl": ours["d_abl"].mean(),
      }
    )
  columns = [*key, "d_sub_published", "d_sub", "d_abl_published", "d_abl"]
  return pd.DataFrame(rows, columns=columns)


def _names(rows: pd.DataFrame) -> list[str]:
  return [
    f"{searches.short(row['base_model'])} of {row['release_experiment']}"
    f" {row['regime']}"
    for _, row in rows.iterrows()
  ]


def by_uuid(found: Published) -> Point:
  """Returns the point about numbers that stand for base networks."""
  gaps = with_missing_directories(found.searches)
  wrong = gaps[gaps["number"] != gaps["by_uuid"]]
  released = {searches.group_name(one) for one in analysis_data.RELEASED}
  is_hit = released & set(wrong["group"])
  return Point(
    "11",
    "numbers of base networks",
    "Base networks are told apart by uuid instead of by half the position of"
    " their result directories, which is wrong where a directory is missing.",
    f"Directories are missing in {listed(sorted(set(gaps['group'])))};"
    f" {of(len(wrong), len(gaps))} numbers there are wrong"
    + ("" if len(wrong) else ", since those that are missing happen to be last")
    + f"; {of(len(is_hit), len(found.tables))} released tables are affected.",
    tables={"11_numbers": gaps},
  )


def with_missing_directories(table: pd.DataFrame) -> pd.DataFrame:
  """Returns the numbers of base networks where directories are missing.

  Args:
    table: see `searches.of_release`.

  Returns:
    One row per result directory of a group and experiment that lacks some of
    the two per base network: `number` by position, and `by_uuid` in the order
    of the uuids of the networks that lent the settings.
  """
  rows = []
  for group, part in searches.groups(table).items():
    for experiment, of_one in part.groupby("release_experiment"):
      bases = _lenders(table, group, str(experiment)) | set(of_one["base_seed"])
      found = of_one.drop_duplicates("directory")
      if len(found) == 2 * len(bases):
        continue
      rows += [
        {
          "group": searches.group_name(group),
          "release_experiment": experiment,
          "directory": row["directory"],
          "number": row["base_model"],
          "by_uuid": sorted(bases).index(row["base_seed"]),
        }
        for _, row in found.iterrows()
      ]
  columns = ["group", "release_experiment", "directory", "number", "by_uuid"]
  return pd.DataFrame(rows, columns=columns)


def _lenders(
  table: pd.DataFrame, group: tuple[str, ...], experiment: str
) -> set[str]:
  """Returns the base networks whose settings a random-init group borrowed."""
  if group[2] != UNTRAINED_REGIME:
    return set()
  rows = table[
    (table["release_experiment"] == experiment)
    & (table["model"] == group[1])
    & (table["regime"] == group[3])
  ]
  return set(rows["base_seed"])


def no_evidence_by_itself(found: Published) -> Point:
  """Returns the point about subroutines that a mask builds itself."""
  table = found.searches
  failed = table[table["base_failed"]]
  lifted = failed.groupby(
    ["release_experiment", "regime", "base_seed", "task"]
  )[["subnetwork_own", "subnetwork_base", "d_sub"]].mean()
  lifted = lifted.reset_index().rename(columns={"base_seed": "base_model"})
  built = _significant_d_sub(found.tests)
  words = [
    f"{searches.short(row['base_model'])} {row['task'].lower()}: own task"
    f" {row['subnetwork_own']:.2f}, D_sub {signed(row['d_sub'])}"
    for _, row in lifted.iterrows()
  ]
  return Point(
    "13",
    "D_sub by itself",
    "Masks of failed base networks, and of networks that were never trained,"
    " were looked at by themselves.",
    f"Mean over masks of networks that failed: {'; '.join(words) or 'none'}."
    " In untrained networks the published test finds D_sub above 0 (p below"
    f" {_LEVEL}) for {of(int(built.sum()), len(built))} tasks"
    + (
      ": D_sub above 0 is no evidence of a part that was there before the mask."
      if built.any()
      else "."
    ),
    tables={"13_failed_networks": lifted},
  )


def _significant_d_sub(tests: pd.DataFrame) -> pd.Series:
  """Returns whether the published test finds D_sub > 0 without training."""
  if tests.empty:
    return pd.Series(dtype=bool)
  rows = tests[
    tests["table"].str.endswith(f"-{UNTRAINED_REGIME}")
    & (tests["model"] == "a")
    & (tests["coding"] == published_tests.ABLATION)
    & (tests["term"] == published_tests.INTERCEPT)
  ]
  return (rows["estimate"] > 0) & (rows["p"] < _LEVEL)
