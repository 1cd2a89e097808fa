"""Sets up JAX for every test, and runs one experiment to its end for some.

Every test runs on the CPU with eight devices.
"""

import atexit
import fcntl
import gc
import os
import pathlib
import shutil
import tempfile

import pytest

# JAX reads these when it is imported, here and in the launch scripts.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Compiling takes most of the time of the tests, and running very little of it.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
# Parts of a program that are compiled in parallel cost more than they save
# where every core has a test process of its own.
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_parallel_codegen_split_count=1")
# Small programs, too: every launch script compiles the same hundreds of them.
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
# Test processes and launch scripts of one run share compiled programs. The
# process that starts the others makes the folder and removes it.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
  _compiled = tempfile.mkdtemp(prefix="structcomp_jax_")
  atexit.register(shutil.rmtree, _compiled, ignore_errors=True)
  os.environ["JAX_COMPILATION_CACHE_DIR"] = _compiled

import jax

from tests import quick_compiler
from tests.launcher import Launcher

jax.config.update("jax_num_cpu_devices", 8)
quick_compiler.install()


# The files whose tests take longest. Processes that share the tests begin with
# them, in this order, so that none is left alone with one in the end.
_LONGEST = (
  "studies/break_it_down/test_road.py",
  "launch/test_two_hosts.py",
  "studies/break_it_down/test_vision_road.py",
  "studies/are_nets_modular/test_wiring_of_tasks.py",
  "studies/are_nets_modular/test_wiring.py",
  "models/test_staged.py",
  "launch/test_damage.py",
  "studies/break_it_down/test_golden.py",
  "studies/break_it_down/test_wiring.py",
  "models/seq2seq/test_base.py",
  "studies/are_nets_modular/test_verdicts.py",
  "studies/are_nets_modular/test_growth.py",
  "search/test_loop.py",
  "evaluation/test_evaluate.py",
  "pipeline/test_frozen.py",
  "search/test_replay.py",
  "studies/are_nets_modular/test_report.py",
  "studies/planted/test_modular.py",
)

# Files, and single tests of files: whole runs, which other tests check part by
# part, and further cases of what others test once. `make test` leaves them out,
# `make test-wheel` takes them.
_SLOW = (
  "launch/test_reanalyse.py",
  "launch/test_two_hosts.py",
  "pipeline/test_forecast.py::"
  "test_a_row_that_fits_on_no_device_gets_other_settings",
  "pipeline/test_forecast.py::test_programs_of_every_domain_are_made",
  "search/test_model_axis.py::test_every_kind_of_search_can_share_a_network",
  "studies/are_nets_modular/test_growth.py",
  "studies/are_nets_modular/test_images_road.py",
  "studies/break_it_down/reanalysis/test_page.py",
  "studies/break_it_down/test_growth.py",
  "studies/break_it_down/test_road.py",
  "studies/break_it_down/test_rounds.py",
  "studies/break_it_down/test_vision_road.py",
  "test_examples.py::test_probe_subject_reads_the_networks_of_a_work_directory",
  "test_notebooks.py",
  "tools/test_mutate.py::test_tests_that_fail_anyway_notice_nothing",
  "tools/test_planted_truth.py",
  "tools/test_verdict_rates.py",
)


def pytest_addoption(parser):
  """Adds an option of the tests that compare with tests/golden/tables."""
  parser.addoption(
    "--store-golden",
    action="store_true",
    help="store the tables of some runs instead of comparing with them",
  )


def pytest_configure(config):
  """Allows a warning, and keeps the order of the files.

  It is that another process is still writing a program: JAX then compiles the
  program itself.
  """
  config.addinivalue_line(
    "filterwarnings",
    "ignore:Error (reading|writing) persistent compilation cache entry",
  )
  # pytest-xdist would begin with the files of most tests instead.
  config.option.loadscopereorder = False


def pytest_collection_modifyitems(items):
  """Marks what is slow, and puts the files of `_LONGEST` first."""
  here = pathlib.Path(__file__).parent
  for item in items:
    file = str(item.path.relative_to(here))
    test = item.name.partition("[")[0]
    if {file, f"{file}::{test}"} & set(_SLOW):
      item.add_marker("slow")
  rank = {here / name: index for index, name in enumerate(_LONGEST)}
  items.sort(key=lambda item: rank.get(item.path, len(rank)))


def pytest_collection_finish():
  """Lets Python look for garbage less often than its default says.

  JAX traces programs with many small objects, and each look passes over all
  modules that were imported.
  """
  gc.freeze()
  gc.set_threshold(20_000, 20, 20)


@pytest.fixture(scope="module")
def optimised():
  """Compiles with all optimisations, as users do.

  For modules in which different programs must give the same bits: an optimised
  program adds numbers up in an order of its own.
  """
  name = "jax_disable_most_optimizations"
  before = jax.config.read(name)
  jax.config.update(name, False)
  jax.clear_caches()
  yield
  jax.config.update(name, before)
  jax.clear_caches()


@pytest.fixture(scope="module")
def usual_compiler():
  """Compiles as launch scripts do.

  For modules that compare with bytes which were stored so, or the bits that
  programs of different sizes give.
  """
  was_on = quick_compiler.switch(False)
  jax.clear_caches()
  yield
  quick_compiler.switch(was_on)
  jax.clear_caches()


@pytest.fixture(scope="session")
def shared_directory(tmp_path_factory):
  """A directory that all tests of one process share."""
  return tmp_path_factory.mktemp("launch")


@pytest.fixture(scope="session")
def launch(shared_directory):
  """Runs launch scripts."""
  launcher = Launcher(shared_directory)
  yield launcher
  launcher.close()


@pytest.fixture(scope="session")
def finished(launch, tmp_path_factory):
  """A finished work directory; copy it before you change it.

  All processes of one run of the tests share it: the first one that needs it
  makes it, and the others wait.
  """
  shared = tmp_path_factory.getbasetemp()
  if "PYTEST_XDIST_WORKER" in os.environ:
    shared = shared.parent
  workdir, is_made = shared / "finished", shared / "finished_is_made"
  with (shared / "finished.lock").open("w") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    if not is_made.exists():
      shutil.rmtree(workdir, ignore_errors=True)
      outcome = launch.in_workdir("run", workdir)
      assert outcome.status == 0, outcome.text
      is_made.touch()
  return workdir


@pytest.fixture
def workdir(finished, tmp_path):
  """A copy of a finished work directory."""
  return shutil.copytree(finished, tmp_path / "workdir")
