"""The steps of an experiment, one by one or the whole road."""

import contextlib
import pathlib
from collections.abc import Callable, Mapping

from absl import logging
from ml_collections import ConfigDict

from structcomp_jax.io import files, hosts, tables
from structcomp_jax.io.progress import Progress
from structcomp_jax.pipeline import parts, rounds, session
from structcomp_jax.pipeline.experiment import Experiment, MakeStudy
from structcomp_jax.tasks import datasets


def run(
  config: ConfigDict, workdir: str | pathlib.Path, make_study: MakeStudy
) -> None:
  """Runs every step; what is complete is skipped, the rest goes on.

  Where base seeds are added until the answer is decided, the steps of a round
  are taken again for every addition.
  """
  with session.open_experiment(config, workdir, make_study, "run") as work:
    _take(work, "prepare_data")
    _take(work, *_ROUND)
    while rounds.close(config, work.paths.workdir, lambda: is_decided(work)):
      _take(work, *_ROUND)
    _take(work, "report")


def run_step(
  name: str,
  config: ConfigDict,
  workdir: str | pathlib.Path,
  make_study: MakeStudy,
) -> None:
  """Runs one step, a name in `STEPS`."""
  with session.open_experiment(config, workdir, make_study, name) as work:
    STEPS[name](work)


@hosts.by_first
def prepare_data(work: Experiment) -> None:
  """Prepares every data set of an experiment."""
  for name, sizes in work.study.data_to_prepare().items():
    build(name, work.data_dir, sizes)
  for line in work.study.about_data():
    logging.info("%s", line)


def train(work: Experiment) -> None:
  """Makes the base networks that are not there yet."""
  work.study.train(work)


def search(work: Experiment) -> None:
  """Searches every mask that is not there yet."""
  work.study.search(work)


def evaluate(work: Experiment) -> None:
  """Writes the tables: every network on every test task."""
  found: list[parts.Part] = []
  is_new = False
  with Progress(len(work.bases()), "evaluating base networks") as progress:
    for regime, base_seed in work.bases():
      new_parts, made = work.study.test(work, regime, base_seed)
      found += new_parts
      is_new |= made
      progress.update(regime=regime, base_seed=base_seed)
  schemas = work.study.tables
  # Written whenever they differ: a kill may leave tables of earlier rows.
  is_written = [
    tables.write(work.paths.table(name), rows, schemas[name])
    for name, rows in parts.join(found, list(schemas)).items()
  ]
  if not is_new and not any(is_written):
    logging.info("results.csv: done before")
  # A search that was killed after its mark has left its features there.
  files.remove(work.paths.cache)


@hosts.by_first
def is_decided(work: Experiment) -> bool:
  """Returns whether the tables answer the question of the study."""
  return work.study.is_decided(work.paths.workdir)


@hosts.by_first
def report(work: Experiment) -> None:
  """Writes the report and says where it lies."""
  work.study.report([work.paths.workdir], work.paths.report)


STEPS: Mapping[str, Callable[[Experiment], None]] = {
  "prepare_data": prepare_data,
  "train": train,
  "search": search,
  "evaluate": evaluate,
  "report": report,
}
# What is done again with more base seeds.
_ROUND = ("train", "search", "evaluate")


def _take(work: Experiment, *names: str) -> None:
  """Takes some steps."""
  for name in names:
    with session.timed(work, name):
      STEPS[name](work)


def build(
  name: str,
  data_dir: str | pathlib.Path,
  num_problems: Mapping[str, int] | None = None,
) -> None:
  """Builds one data set unless it is there, and says what is in it."""
  with contextlib.ExitStack() as stack:
    builder = datasets.prepare(
      name, data_dir, num_problems, on_problem=_progress(name, stack)
    )
  sizes = ", ".join(
    f"{split} {count}" for split, count in builder.split_sizes.items()
  )
  logging.info("%s: %s problems in %s", name, sizes, builder.data_dir)


def _progress(
  name: str, stack: contextlib.ExitStack
) -> Callable[[str, int], None]:
  """Returns a function that counts the problems of every split."""
  counters: dict[str, Progress] = {}

  def on_problem(split: str, count: int) -> None:
    if split not in counters:
      stack.close()  # Shows that the split before is complete.
      counters[split] = stack.enter_context(Progress(count, f"{name} {split}"))
    counters[split].update()

  return on_problem
