"""What a reader must know where base networks were added until they decide.

Who looks at an answer after every round and stops when he likes it errs more
often than a single look says. So the risk of an answer is shared: with n rounds
planned, each is judged at an n-th of it, and the risk over all rounds is at
most the whole (Bonferroni).
"""

from collections.abc import Mapping
from typing import Any

from structcomp_jax.pipeline import rounds
from structcomp_jax.report.workdir import Workdir
from structcomp_jax.structure.separability import RISK


def risk(config: Mapping[str, Any]) -> float:
  """Returns the risk at which every round is judged.

  Args:
    config: of a work directory.
  """
  return RISK / len(rounds.planned(config))


def sentence(one: Workdir) -> str:
  """Returns how many networks were used, and why no more; empty: as given."""
  plan = rounds.planned(one.config)
  if len(plan) == 1:
    return ""
  ended = rounds.read(one.path)
  regime, most = one.config["regimes"][0], len(plan[-1])
  shared = (
    f"Each of the {len(plan)} rounds that were planned is judged at a risk of"
    f" {risk(one.config):.2g}, so that it is at most {RISK:g} over all."
  )
  if not ended or ended[-1]["then"] == rounds.MORE:
    return (
      f"The work is not finished: {len(ended)} of at most {len(plan)} rounds"
      f" are over, and launch.run adds base networks, up to {most}, while the"
      f" answer about {regime} is open. {shared}"
    )
  networks = f"{len(ended[-1]['base_seeds'])} base networks"
  so_far = f"round {len(ended)} of at most {len(plan)}"
  stopped = {
    rounds.DECIDED: f"was decided with {networks} of at most {most} ({so_far}),"
    " so no more were added",
    rounds.MOST: f"was still open with {networks}, the most that were allowed"
    f" ({so_far})",
    rounds.MAX_HOURS: f"was still open with {networks} ({so_far}) when the time"
    f" was over ({rounds.settings(one.config).max_hours:g} hours)",
  }
  return f"The answer about {regime} {stopped[ended[-1]['then']]}. {shared}"
