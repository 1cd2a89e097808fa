"""Runs launch scripts in children that need not import everything again.

It is a process of its own: a test process has started JAX, and such a process
must not fork. It reads requests from standard input, one JSON object per line.
It answers a request to start a child with the child's process id, and a request
to wait for a child with its exit status.
"""

import gc
import importlib
import json
import os
import runpy
import sys
import traceback

# What a launch script imports when it starts, and what it imports later on.
_PRELOADED = (
  "structcomp_jax.pipeline.run",
  "structcomp_jax.studies.registry",
  "tensorflow_datasets",
)


def serve() -> None:
  """Answers requests until standard input ends."""
  for module in _PRELOADED:
    importlib.import_module(module)
  _fill_caches()
  # Children need not look for garbage in what was imported here.
  gc.collect()
  gc.freeze()
  for line in sys.stdin:
    request = json.loads(line)
    if "wait" in request:
      _, status = os.waitpid(request["wait"], 0)
      print(os.waitstatus_to_exitcode(status), flush=True)
      continue
    child = os.fork()
    if not child:
      _run(**request)
    print(child, flush=True)


def _fill_caches() -> None:
  """Makes the problems that every run of the tests needs."""
  from structcomp_jax.tasks.odd_one_out import syntax

  syntax.make_datasets("sv_singular", "published")
  syntax.separation_report("sv_singular", "published")


def _run(module: str, arguments: list[str], log: str, absent: list[str]):
  """Becomes `python -m module arguments`; never returns.

  Args:
    module: the module to run.
    arguments: the arguments on its command line.
    log: file for standard output and standard error.
    absent: packages to treat as not installed.
  """
  output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
  os.dup2(output, 1)
  os.dup2(output, 2)
  sys.modules.update(dict.fromkeys(absent))
  sys.argv = [module, *arguments]
  status = 0
  try:
    runpy.run_module(module, run_name="__main__", alter_sys=True)
  except SystemExit as exit_:
    status = exit_.code if isinstance(exit_.code, int) else bool(exit_.code)
  except BaseException:
    traceback.print_exc()
    status = 1
  sys.stdout.flush()
  sys.stderr.flush()
  os._exit(status)


if __name__ == "__main__":
  serve()
