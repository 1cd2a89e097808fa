"""What chips exchange in a compiled program, read from its text."""

import math
import re

# The result of an instruction that chips exchange data by. Of a pair of start
# and done the start counts.
_COLLECTIVE = re.compile(
  r"= (\(?[a-z0-9]+\[.*?) "
  r"(all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute)"
  r"(?:-start)?\("
)
_SHAPE = re.compile(r"([a-z]+)(\d+)\[([\d,]*)\]")


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
