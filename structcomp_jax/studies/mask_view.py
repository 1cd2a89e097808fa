"""Draws the masks of a work directory, or of mask files."""

import os
import pathlib
from collections.abc import Mapping

import numpy as np

from structcomp_jax import trees
from structcomp_jax.io import files, layout, mask_files
from structcomp_jax.report import workdir
from structcomp_jax.structure.view import View
from structcomp_jax.studies.are_nets_modular.domain import CONTROL
from structcomp_jax.studies.break_it_down import attention
from structcomp_jax.types import AnyMask, UserError


def of_workdir(
  path: str | os.PathLike[str],
  *,
  regime: str = "",
  base_seed: int | None = None,
  row: int = 0,
) -> View:
  """Returns the masks of one base network, one of each subroutine.

  Args:
    path: the work directory; its searches have ended, the rest need not be.
    regime: of the network; "": the first one.
    base_seed: of the network; None: the first one that has masks.
    row: which mask of each file, see `candidate` in docs/work_directory.md.

  Raises:
    UserError: there is no such directory, network or mask.
  """
  config = workdir.read_config(path)
  paths = layout.Paths(pathlib.Path(path), config["regimes"][0])
  regime = regime or paths.main_regime
  found = paths.found_masks(regime)
  seeds = dict.fromkeys(seed for seed, _ in found)
  if base_seed is None:
    base_seed = next(iter(seeds), 0)
  if base_seed not in seeds:
    there = ", ".join(map(str, seeds)) or "none"
    raise UserError(
      f"{path} has no masks of base seed {base_seed} of {regime!r}; there are"
      f" those of {there}"
    )
  masks = {
    name: _mask(directory / layout.MASKS, row)
    for (seed, name), directory in found.items()
    if seed == base_seed
  }
  backdrop = masks.pop(CONTROL, None)
  if not masks:
    masks, backdrop = {CONTROL: backdrop or {}}, None
  leaves = dict.fromkeys(leaf for mask in masks.values() for leaf in mask)
  return View(
    masks,
    backdrop=backdrop,
    heads=attention.heads(config.get("model", {}), leaves),
    title=f"Masks of {config['experiment']}, {config['model']['name']}",
    notes=(
      f"Regime {regime}, base seed {base_seed}, mask {row} of each file.",
    ),
  )


def of_files(
  named: Mapping[str, str | os.PathLike[str]], *, row: int = 0
) -> View:
  """Returns masks of one network that lie in files.

  Args:
    named: {name of a mask: file}.
    row: which mask of each file that holds several.

  Raises:
    UserError: a file cannot be read, or they belong to different networks.
  """
  masks = {name: _mask(file, row) for name, file in named.items()}
  networks = {mask_files.fingerprint(file) for file in named.values()}
  if len(networks) > 1:
    raise UserError(
      f"{', '.join(map(str, named.values()))} hold masks of {len(networks)}"
      " networks, whose weights have nothing in common; give masks of one"
    )
  return View(masks, notes=[f"{name}: {file}" for name, file in named.items()])


def save(view: View, out: str | os.PathLike[str]) -> pathlib.Path:
  """Writes a page.

  Raises:
    UserError: the file cannot be written.
  """
  files.write_atomic(out, view.html())
  return pathlib.Path(out)


def _mask(file: str | os.PathLike[str], row: int) -> AnyMask:
  """Returns one mask of a file."""
  stacked, _ = mask_files.load(file)
  arrays = {path: np.asarray(leaf) for path, leaf in stacked.items()}
  count = trees.num_rows(arrays)
  if not 0 <= row < count:
    raise UserError(f"{file} has masks 0 to {count - 1}; there is no {row}")
  return trees.row(arrays, row)
