"""Writes a network that tracr has compiled as planted truth.

    python -m tools.tracr_network --model=MODULE:FUNCTION --out=NAME.npz

FUNCTION returns what `tracr.compiler.compiling.compile_rasp_to_model` returns
for a program over ten tokens of -1 and 1 with a first token. tracr is not
needed here, only by FUNCTION (pip install tracr-pypi);
`tools.tracr_parities:model` is one.

What is part of what follows from names: coordinates of the stream have the name
of their variable. Those of A must start with "A_", and "A_holds" is what is
read; the same for B. Heads and units belong to the part whose coordinates alone
they write.
"""

import argparse
import importlib
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from structcomp_jax.studies.planted import outside
from structcomp_jax.studies.planted.problems import (
  NUM_BITS,
  SUBROUTINES,
  Pair,
)
from structcomp_jax.types import UserError

# How the names of variables of A and of B start.
PREFIXES = {name: f"{name}_" for name in SUBROUTINES}
# What follows in the names of the two variables that are read.
HOLDS = "holds"


def convert(
  model: Any, tokens: Sequence[int], read: int, pair: Pair
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
  """Returns what `outside.write` writes.

  Args:
    model: `tracr.compiler.assemble.AssembledTransformerModel`.
    tokens: rows of its embedding for a bit of -1, of 1, and the first token.
    read: the token at which the properties are told.
    pair: bits of the properties.

  Returns:
    Leaves, and what is known of them. Outputs are the coordinates whose names
    start with "A_holds" or "B_holds".

  Raises:
    UserError: nothing is named so, or attention has biases.
  """
  config, labels = model.model_config, list(model.residual_labels)
  written = {name: _starting(labels, PREFIXES[name]) for name in SUBROUTINES}
  outputs = [
    place
    for name in SUBROUTINES
    for place in _starting(labels, f"{PREFIXES[name]}{HOLDS}")
  ]
  params = {
    name: {leaf: np.asarray(value) for leaf, value in layer.items()}
    for name, layer in model.params.items()
  }
  leaves = {
    "embed/tokens": params["token_embed"]["embeddings"][list(tokens)],
    "embed/places": params["pos_embed"]["embeddings"][: NUM_BITS + 1],
    "output/kernel": np.eye(len(labels))[:, outputs],
  }
  parts: dict[str, dict[str, list[int]]] = {
    name: {outside.STREAM: places} for name, places in written.items()
  }
  for layer in range(config.num_layers):
    leaves |= _layer(params, layer, config.num_heads)
    for space, leaf in (("heads", "attended"), ("units", "outer")):
      writes = np.abs(leaves[f"{leaf}_{layer}/kernel"])
      writes = writes.reshape(len(writes), -1, len(labels)).sum(axis=1)
      for name, places in written.items():
        inside, total = writes[:, places].sum(axis=1), writes.sum(axis=1)
        own = np.flatnonzero((total > 0) & np.isclose(inside, total))
        parts[name][f"{space}_{layer}"] = own.tolist()
  known = {
    "read": read,
    "properties": {"A": list(pair.a), "B": list(pair.b)},
    "parts": parts,
  }
  return leaves, known


def _starting(labels, prefix):
  """Returns the places of the coordinates with such names."""
  found = [
    place for place, label in enumerate(labels) if label.startswith(prefix)
  ]
  if not found:
    raise UserError(
      f"no coordinate of the stream has a name that starts with {prefix!r}; "
      "name the variables of the program so"
    )
  return found


def _layer(params, layer, num_heads):
  """Returns the leaves of one layer."""
  attention, units = (
    f"transformer/layer_{layer}/{name}" for name in ("attn", "mlp")
  )
  leaves = {}
  for name in ("query", "key", "value", "linear"):
    one = params[f"{attention}/{name}"]
    if np.any(one["b"]):
      raise UserError(
        f"{attention}/{name} has a bias, which networks of planted truth do "
        "not have there; convert a model as tracr compiles it"
      )
    if name == "linear":
      leaves[f"attended_{layer}/kernel"] = one["w"].reshape(
        num_heads, -1, one["w"].shape[1]
      )
    else:
      leaves[f"{name}_{layer}/kernel"] = one["w"].reshape(
        len(one["w"]), num_heads, -1
      )
  for name, linear in (("inner", "linear_1"), ("outer", "linear_2")):
    leaves[f"{name}_{layer}/kernel"] = params[f"{units}/{linear}"]["w"]
    leaves[f"{name}_{layer}/bias"] = params[f"{units}/{linear}"]["b"]
  return leaves


def main() -> None:
  """Writes the files; exit status 1 where the model is not to be had."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--model", required=True, metavar="MODULE:FUNCTION")
  parser.add_argument("--out", type=pathlib.Path, required=True)
  parser.add_argument("--read", type=int, default=1)
  for name, bits in zip(SUBROUTINES, (Pair().a, Pair().b), strict=True):
    parser.add_argument(f"--{name}", type=int, nargs="+", default=list(bits))
  given = parser.parse_args()
  try:
    model = _called(given.model)
    encoder = model.input_encoder
    first, minus, plus = encoder.encode([encoder.bos_token, -1, 1])
    pair = Pair(tuple(given.A), tuple(given.B))
    leaves, known = convert(model, [minus, plus, first], given.read, pair)
    outside.write(given.out, leaves, known)
  except UserError as error:
    sys.exit(f"error: {error}")


def _called(name: str) -> Any:
  """Returns what a function returns that takes nothing."""
  module, _, function = name.partition(":")
  try:
    return getattr(importlib.import_module(module), function)()
  except (ImportError, AttributeError, ValueError) as error:
    raise UserError(
      f"--model={name} cannot be called ({error}); name a function of an "
      "installed module that returns what tracr compiled, as MODULE:FUNCTION"
    ) from error


if __name__ == "__main__":
  main()
