"""Structural compositionality: learned weight masks on frozen networks."""

import importlib
from typing import Any

__version__ = "0.1.0"
_ROOMS = ("engine", "evaluation", "io", "masks", "models", "search", "trees",
          "training", "types")  # fmt: skip


def __getattr__(name: str) -> Any:
  """Imports a part of the package when it is first asked for."""
  if name not in _ROOMS:
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
  return importlib.import_module(f"{__name__}.{name}")
