"""Passes on what one of several processes prints, without JAX's asides.

`launch.process.hosts` starts this as a program of its own. When another process
of the run has ended, the C++ threads of JAX end this one, too, with a stack
trace. The relay outlives it and says in one line what happened.
"""

import re
import signal
import sys
from collections.abc import Iterable, Iterator

PEER_LOST = (
  "error: another process of this run ended or cannot be reached, its own "
  "output says why; start all of them again with the same command to go on"
)
NOT_FOUND = (
  "error: the processes did not find each other; check "
  "--coordinator_address and start all of them within five minutes"
)
# What JAX prints before it ends a process, and what it prints on connections.
_LAST_WORDS = re.compile(
  rb"Terminating process because the JAX distributed service"
)
_ASIDE = re.compile(
  rb"\[Gloo\] Rank \d+ is connected"
  rb"|[IWEF]\d{4} [\d:.]+ +\d+ (coordination_\w+|client|add_port)"
  rb"\.(cc|h):"
  rb"|Additional GRPC error information|:UNKNOWN:Error received from peer"
  # Lists of the processes that are silent.
  rb"|\d+$|The tasks have crashed\. "
)


def relay(lines: Iterable[bytes]) -> Iterator[bytes]:
  """Yields the lines that a user wants to see; none comes after an error."""
  for line in lines:
    if _LAST_WORDS.search(line):
      reason = NOT_FOUND if b"DEADLINE_EXCEEDED" in line else PEER_LOST
      yield reason.encode() + b"\n"
      return
    if not _ASIDE.match(line):
      yield line
      if line.startswith(b"error: "):
        return


def main() -> None:
  """Relays standard input until it ends."""
  signal.signal(signal.SIGINT, signal.SIG_IGN)
  for line in relay(sys.stdin.buffer):
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()
  # The pipe must not be closed while the other process writes into it.
  for _ in sys.stdin.buffer:
    pass


if __name__ == "__main__":
  main()
