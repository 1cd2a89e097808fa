"""How often the verdict of one-sided masks is wrong, for `null_simulations`.

Tables of task differences are drawn whose true D_abl is known, and the rules of
the study are asked. What is drawn of every network and subroutine: its D_abl,
normal around the truth, then each of its masks around that, then the accuracies
of the single-cue tests, binomial. Everything else speaks for modular networks:
D_sub is +0.6, the masks learned, the untrained networks have a D_abl of +0.5,
and random masks do nothing.
"""

import collections
import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd

from structcomp_jax.report.text import markdown_table
from structcomp_jax.studies.break_it_down.findings import labels
from structcomp_jax.studies.break_it_down.findings.task_difference import (
  MASK_KEY,
  UNTRAINED_REGIME,
  clamp,
)
from structcomp_jax.studies.break_it_down.findings.verdict import verdicts

NUM_MASKS, NUM_PROBLEMS = 3, 300
# Standard deviation of the true D_abl of masks of one network.
MASK_SPREAD = 0.1
_OTHERS = (labels.NOT_MODULAR, labels.OPPOSITE, labels.REDUNDANT)
_UNTRAINED = 0.5
_TRAINED = "scratch"


@dataclasses.dataclass(frozen=True)
class Truth:
  """Networks whose true D_abl is known.

  Attributes:
    num_networks: trained ones, and as many untrained ones of the same seeds.
    effect: D_abl of both subroutines, mean over all networks there are.
    spread: its standard deviation between networks.
  """

  num_networks: int
  effect: float
  spread: float


def truths() -> list[Truth]:
  """Returns what is simulated, in the order of the table."""
  return [
    Truth(count, effect, spread)
    for effect, spread in ((0.0, 0.25), (-0.35, 0.2))
    for count in (2, 3, 5, 10)
  ]


def draw(
  truth: Truth, count: int, draws: np.random.Generator
) -> tuple[pd.DataFrame, pd.DataFrame]:
  """Returns task differences, and those of random masks.

  Args:
    truth: of the networks.
    count: data sets; each is an experiment of its own.
    draws: the source of randomness.
  """
  regimes = {_TRAINED: truth.effect, UNTRAINED_REGIME: _UNTRAINED}
  keys = pd.MultiIndex.from_product(
    [
      range(count),
      ["model"],
      regimes,
      range(truth.num_networks),
      ["subject", "verb"],
      range(NUM_MASKS),
    ],
    names=MASK_KEY,
  )
  table = keys.to_frame(index=False)
  networks = draws.normal(size=len(table) // NUM_MASKS).repeat(NUM_MASKS)
  masks = draws.normal(size=len(table))
  true = table["regime"].map(regimes).to_numpy()
  removed = true + truth.spread * networks + MASK_SPREAD * masks
  found = table.assign(
    subnetwork_own=_measured(np.full(len(table), 0.98), draws),
    subnetwork_loss=0.1,
    num_problems=NUM_PROBLEMS,
    base_failed=False,
    learned=True,
    ablated_collapsed=False,
    **_tests("subnetwork", np.full(len(table), 0.6), draws),
    **_tests("ablated", removed, draws),
  )
  found["ablated_own"] = found["ablated_target"]
  found["d_sub"], found["d_abl"] = (
    clamp(found[f"{one}_target"]) - clamp(found[f"{one}_other"])
    for one in ("subnetwork", "ablated")
  )
  return found, found.assign(d_sub=0.0, d_abl=0.0)


def _tests(
  condition: str, differences: np.ndarray, draws: np.random.Generator
) -> dict[str, np.ndarray]:
  """Returns accuracies around the middle between chance and perfect."""
  middle = 0.625
  return {
    f"{condition}_{test}": _measured(middle + sign * differences / 2, draws)
    for test, sign in (("target", 1), ("other", -1))
  }


def _measured(accuracies: np.ndarray, draws: np.random.Generator) -> np.ndarray:
  """Returns accuracies on so many problems."""
  right = draws.binomial(NUM_PROBLEMS, np.clip(accuracies, 0, 1))
  return right / NUM_PROBLEMS


def rates(truth: Truth, count: int, seed: int) -> dict[str, float]:
  """Returns {label: how often it is given}.

  Args:
    truth: of the networks.
    count: how many data sets to draw.
    seed: of the draws.
  """
  tables = draw(truth, count, np.random.default_rng(seed))
  found = collections.Counter(
    one.label for one in verdicts(*tables) if one.label != labels.CONTROL
  )
  return {label: number / count for label, number in found.items()}


def table(found: Sequence[tuple[Truth, dict[str, float]]]) -> str:
  """Returns the rates in percent, as Markdown."""
  head = ("true D_abl", "networks", "modular", *_OTHERS, labels.UNDECIDED)
  lines = [
    (
      f"{truth.effect:g} ± {truth.spread:g}",
      str(truth.num_networks),
      *(
        f"{100 * rate:.1f}"
        for rate in (
          of_label.get(labels.MODULAR, 0.0)
          + of_label.get(labels.BY_ABLATION, 0.0),
          *(of_label.get(one, 0.0) for one in (*_OTHERS, labels.UNDECIDED)),
        )
      ),
    )
    for truth, of_label in found
  ]
  return markdown_table([head, *lines])
