"""One row per published mask search: its task differences, and its names."""

import pandas as pd

from structcomp_jax.studies.break_it_down import experiments
from structcomp_jax.studies.break_it_down.findings import (
  published,
  task_difference,
)
from structcomp_jax.studies.break_it_down.findings.task_difference import (
  UNTRAINED_REGIME,
)
from structcomp_jax.studies.break_it_down.reanalysis import release
from structcomp_jax.studies.break_it_down.regimes import REGIMES

# Language experiments that the release draws and tests together, singular
# first; every other experiment stands alone.
FAMILIES = {
  "sv_agr_singular": "sv_agr",
  "sv_agr_plural": "sv_agr",
  "anaphora_singular": "anaphora",
  "anaphora_plural": "anaphora",
}
# What names a figure and a table of the release.
GROUP = ["family", "model", "regime", "hparams_from"]


def of_release(evaluations: pd.DataFrame) -> pd.DataFrame:
  """Returns one row per search.

  Args:
    evaluations: see `release.read`.

  Returns:
    The columns of `task_differences` (experiment and subroutine in our names;
    `base_seed` is the uuid of the base network, `candidate` of the search),
    then `family`, `hparams_from`, `seed`, `release_experiment`, `task` (as the
    release names it, capitalised), `l0`, `l0_max`, `directory` (the result
    directory, which is one per base network and task), `base_model` (the
    number that the release gives to the base network, by its position),
    `pruned_from` (a uuid, or the empty text), `collapsed` and
    `ablated_constant` (the subnetwork, or the ablated network, has one accuracy
    on all tests: it gives one answer to everything). Sorted by experiment,
    directory and search, singular before plural.
  """
  ours = published.in_our_columns(evaluations)
  table = task_difference.task_differences(ours)
  facts = _facts(evaluations)
  table = table.merge(facts, left_on="candidate", right_index=True)
  order = list(experiments.DESCRIPTIONS)
  table = table.sort_values(
    ["experiment", *GROUP[1:], "directory", "candidate"],
    key=lambda column: (
      column.map(order.index) if column.name == "experiment" else column
    ),
    ignore_index=True,
  )
  table["base_model"] = _positions(table)
  return table


def groups(table: pd.DataFrame) -> dict[tuple[str, ...], pd.DataFrame]:
  """Returns {GROUP: its searches}, families in the order of the table.

  In a family and model, regimes are in the order of `regimes.REGIMES`.
  """
  found = {
    tuple(map(str, key)): part for key, part in table.groupby(GROUP, sort=False)
  }
  first = list(dict.fromkeys(table["family"]))
  return {
    group: found[group]
    for group in sorted(
      found,
      key=lambda one: (
        first.index(one[0]),
        one[1],
        list(REGIMES).index(one[2]),
      ),
    )
  }


def group_name(group: tuple[str, ...]) -> str:
  """Returns what files of a group are called.

  >>> group_name(("anaphora", "bert_small", "random_init", "lm_pretrained"))
  'anaphora-bert_small-random_init-lm_pretrained'
  >>> group_name(("inside_count", "resnet50", "scratch", "scratch"))
  'inside_count-resnet50-scratch'
  """
  borrowed = group[2] == UNTRAINED_REGIME and group[3] != "scratch"
  return "-".join(group if borrowed else group[:3])


def short(uuid: str) -> str:
  """Returns the first part of a uuid, which is unique in the release."""
  return uuid[:8]


def _facts(evaluations: pd.DataFrame) -> pd.DataFrame:
  """Returns what the release says of every search, by its uuid."""
  first = (
    evaluations[evaluations["ablation"] == "none"].groupby("search_id").first()
  )
  return pd.DataFrame(
    {
      "family": first["experiment"].map(lambda name: FAMILIES.get(name, name)),
      "hparams_from": first["hparams_from"],
      "seed": first["seed"],
      "release_experiment": first["experiment"],
      "task": first["mask_task"].str.capitalize(),
      "l0": first["l0"],
      "l0_max": first["l0_max"],
      "directory": [
        f"{base}_T{release.mask_task_id(experiment, task)}"
        for base, experiment, task in zip(
          first["base_model"],
          first["experiment"],
          first["mask_task"],
          strict=True,
        )
      ],
      "pruned_from": first.get("pruned_from", ""),
      "collapsed": _is_constant(evaluations, "none"),
      "ablated_constant": _is_constant(evaluations, "zero"),
    }
  )


def _is_constant(evaluations: pd.DataFrame, ablation: str) -> pd.Series:
  """Returns, by search, whether a network has one accuracy on all tests."""
  rows = evaluations[evaluations["ablation"] == ablation]
  return rows.groupby("search_id")["accuracy"].nunique() == 1


def _positions(table: pd.DataFrame) -> pd.Series:
  """Returns half the position of each search's directory, rounded down.

  That numbers base networks if each has two directories, and only then.
  """
  within = ["release_experiment", *GROUP[1:]]
  place = table.groupby(within)["directory"].rank(method="dense").astype(int)
  return (place - 1) // 2
