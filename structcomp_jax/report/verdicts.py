"""`verdicts.json`: what a page says, for programs."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from structcomp_jax.io.values import json_value

# Scripts read these of every verdict; a study may add others.
KEYS = ("experiment", "model", "regime", "label", "sentence", "statistics")


def to_json(verdicts: Iterable[Mapping[str, Any]]) -> str:
  """Returns the content of the file, a list of objects.

  Args:
    verdicts: everything of a verdict that `KEYS` names, and more; scalars of
      Python or NumPy, lists and dicts. NaN becomes null.

  Raises:
    ValueError: a verdict lacks a key.
  """
  found = [json_value(verdict) for verdict in verdicts]
  for verdict in found:
    missing = [key for key in KEYS if key not in verdict]
    if missing:
      raise ValueError(f"a verdict has no {', '.join(missing)}: {verdict}")
  return json.dumps(found, indent=1, allow_nan=False) + "\n"
