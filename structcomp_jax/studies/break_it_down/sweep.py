"""The sweep of base networks: which step size and batch size to train with.

One seed is trained with every pair; the lowest validation loss wins, as in
the sweeps of Lepori et al. 2023. The choice is a file, so that it is made once.
"""

import pathlib
from collections.abc import Callable, Sequence
from typing import Any

from structcomp_jax import types
from structcomp_jax.io import files

RECORD = "sweep.json"


def choose(
  pairs: Sequence[dict[str, Any]],
  directory: pathlib.Path,
  regime: str,
  lowest_loss: Callable[[pathlib.Path, dict[str, Any], str], float],
) -> dict[str, Any]:
  """Returns the changes to the training settings that the sweep chose.

  Args:
    pairs: changes that are tried; none: there is no sweep.
    directory: of the training.
    regime: of the networks, for progress.
    lowest_loss: (directory, changes, label) -> lowest validation loss of one
      network; goes on where it was.

  Returns:
    {"learning_rate", "batch_size"}, or nothing without a sweep.

  Raises:
    UserError: the record is torn.
  """
  if not pairs:
    return {}
  record = directory / "sweep" / RECORD
  if not files.exists(record):
    rows = []
    for number, pair in enumerate(pairs, start=1):
      loss = lowest_loss(
        directory
        / "sweep"
        / "lr_{learning_rate:g}_batch_{batch_size}".format(**pair),
        pair,
        f"sweep {number}/{len(pairs)} of {regime}",
      )
      rows.append({**pair, "validation_loss": loss})
    best = min(rows, key=lambda row: row["validation_loss"])
    files.write_json(record, {"chosen": best, "settings": rows})
  try:
    chosen = files.read_json(record)["chosen"]
    return {name: chosen[name] for name in ("learning_rate", "batch_size")}
  except (KeyError, TypeError) as error:
    raise types.UserError(
      f"{record} is torn; delete it and run {types.command('train')} again"
    ) from error
