"""The chips that programs are compiled for, none of which has to be there.

The compiler of a TPU runs on any Linux host: pip install "jax[tpu]".
"""

import dataclasses
import math
import os
import re
from typing import Any

# What libtpu would otherwise ask a TPU VM about, and wait for.
_NO_TPU_VM = {
  "TPU_SKIP_MDS_QUERY": "1",
  "TPU_ACCELERATOR_TYPE": "v5litepod-4",
  "TPU_WORKER_HOSTNAMES": "localhost",
  "JAX_PLATFORMS": "cpu",
  # Else one process at a time may load it, as if there were a chip to hold.
  "ALLOW_MULTIPLE_LIBTPU_LOAD": "true",
}
# The result of an instruction that chips exchange data by. Of a pair of start
# and done the start counts.
_COLLECTIVE = re.compile(
  r"= (\(?[a-z0-9]+\[.*?) "
  r"(all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute)"
  r"(?:-start)?\("
)
_SHAPE = re.compile(r"([a-z]+)(\d+)\[([\d,]*)\]")


@dataclasses.dataclass(frozen=True)
class Chip:
  """One kind of chip, as its maker describes it.

  Attributes:
    flops: of matrix products per second, of bfloat16. JAX multiplies float32
      matrices in one pass of bfloat16 by default, so that they count the same.
    bandwidth: bytes per second from and to its memory.
    memory: bytes.
    layouts: {number of chips: topology}.
  """

  flops: float
  bandwidth: float
  memory: float
  layouts: dict[int, str]


CHIPS = {
  "v5e": Chip(197e12, 819e9, 16e9, {1: "1x1", 4: "2x2", 8: "2x4", 16: "4x4"}),
  "v5p": Chip(
    459e12,
    2765e9,
    95e9,
    {1: "1x1x1", 4: "2x2x1", 8: "2x2x2", 16: "2x2x4"},
  ),
}


def prepare_environment() -> None:
  """Lets libtpu compile on a host without a TPU; call it before JAX starts."""
  os.environ.update(_NO_TPU_VM)


def devices(name: str) -> list[Any]:
  """Returns the devices of a topology, such as "v5e:4" for four chips."""
  from jax.experimental import topologies

  kind, _, number = name.partition(":")
  layout = CHIPS[kind].layouts[int(number)]
  # A single chip is no host of four, which is the default.
  bounds = {"chips_per_host_bounds": [1, 1, 1]} if number == "1" else {}
  return topologies.get_topology_desc(
    platform="tpu", topology_name=f"{kind}:{layout}", **bounds
  ).devices


def collectives(text: str) -> dict[str, dict[str, int]]:
  """Returns {kind: {"count", "bytes"}} of a compiled program's text.

  >>> collectives("  x = f32[2,3]{1,0} all-reduce(y), replica_groups={}")
  {'all-reduce': {'count': 1, 'bytes': 24}}

  Args:
    text: `jax.stages.Compiled.as_text()`; one body of a loop counts once.
  """
  found: dict[str, dict[str, int]] = {}
  for shapes, kind in _COLLECTIVE.findall(text):
    one = found.setdefault(kind, {"count": 0, "bytes": 0})
    one["count"] += 1
    one["bytes"] += sum(map(_num_bytes, _SHAPE.findall(shapes)))
  return found


def _num_bytes(shape: tuple[str, str, str]) -> int:
  """Returns the bytes of an array whose type, bits and sizes are texts."""
  _, bits, sizes = shape
  return math.prod(map(int, filter(None, sizes.split(",")))) * int(bits) // 8
