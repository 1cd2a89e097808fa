"""What every launch script shares: flags, process set-up, error lines."""

import contextlib
import logging as standard_logging
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence

import jax
from absl import app, flags, logging
from ml_collections import config_flags

from launch.process import compiled, relay
from launch.process import hosts as processes
from structcomp_jax.types import UserError, one_line

_DEBUG = flags.DEFINE_bool(
  "debug", False, "Show the traceback of an error, not just one line."
)
# --help lists the key flags of a script. The flags of this module become that
# only in scripts that adopt them.
flags.disclaim_key_flags()


def define_config(
  *, required: bool = True
) -> tuple[flags.FlagHolder, flags.FlagHolder]:
  """Defines --config and --workdir, and returns both.

  Args:
    required: whether the script cannot run without them.
  """
  config = config_flags.DEFINE_config_file(
    "config",
    None,
    "Config file and variant, e.g. configs/language/sv_singular.py:small. "
    "Change a field with --config.FIELD=VALUE, e.g. "
    "--config.search.num_epochs=20.",
    lock_config=True,
  )
  workdir = flags.DEFINE_string(
    "workdir", None, "Directory of this experiment; made if missing."
  )
  if required:
    flags.mark_flags_as_required([config.name, workdir.name])
  return config, workdir


def main(run: Callable[[], None]) -> None:
  """Parses the flags, sets up the process and calls `run`.

  An error that the user can mend ends with one line and status 1.
  """
  flags.adopt_module_key_flags(sys.modules[__name__])
  app.run(lambda _: _guarded(run), flags_parser=_parse)


def main_with_config(run: Callable[..., None]) -> None:
  """Does the same for a step `run(config, workdir)`, on one host or several."""
  config, workdir = define_config()
  processes.adopt_flags()

  def configured_run():
    if not workdir.value:
      fail("--workdir is empty; name the directory of this experiment")
    # JAX makes its devices at their first use, so their number is set before.
    jax.config.update(
      "jax_num_cpu_devices", max(config.value.runtime.cpu_devices, 1)
    )
    compiled.keep_programs(config.value.runtime.compilation_cache)
    with processes.joined():
      run(config.value, workdir.value)

  main(configured_run)


def _parse(args: Sequence[str]) -> Sequence[str]:
  """Parses the command line; says in one line what is wrong with it."""
  try:
    rest = flags.FLAGS(args)
    _look_into_config()
  except SystemExit:  # after --help, which is not a failure
    sys.exit(0)
  except Exception as error:  # a config file may raise anything
    if "--debug" in args:
      raise
    fail(f"{cause(error)}; see --help")
  if len(rest) > 1:
    fail(f"unexpected argument {rest[1]!r}; flags are written --name=value")
  return rest


def _look_into_config() -> None:
  """Reads the config file, which flags leave until it is used.

  Raises:
    OSError: there is no such file.
  """
  if "config" in flags.FLAGS and flags.FLAGS.config is not None:
    flags.FLAGS.config.to_dict()


def cause(error: Exception) -> str:
  """Returns what is wrong with the command line or the config file."""
  config = next((arg for arg in sys.argv if "config=" in arg), "--config")
  if isinstance(error, OSError):
    return f"cannot read {config}: there is no such file"
  if isinstance(error, AttributeError) and isinstance(error.args[0], KeyError):
    # A locked config raised it, and proposes a field with a similar name.
    error = error.args[0]
  if isinstance(error, KeyError):
    text = str(error.args[0]).replace("\n", ". ")
    return f"{config} has no field {text}"
  if not isinstance(error, flags.Error):
    return f"cannot read {config}: {one_line(error, limit=500)}"
  text = str(error)
  if "Traceback" in text:
    # The config file raised it; the last line of the traceback is the error.
    text = f"cannot read {config}: {text.strip().splitlines()[-1]}"
  return " ".join(text.split()).rstrip(".")


def _guarded(run: Callable[[], None]) -> None:
  """Calls `run`; errors the user can mend end with one line, status 1."""
  logging.set_verbosity(logging.INFO)
  logging.use_absl_handler()
  logging.get_absl_handler().setFormatter(None)
  # At level INFO it lists the backends that this machine does not have.
  standard_logging.getLogger("jax").setLevel(standard_logging.WARNING)
  with _tracebacks() if _DEBUG.value else _one_line_errors():
    run()


@contextlib.contextmanager
def _tracebacks() -> Iterator[None]:
  try:
    yield
  except Exception:
    traceback.print_exc()
    processes.end(1)


@contextlib.contextmanager
def _one_line_errors() -> Iterator[None]:
  try:
    yield
  except UserError as error:
    fail(str(error))
  except KeyboardInterrupt:
    fail("interrupted; run the same command again to go on", status=130)
  except OSError as error:
    fail(f"{error.filename or 'a file'}: {error.strerror or error}; make it "
          "readable and writable, or choose another directory")  # fmt: skip
  except Exception as error:
    if processes.is_lost_peer(error):
      fail(relay.PEER_LOST.removeprefix("error: "))
    fail(
      f"{type(error).__name__}: {one_line(error, limit=500)}; this is a bug or "
      "a limit of the machine, --debug shows where"
    )


def fail(message: str, status: int = 1) -> None:
  """Prints one line about an error and ends the process."""
  print(f"error: {message}", file=sys.stderr)
  sys.stderr.flush()
  processes.end(status)
