"""The chips that programs are compiled for, none of which has to be there.

The compiler of a TPU runs on any Linux host: pip install "jax[tpu]".
"""

import dataclasses
import math
import os
from typing import Any

import jax

from structcomp_jax import types

# What libtpu would otherwise ask a TPU VM about, and wait for; and that several
# processes may compile at a time, which a real TPU would not let them.
_NO_TPU_VM = {
  "TPU_SKIP_MDS_QUERY": "1",
  "TPU_ACCELERATOR_TYPE": "v5litepod-4",
  "TPU_WORKER_HOSTNAMES": "localhost",
  "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
  "JAX_PLATFORMS": "cpu",
}


@dataclasses.dataclass(frozen=True)
class Chip:
  """One kind of chip, as its maker describes it.

  Attributes:
    flops: of matrix products per second, of bfloat16. JAX multiplies float32
      matrices in one pass of bfloat16 by default, so that they count the same.
    bandwidth: bytes per second from and to its memory.
    memory: bytes.
    device_kind: what JAX calls it.
    layouts: {number of chips: topology}.
  """

  flops: float
  bandwidth: float
  memory: float
  device_kind: str
  layouts: dict[int, str]


_FLAT = {
  1: "1x1",
  4: "2x2",
  8: "2x4",
  16: "4x4",
  32: "4x8",
  64: "8x8",
  128: "8x16",
  256: "16x16",
}
# https://docs.cloud.google.com/tpu/docs/v5e, .../v5p and .../v6e
CHIPS = {
  "v5e": Chip(197e12, 819e9, 16e9, "TPU v5 lite", _FLAT),
  "v5p": Chip(
    459e12,
    2765e9,
    95e9,
    "TPU v5",
    {
      1: "1x1x1",
      4: "2x2x1",
      8: "2x2x2",
      16: "2x2x4",
      32: "2x4x4",
      64: "4x4x4",
    },
  ),
  "v6e": Chip(918e12, 1638e9, 32e9, "TPU v6 lite", _FLAT),
}


def prepare_environment() -> None:
  """Lets libtpu compile on a host without a TPU; call it before JAX starts."""
  os.environ.update(_NO_TPU_VM)
  # JAX has read the environment when it was imported.
  jax.config.update("jax_platforms", _NO_TPU_VM["JAX_PLATFORMS"])


def check(name: str) -> tuple[Chip, str]:
  """Returns the chip of a topology and the topology of its chips.

  >>> check("v5e:4x4")[1], check("v5e:16")[1]
  ('4x4', '4x4')

  Args:
    name: kind and topology, such as "v5e:4x4", or kind and number of chips.

  Raises:
    UserError: it is not known.
  """
  kind, _, size = name.partition(":")
  layouts = CHIPS[kind].layouts if kind in CHIPS else {}
  layout = layouts.get(int(size), "") if size.isdecimal() else size
  if layout not in layouts.values():
    known = "; ".join(
      f"{kind}:{'|'.join(chip.layouts.values())}"
      for kind, chip in CHIPS.items()
    )
    raise types.UserError(
      f"topology {name!r} is not known; choose from {known}"
    )
  return CHIPS[kind], layout


def devices(name: str) -> list[Any]:
  """Returns the devices of a topology, see `check`.

  Raises:
    UserError: there is no such topology, or libtpu is not installed.
  """
  from jax.experimental import topologies

  _, layout = check(name)
  is_single = math.prod(map(int, layout.split("x"))) == 1
  # A single chip is no host of four, which is the default.
  bounds = {"chips_per_host_bounds": [1, 1, 1]} if is_single else {}
  try:
    found = topologies.get_topology_desc(
      platform="tpu",
      topology_name=f"{name.partition(':')[0]}:{layout}",
      **bounds,
    )
  except RuntimeError as error:
    if "not installed" not in str(error):
      raise
    raise types.UserError(
      "libtpu, the compiler of TPUs, is not installed, so that nothing can be "
      f"compiled for {name}; pip install 'structcomp_jax[tpu]'"
    ) from error
  return list(found.devices)


def of_device(device: Any) -> Chip | None:
  """Returns the chip that a device is, None if it is not known.

  >>> of_device(jax.devices("cpu")[0]) is None
  True
  """
  kinds = {chip.device_kind: chip for chip in CHIPS.values()}
  # A v5p calls itself by either name, depending on who is asked.
  return kinds.get(device.device_kind.removesuffix("p"))
