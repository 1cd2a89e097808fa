"""The sweep of base networks: which step size and batch size to train with.

One seed is trained with every pair; the lowest validation loss wins, as in
the published sweeps. The choice is a file, so that it is made once.
"""

import json
from collections.abc import Callable
from typing import Any

from structcomp_jax import types
from structcomp_jax.io import files
from structcomp_jax.pipeline import experiment as experiments

RECORD = "sweep.json"


def choose(
  experiment: experiments.Experiment,
  regime: str,
  train: Callable[..., float],
) -> dict[str, Any]:
  """Returns the changes to the training config that the sweep chose.

  Args:
    experiment: the experiment.
    regime: of the networks.
    train: (directory, TrainConfig, label) -> lowest validation loss of one
      network; goes on where it was.

  Returns:
    {"learning_rate", "batch_size"}, or nothing without a sweep.

  Raises:
    UserError: the record is torn.
  """
  pairs = experiments.sweep_pairs(experiment.config)
  if not pairs:
    return {}
  directory = experiment.paths.training(regime) / "sweep"
  record = directory / RECORD
  if not files.exists(record):
    rows = []
    for number, pair in enumerate(pairs, start=1):
      loss = train(
        directory / "lr_{learning_rate:g}_batch_{batch_size}".format(**pair),
        experiment.train_config(regime, **pair),
        f"sweep {number}/{len(pairs)} of {regime}",
      )
      rows.append({**pair, "validation_loss": loss})
    best = min(rows, key=lambda row: row["validation_loss"])
    content = {"chosen": best, "settings": rows}
    files.write_atomic(record, json.dumps(content, indent=2) + "\n")
  try:
    chosen = json.loads(files.read_text(record))["chosen"]
    return {name: chosen[name] for name in ("learning_rate", "batch_size")}
  except (ValueError, KeyError, TypeError) as error:
    raise types.UserError(
      f"{record} is torn; delete it and run python -m launch.train again"
    ) from error
