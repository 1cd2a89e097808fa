"""Reads the event files of TensorBoard."""

import pathlib
import struct

from tensorboardX.proto import event_pb2


def read(directory: pathlib.Path) -> list[tuple[str, int, float]]:
  """Returns (name, step, value) of all scalars of one directory, sorted."""
  found = []
  for path in directory.glob("events.*"):
    content = path.read_bytes()
    while content:
      # Records are: length, its checksum, data, its checksum.
      (length,) = struct.unpack("<Q", content[:8])
      event = event_pb2.Event.FromString(content[12 : 12 + length])
      content = content[16 + length :]
      found += [
        (value.tag, event.step, value.simple_value)
        for value in event.summary.value
      ]
  return sorted(found)
