"""Files of mask logits, beside those of the masks they became."""

import os

import numpy as np
import safetensors
import safetensors.numpy

from structcomp_jax.io import files
from structcomp_jax.types import AnyMask, UserError, one_line

_FINGERPRINT = "fingerprint"


def save(
  path: str | os.PathLike[str], mask_logits: AnyMask, *, fingerprint: str
) -> None:
  """Writes logits; a crash leaves the old file or the whole new one.

  Args:
    path: file to write; missing parent directories are created.
    mask_logits: {path: f32[K, ...]}.
    fingerprint: `trees.fingerprint` of the frozen tree.

  Raises:
    UserError: the file cannot be written.
  """
  arrays = {
    name: np.ascontiguousarray(array, np.float32)
    for name, array in mask_logits.items()
  }
  content = safetensors.numpy.save(arrays, {_FINGERPRINT: fingerprint})
  files.write_atomic(path, content)


def load(
  path: str | os.PathLike[str], fingerprint: str | None = None
) -> dict[str, np.ndarray]:
  """Reads a file of logits.

  Args:
    path: file written by `save`.
    fingerprint: of the frozen tree that the logits are for; None skips the
      comparison.

  Returns:
    {path: f32[K, ...]}.

  Raises:
    UserError: the file is missing or torn, or belongs to another network.
  """
  try:
    with safetensors.safe_open(os.fspath(path), framework="numpy") as file:
      stored = (file.metadata() or {}).get(_FINGERPRINT)
      arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
  except (OSError, safetensors.SafetensorError) as error:
    raise UserError(
      f"cannot read the mask logits {os.fspath(path)} ({one_line(error)}); "
      "delete their directory and run the search again"
    ) from error
  if fingerprint is not None and stored != fingerprint:
    raise UserError(
      f"the mask logits {os.fspath(path)} belong to another network; delete "
      "their directory and run the search again"
    )
  return arrays
