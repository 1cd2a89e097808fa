"""The machine that an experiment is planned for: at hand, or named."""

import contextlib
import dataclasses
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import jax

from structcomp_jax import target
from structcomp_jax.engine import chips, cost, memory, parallel
from structcomp_jax.pipeline.features import place
from structcomp_jax.pipeline.features import store as feature_store


@dataclasses.dataclass(frozen=True, eq=False)
class Machine:
  """Devices, of one kind, and what each of them can do.

  Attributes:
    words: for readers.
    devices: as JAX knows them.
    memory: bytes of a device.
    flops: of matrix products per second on a device; of all together where
      they share them.
    bandwidth: bytes per second from and to its memory; None: not looked at.
    is_at_hand: programs can run on it.
    shares_cores: the devices are those of a CPU.
  """

  words: str
  devices: Sequence[Any]
  memory: float
  flops: float
  bandwidth: float | None
  is_at_hand: bool
  shares_cores: bool = False

  @property
  def platform(self) -> str:
    """What programs are made for: "cpu", "gpu" or "tpu"."""
    return target.platform()

  def space(
    self, cache_gigabytes: float, directory: pathlib.Path
  ) -> place.Space:
    """Returns the space that features may take."""
    if self.is_at_hand:
      return place.Space.now(cache_gigabytes, directory)
    return place.Space(
      device=place.DEVICE_SHARE * self.memory,
      host=cache_gigabytes * 1e9,
      disk=feature_store.free_bytes(directory),
    )

  def seconds(
    self, flops: float, num_bytes: float, num_devices: int
  ) -> tuple[float, str]:
    """Returns the least time that devices take, and what bounds it.

    Args:
      flops, num_bytes: of each device.
      num_devices: that work at a time.
    """
    by_flops = flops * (num_devices if self.shares_cores else 1) / self.flops
    by_bytes = num_bytes / self.bandwidth if self.bandwidth else 0.0
    return max(by_flops, by_bytes), (
      "arithmetic" if by_flops >= by_bytes else "bytes"
    )


@contextlib.contextmanager
def planning_for(name: str) -> Iterator[None]:
  """Within it, programs are made for a topology; "": for this machine.

  Enter it before JAX has made its devices and before a study is made.

  Raises:
    UserError: there is no such topology.
  """
  if not name:
    yield
    return
  chips.check(name)
  chips.prepare_environment()
  # Programs for chips that are not there would be stored and cannot be read.
  jax.config.update("jax_enable_compilation_cache", False)
  with target.compiling_for("tpu"):
    yield


def machine(name: str) -> Machine:
  """Returns the machine of a topology; "": the one at hand.

  Of a machine at hand whose chips are in no table, speeds are measured.

  Raises:
    UserError: libtpu is not installed.
  """
  return _topology(name) if name else _at_hand()


def _topology(name: str) -> Machine:
  chip, _ = chips.check(name)
  devices = chips.devices(name)
  return Machine(
    words=f"{name}, {len(devices)} chips of {memory.gigabytes(chip.memory)}, "
    f"{_speeds(chip.flops, chip.bandwidth)} each, as documented",
    devices=devices,
    memory=chip.memory,
    flops=chip.flops,
    bandwidth=chip.bandwidth,
    is_at_hand=False,
  )


def _at_hand() -> Machine:
  devices = jax.devices()
  chip = chips.of_device(devices[0])
  if chip is not None:
    flops, bandwidth, how = chip.flops, chip.bandwidth, "each, as documented"
  elif devices[0].platform == "cpu":
    # What a program moves stays in caches to an extent that nobody tells, so
    # that arithmetic alone is looked at.
    flops = cost.matmul_peak("float32")
    bandwidth, how = None, "together, measured now"
  else:
    flops = cost.matmul_peak("bfloat16")
    bandwidth, how = cost.copy_bandwidth(), "each, measured now"
  free = memory.free_bytes(parallel.row_mesh(len(devices), devices))
  room = float("inf") if free is None else float(free)
  return Machine(
    words=f"{len(devices)} x {devices[0].device_kind}, "
    f"{memory.gigabytes(room)} free each, {_speeds(flops, bandwidth)} {how}",
    devices=devices,
    memory=room,
    flops=flops,
    bandwidth=bandwidth,
    is_at_hand=True,
    shares_cores=devices[0].platform == "cpu",
  )


def _speeds(flops: float, bandwidth: float | None) -> str:
  arithmetic = f"{flops / 1e12:.3g} TFLOP/s"
  if bandwidth is None:
    return arithmetic
  return f"{arithmetic} and {bandwidth / 1e9:.3g} GB/s"
