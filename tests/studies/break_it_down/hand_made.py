"""Tables of task differences with accuracies set by hand."""

import pandas as pd

from structcomp_jax.studies.break_it_down.findings import verdict
from structcomp_jax.studies.break_it_down.findings.task_difference import (
  CHANCE,
  MASK_KEY,
  OWN_THRESHOLD,
)
from tests.studies.break_it_down import synthetic


def pair(difference):
  """Returns (own, other) accuracy with a difference; pairs stay."""
  if isinstance(difference, tuple):
    return difference
  return CHANCE + max(difference, 0.0), CHANCE + max(-difference, 0.0)


def rows(
  regime="scratch",
  name="verb",
  ablated=(-0.5, -0.45, -0.55),
  *,
  subnetwork=0.6,
  own=0.95,
  lost=None,
  num_problems=300,
):
  """Returns the searches of one subroutine in networks 0, 1, ...

  Args:
    regime: of the networks.
    name: the subroutine.
    ablated: for each network D_abl, or a pair of accuracies, of its only mask,
      or a list of these, one per mask.
    subnetwork: D_sub of all masks, or one value per network.
    own: accuracy of all subnetworks on their own subroutine.
    lost: what the removal costs of it; by default ablated networks do as well
      on it as on its single-cue test.
    num_problems: of every test.
  """
  found = []
  for base_seed, masks in enumerate(ablated):
    of_network = (
      subnetwork[base_seed] if isinstance(subnetwork, list) else subnetwork
    )
    for candidate, value in enumerate(
      masks if isinstance(masks, list) else [masks]
    ):
      target, other = pair(value)
      kept_target, kept_other = pair(of_network)
      found.append(
        {
          **dict.fromkeys(MASK_KEY, "same"),
          "regime": regime,
          "base_seed": base_seed,
          "subroutine": name,
          "candidate": candidate,
          "subnetwork_own": own,
          "subnetwork_target": kept_target,
          "subnetwork_other": kept_other,
          "ablated_own": target if lost is None else own - lost,
          "ablated_target": target,
          "ablated_other": other,
          "num_problems": num_problems,
          "base_failed": False,
          "subnetwork_loss": 0.1,
        }
      )
  return with_differences(pd.DataFrame(found))


def with_differences(table):
  """Returns the table with all columns that follow from accuracies."""
  clamped = table[list(_ACCURACIES)].clip(lower=CHANCE)
  best = table[["ablated_own", "ablated_target", "ablated_other"]].max(axis=1)
  return table.assign(
    d_sub=clamped["subnetwork_target"] - clamped["subnetwork_other"],
    d_abl=clamped["ablated_target"] - clamped["ablated_other"],
    learned=table["subnetwork_own"] >= OWN_THRESHOLD,
    ablated_collapsed=best < 0.3,
  )


_ACCURACIES = (
  "subnetwork_target",
  "subnetwork_other",
  "ablated_target",
  "ablated_other",
)


def both(regime="scratch", ablated=(-0.5, -0.45, -0.55), **kwargs):
  """Returns `rows` of both subroutines."""
  return pd.concat(
    [rows(regime, name, ablated, **kwargs) for name in synthetic.PAIR],
    ignore_index=True,
  )


def answer(trained, untrained=None, controls=None):
  """Returns the verdict on trained networks.

  Args:
    trained: of `rows` or `both`.
    untrained: the same of regime `random_init`; by default they learned, and
      D_abl is +0.5.
    controls: random masks, see `damage`.
  """
  if untrained is None:
    count = trained["base_seed"].max() + 1
    untrained = both("random_init", (0.5,) * count)
  table = pd.concat([trained, untrained], ignore_index=True)
  answers = verdict.verdicts(table, controls)
  return next(one for one in answers if one.network[2] != "random_init")


def damage(*tables, d_sub=0.0, d_abl=0.0):
  """Returns the random masks of the masks in tables."""
  table = pd.concat(tables, ignore_index=True)
  return table.assign(d_sub=d_sub, d_abl=d_abl)


def joined(*tables):
  """Returns several tables as one."""
  return pd.concat(tables, ignore_index=True)
