"""Passes on what one of several processes prints, without JAX's asides.

Started by `launch.process.hosts` as a program of its own: when a peer is gone
JAX ends the process from its C++ threads, with a stack trace. This one outlives
it and says in one line what happened.
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
# JAX's last words, and what its C++ parts say of connections.
_LAST_WORDS = re.compile(
  rb"Terminating process because the JAX distributed service"
)
_ASIDE = re.compile(
  rb"\[Gloo\] Rank \d+ is connected"
  rb"|[IWEF]\d{4} [\d:.]+ +\d+ (coordination_\w+|client|add_port)"
  rb"\.(cc|h):"
  rb"|Additional GRPC error information|:UNKNOWN:Error received from peer"
  # Which processes are silent.
  rb"|\d+$|The tasks have crashed\. "
)


def relay(lines: Iterable[bytes]) -> Iterator[bytes]:
  """Yields the lines that a user wants to see; the last error ends them."""
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
  for _ in sys.stdin.buffer:  # A writer must not find the pipe closed.
    pass


if __name__ == "__main__":
  main()
