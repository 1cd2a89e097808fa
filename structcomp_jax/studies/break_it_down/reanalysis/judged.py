"""The verdict rules of this library, applied to the published searches."""

import dataclasses
from collections.abc import Sequence

import pandas as pd

from structcomp_jax.studies.break_it_down import experiments
from structcomp_jax.studies.break_it_down.findings import conclude
from structcomp_jax.studies.break_it_down.findings.summary import NETWORK
from structcomp_jax.studies.break_it_down.findings.task_difference import (
  UNTRAINED_REGIME,
)
from structcomp_jax.studies.break_it_down.findings.verdict import (
  Verdict,
  verdicts,
)
from structcomp_jax.studies.break_it_down.reanalysis import (
  published_tests,
  searches,
)
from structcomp_jax.studies.break_it_down.reanalysis.published_data import (
  Published,
)
from structcomp_jax.studies.break_it_down.regimes import REGIMES

_LEVEL = 0.05
# Which test of model (a) is about a difference, and its predicted sign.
_TESTS = {
  "D_sub": (published_tests.ABLATION, 1),
  "D_abl": (published_tests.SUBNETWORK, -1),
}


@dataclasses.dataclass(frozen=True)
class Judged:
  """One verdict beside what the published tests say of the same networks.

  Attributes:
    verdict: by the rules of `findings.verdict`.
    control: where the untrained networks borrowed their settings: the regime,
      or `scratch` where that has no untrained networks of its own.
    predicted: {(task, difference): whether the published test finds it on the
      side that modular parts predict, p below 0.05}; empty where no table was
      released.
  """

  verdict: Verdict
  control: str
  predicted: dict[tuple[str, str], bool]


def judge(found: Published) -> list[Judged]:
  """Returns a verdict for every experiment, model and trained regime.

  Untrained networks are told apart by the seed that draws them.
  """
  table = found.searches.assign(
    base_seed=found.searches["base_seed"].map(searches.short)
  )
  answers = []
  trained = table[table["regime"] != UNTRAINED_REGIME]
  by_network = dict(list(trained.groupby(NETWORK, sort=False)))
  for network in sorted(by_network, key=_place):
    rows = by_network[network]
    control, lender = _control(table, network)
    both = pd.concat([rows, control], ignore_index=True)
    (verdict,) = [
      one for one in verdicts(both) if one.network[2] != UNTRAINED_REGIME
    ]
    answers.append(Judged(verdict, lender, _published(found, rows)))
  return answers


def as_records(judged: Sequence[Judged]) -> list[dict[str, object]]:
  """Returns the verdicts for `report.verdicts.to_json`."""
  return [
    {
      **conclude.verdict_record(one.verdict),
      "control_settings_from": one.control,
      "published": {
        f"{task} {difference}": is_predicted
        for (task, difference), is_predicted in one.predicted.items()
      },
    }
    for one in judged
  ]


def in_words(judged: Sequence[Judged]) -> str:
  """Returns how many networks got which verdict."""
  labels = [one.verdict.label for one in judged]
  counts = {label: labels.count(label) for label in dict.fromkeys(labels)}
  most_first = sorted(counts, key=lambda label: -counts[label])
  listed = ", ".join(f"{counts[label]} {label}" for label in most_first)
  tested = [one.predicted for one in judged if one.predicted]
  whole = sum(all(predicted.values()) for predicted in tested)
  return (
    f"Of {len(judged)} kinds of networks: {listed}. The published tests support"
    f" all four predictions in {whole} of the {len(tested)} that they are"
    " about."
  )


def _place(network: tuple[str, ...]) -> tuple[int, str, int]:
  """Returns where a network stands on the page."""
  experiment, model, regime = network
  order = list(experiments.DESCRIPTIONS)
  return order.index(experiment), model, list(REGIMES).index(regime)


def _control(
  table: pd.DataFrame, network: tuple[str, ...]
) -> tuple[pd.DataFrame, str]:
  """Returns untrained networks to compare with, and who lent the settings."""
  experiment, model, regime = network
  untrained = table[
    (table["experiment"] == experiment)
    & (table["model"] == model)
    & (table["regime"] == UNTRAINED_REGIME)
  ]
  has_own = bool((untrained["hparams_from"] == regime).any())
  lender = regime if has_own else "scratch"
  control = untrained[untrained["hparams_from"] == lender]
  return control.assign(base_seed="seed " + control["seed"].astype(str)), lender


def _published(
  found: Published, rows: pd.DataFrame
) -> dict[tuple[str, str], bool]:
  """Returns which of the four effects the published tests support."""
  (group,) = searches.groups(rows)
  name = searches.group_name(group)
  if name not in found.tables:
    return {}
  tests = found.tests[(found.tests["table"] == name)]
  tests = tests[tests["model"] == "a"].set_index(["task", "coding", "term"])
  answers = {}
  for task in sorted(rows["task"].unique()):
    for difference, (coding, sign) in _TESTS.items():
      key = task, coding, published_tests.INTERCEPT
      if key not in tests.index:
        return {}
      one = tests.loc[key]
      answers[task, difference] = bool(
        sign * one["estimate"] > 0 and one["p"] < _LEVEL
      )
  return answers
