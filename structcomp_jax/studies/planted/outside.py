"""Networks whose structure others know: one in a file, and what it is made of.

NAME.npz has the leaves of an `Encoder`, by path, without an axis of rows, in
the shapes of `Encoder.shapes`. NAME.json says what is known:

  read        the token that is read; 0 is the one before the bits
  properties  {"A": places of bits, "B": places of bits}: the network tells
              whether the product of these bits is 1
  parts       {"A": {space: places}, "B": ...}: the heads ("heads_0" of the
              first layer), units ("units_0") and coordinates of the stream
              ("stream") that serve one subroutine alone

`tools.tracr_network` writes both for a program that tracr has compiled.
"""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from structcomp_jax import trees, types
from structcomp_jax.io import files
from structcomp_jax.studies.planted.classes import hiding
from structcomp_jax.studies.planted.classes.planted import Effort, Planted
from structcomp_jax.studies.planted.network import OUTPUT, Network, sizes
from structcomp_jax.studies.planted.networks.encoder import STREAM, Encoder
from structcomp_jax.studies.planted.problems import SUBROUTINES, Pair
from structcomp_jax.types import UserError

_KEYS = ("read", "properties", "parts")
Parts = Mapping[str, Mapping[str, list[int]]]


def write(
  path: pathlib.Path, leaves: Mapping[str, np.ndarray], known: Mapping[str, Any]
) -> None:
  """Writes a network and what is known of it.

  Args:
    path: NAME.npz.
    leaves: {path: array} of one network.
    known: what the JSON file says, see above.
  """
  path.parent.mkdir(parents=True, exist_ok=True)
  np.savez(path, **dict(leaves))  # type: ignore[arg-type]
  files.write_atomic(path.with_suffix(".json"), json.dumps(dict(known)))


def read(path: pathlib.Path, num_copies: int, seed: int) -> Planted:
  """Reads a network; every copy has an order of units of its own.

  Args:
    path: NAME.npz; NAME.json lies beside it.
    num_copies: rows.
    seed: of orders.

  Raises:
    UserError: a file is missing, or says something else than above.
  """
  leaves, known = _load(path)
  network = _architecture(path, leaves, int(known["read"]))
  random = np.random.default_rng(seed)
  # tracr multiplies by 100 to be exact: noise of 0.001 makes it guess.
  made = [
    hiding.hide(leaves, network.axes, random, noise=0.0)
    for _ in range(num_copies)
  ]
  params = trees.stack([params for params, _ in made])
  parts = known["parts"]
  _check(path, network, params, parts)
  masks = [_truth(network, params, parts, orders) for _, orders in made]
  bits = (tuple(known["properties"][name]) for name in SUBROUTINES)
  return Planted(network, params, Pair(*bits), truth=trees.stack(masks))


def copies(path: pathlib.Path, effort: Effort, seed: int) -> Planted:
  """Returns as many copies of a network as are wanted, see `read`."""
  return read(path, effort.num_networks, seed)


def _load(path):
  """Returns what both files say."""
  try:
    with np.load(path) as arrays:
      leaves = dict(arrays)
    known = json.loads(path.with_suffix(".json").read_text())
  except (OSError, ValueError) as error:
    raise UserError(
      f"{path} and {path.with_suffix('.json')} do not hold a network ({error});"
      " write them with structcomp_jax.studies.planted.outside.write"
    ) from error
  for key in _KEYS:
    if key not in known:
      raise UserError(
        f"{path.with_suffix('.json')} lacks {key!r}; it must say {_KEYS}"
      )
  return leaves, known


def _architecture(path, leaves, read):
  """Returns the encoder that has these leaves."""
  num_layers = sum(name.startswith("query_") for name in leaves)
  try:
    width, num_heads, head_size = leaves["query_0/kernel"].shape
    network = Encoder(
      num_layers=num_layers,
      width=width,
      num_heads=num_heads,
      head_size=head_size,
      num_units=leaves["inner_0/bias"].size,
      num_outputs=leaves["output/kernel"].shape[1],
      read=read,
    )
  except (KeyError, ValueError) as error:
    raise UserError(
      f"{path} has no first layer of an encoder ({error}); see "
      "structcomp_jax.studies.planted.outside"
    ) from error
  for name, shape in network.shapes.items():
    found = np.shape(leaves.get(name))
    if name not in leaves or found != shape:
      raise UserError(
        f"{path}: {name} has shape {found if name in leaves else 'none'}, not "
        f"{shape}; see Encoder.shapes"
      )
  return network


def _check(
  path: pathlib.Path, network: Network, params: types.Params, parts: Parts
) -> None:
  """Raises UserError where parts name what there is not."""
  counts = sizes(network, params)
  for part in SUBROUTINES:
    for space, places in parts.get(part, {}).items():
      if space not in counts or not set(places) <= set(range(counts[space])):
        raise UserError(
          f"{path.with_suffix('.json')}: part {part} names {places} of"
          f" {space}, but the network has {counts}"
        )


def _truth(network, params, parts, orders):
  """Returns {subroutine: mask} of one network.

  A weight belongs to the part of its head or unit; one of the output, which has
  neither, to that of its coordinate of the stream.
  """
  truth: dict[str, dict[str, np.ndarray]] = {}
  for part in SUBROUTINES:
    truth[part] = {}
    for path in network.spec(params).paths:
      spaces, shape = network.axes[path], network.shapes[path]
      owners = [one for one in spaces if one not in (None, STREAM, OUTPUT)]
      owner = owners[0] if owners else STREAM
      axis = spaces.index(owner)
      belongs = np.zeros(shape[axis], bool)
      named = parts.get(part, {}).get(owner, [])
      belongs[hiding.places(orders, owner, np.array(named, int))] = True
      mask = np.zeros(shape, bool)
      np.moveaxis(mask, axis, -1)[..., belongs] = True
      truth[part][path] = mask
  return truth
