"""Joins several processes to one run, usually one per host (--distributed)."""

import contextlib
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator

import jax
from absl import flags, logging

from launch.process import relay
from structcomp_jax.types import UserError, one_line

_DISTRIBUTED = flags.DEFINE_bool(
  "distributed",
  False,
  "This is one of several processes, one per host, that all get the same "
  "command and see the same work directory. On TPU pods, in Slurm and Open "
  "MPI they find each other; elsewhere also give --coordinator_address, "
  "--num_processes and --process_id.",
)
_COORDINATOR_ADDRESS = flags.DEFINE_string(
  "coordinator_address",
  None,
  "Host of process 0 and a free port on it, e.g. 10.0.0.1:1234.",
)
_NUM_PROCESSES = flags.DEFINE_integer(
  "num_processes", None, "Number of processes."
)
_PROCESS_ID = flags.DEFINE_integer(
  "process_id", None, "Number of this process, from 0 on."
)
flags.disclaim_key_flags()

# A host that is silent for this long is taken for dead.
_HEARTBEAT_SECONDS = 40
_SECONDS_TO_START = 300
# What JAX's errors say if another process ended during a computation, or while
# this one waited for it before a checkpoint.
_PEER_LOST = re.compile(
  r"gloo .* failed|nccl|coordination ?service|(closed|reset) by peer",
  re.IGNORECASE,
)

_relays: list[subprocess.Popen] = []


def adopt_flags() -> None:
  """Adds the flags of this module to the --help of the script."""
  flags.adopt_module_key_flags(sys.modules[__name__])


@contextlib.contextmanager
def joined() -> Iterator[None]:
  """Runs the `with` body as one of several processes if the flags say so.

  After an error in the body the others are not told; see `end`.

  Raises:
    UserError: the flags do not fit together, or other processes do not come.
  """
  if not _DISTRIBUTED.value:
    _refuse_other_flags()
    yield
    return
  _relays.extend(_relay(descriptor) for descriptor in (1, 2))
  _initialize()
  if jax.process_index():
    logging.set_verbosity(logging.WARNING)
  logging.info(
    "process 0 of %d, with %d of %d devices",
    jax.process_count(),
    jax.local_device_count(),
    jax.device_count(),
  )
  yield
  jax.distributed.shutdown()
  _close_relays()


def is_lost_peer(error: Exception) -> bool:
  """Returns whether an error comes from another process that ended."""
  # The text must tell, since their types vary: JaxRuntimeError, ValueError.
  return bool(_relays and _PEER_LOST.search(str(error)))


def end(status: int) -> None:
  """Ends the process after an error.

  One of several processes ends without the usual clean-up, which would wait for
  the others while they wait for this one.
  """
  if _relays:
    _close_relays()
    os._exit(status)
  sys.exit(status)


def _refuse_other_flags() -> None:
  for flag in (_COORDINATOR_ADDRESS, _NUM_PROCESSES, _PROCESS_ID):
    if flag.value is not None:
      raise UserError(
        f"--{flag.name} is for several processes; give --distributed, too"
      )


def _initialize() -> None:
  address = _COORDINATOR_ADDRESS.value
  if address is not None:
    _check_port(address.rpartition(":")[2])
  jax.config.update("jax_cpu_collectives_implementation", "gloo")
  # JAX's preemption service would keep SIGTERM from ending the process.
  jax.config.update("jax_enable_preemption_service", False)
  if not _PROCESS_ID.value:
    logging.info("waiting for all processes ...")
  try:
    jax.distributed.initialize(
      coordinator_address=address,
      num_processes=_NUM_PROCESSES.value,
      process_id=_PROCESS_ID.value,
      heartbeat_timeout_seconds=_HEARTBEAT_SECONDS,
      initialization_timeout=_SECONDS_TO_START,
    )
  except ValueError as error:
    raise UserError(
      f"cannot tell which processes there are ({one_line(error)}); give "
      "--coordinator_address, --num_processes and --process_id"
    ) from error
  except jax.errors.JaxRuntimeError as error:
    raise UserError(
      f"cannot join the other processes ({one_line(error)}); give all of them "
      "the address of the first host and a port that is free there"
    ) from error


def _check_port(port: str) -> None:
  """Raises UserError for a port with which JAX would crash."""
  if not port.isdigit():
    raise UserError("--coordinator_address has no port; write HOST:PORT")
  if _PROCESS_ID.value != 0:
    return
  dual = socket.has_dualstack_ipv6()
  try:
    socket.create_server(
      ("", int(port)),
      family=socket.AF_INET6 if dual else socket.AF_INET,
      dualstack_ipv6=dual,
    ).close()
  except (OSError, OverflowError) as error:
    raise UserError(
      f"port {port} of this host is not free; choose another in "
      "--coordinator_address, the same for all processes"
    ) from error


def _relay(descriptor: int) -> subprocess.Popen:
  """Starts a relay between this process and one of its output streams."""
  sys.stdout.flush()
  sys.stderr.flush()
  process = subprocess.Popen(
    [sys.executable, "-I", "-S", relay.__file__],
    stdin=subprocess.PIPE,
    stdout=descriptor,
  )
  os.dup2(process.stdin.fileno(), descriptor)
  process.stdin.close()
  return process


def _close_relays() -> None:
  """Ends the relays after they have printed everything."""
  sys.stdout.flush()
  sys.stderr.flush()
  nowhere = os.open(os.devnull, os.O_WRONLY)
  for descriptor in (1, 2):
    os.dup2(nowhere, descriptor)
  while _relays:
    _relays.pop().wait()
