"""Where the features of a frozen network lie: `search.cache`."""

import dataclasses
import pathlib

import jax

from structcomp_jax.pipeline.features import store as feature_store

SETTINGS = ("auto", "device", "host", "disk", "off")
# Of an accelerator's memory; the rest is for candidates and their batches.
DEVICE_SHARE = 0.4
_GIGABYTE = 1e9
# Floating-point operations per byte of features below which they are computed
# at every step: reading them takes as long. Embeddings with a norm have 3; from
# them, steps of a BERT were 10 % slower cached. One layer of attention has
# thousands, the stem of a ResNet hundreds.
_WORTH_KEEPING = 16
_IN_WORDS = {
  "device": "computed once, on the device",
  "host": "computed once, in the host's memory",
  "disk": "computed once, on disk",
  "off": "computed at every step",
}


@dataclasses.dataclass(frozen=True)
class Space:
  """Bytes that features may take.

  Attributes:
    device: on an accelerator; None on a CPU, whose devices share the host's
      memory.
    host: in the host's memory.
    disk: where the work directory is.
  """

  device: float | None
  host: float
  disk: float

  @classmethod
  def now(cls, cache_gigabytes: float, directory: pathlib.Path) -> "Space":
    """Returns the space of this machine."""
    device = jax.local_devices()[0]
    limit = (device.memory_stats() or {}).get("bytes_limit")
    if device.platform == "cpu":
      on_device = None
    else:
      on_device = 0 if limit is None else DEVICE_SHARE * limit
    return cls(
      device=on_device,
      host=cache_gigabytes * _GIGABYTE,
      disk=feature_store.free_bytes(directory),
    )


def choose(
  setting: str, needed: int, space: Space, intensity: float
) -> tuple[str, str]:
  """Returns where features lie, and why.

  `auto` keeps nothing that is as fast to compute as to read. Else it takes the
  first that has room: the device, the host's memory, the disk; else nothing is
  kept. On a CPU the first two are the same memory.

  Args:
    setting: one of `SETTINGS`.
    needed: bytes of all features that are used at a time.
    space: of the machine.
    intensity: floating-point operations per byte of features.

  Returns:
    One of `SETTINGS` but auto, and the reason in words.
  """
  if setting != "auto":
    return setting, f"search.cache {setting}"
  if intensity < _WORTH_KEEPING:
    return "off", f"{intensity:.1f} operations a byte, as fast as reading them"
  budget = f"the {_gigabytes(space.host)} GB of search.cache_gigabytes"
  if space.device is None:
    if needed <= space.host:
      return "device", f"within {budget}"
    reason = f"more than {budget}"
  else:
    share = (
      f"{DEVICE_SHARE:.0%} of the device's memory, "
      f"{_gigabytes(space.device)} GB"
    )
    if needed <= space.device:
      return "device", f"within {share}"
    if needed <= space.host:
      return "host", f"more than {share}, within {budget}"
    reason = f"more than {share}, and {budget}"
  free = f"{_gigabytes(space.disk)} GB free on disk"
  if needed <= space.disk:
    return "disk", f"{reason}; {free}"
  return "off", f"{reason}, and the {free}"


def describe(stage: str, needed: int, place: str, reason: str) -> str:
  """Returns one line for the log."""
  return (
    f"features that enter {stage}: {_gigabytes(needed)} GB, "
    f"{_IN_WORDS[place]} ({reason})"
  )


def _gigabytes(count: float) -> str:
  return f"{count / _GIGABYTE:.4g}"
