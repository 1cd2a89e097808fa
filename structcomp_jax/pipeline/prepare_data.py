"""Step 1: the data sets of an experiment, as TFDS directories."""

import contextlib
import pathlib
from collections.abc import Callable, Mapping

from absl import logging
from ml_collections import ConfigDict

from structcomp_jax.io import hosts
from structcomp_jax.io.progress import Progress
from structcomp_jax.pipeline import experiment as experiments
from structcomp_jax.pipeline import session
from structcomp_jax.studies.break_it_down import simclr as pretrain
from structcomp_jax.tasks import datasets


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
  of_split = {}

  def on_problem(split: str, count: int) -> None:
    if split not in of_split:
      stack.close()  # Shows that the split before is complete.
      of_split[split] = stack.enter_context(Progress(count, f"{name} {split}"))
    of_split[split].update()

  return on_problem


@hosts.by_first
def step(experiment: experiments.Experiment) -> None:
  """Prepares every data set of an experiment."""
  sizes = pretrain.data_sets(experiment) | {
    experiment.domain.dataset_name(task): experiment.num_problems(task)
    for task in experiment.test_tasks
  }
  for name, num_problems in sizes.items():
    build(name, experiment.data_dir, num_problems)
  for line in experiment.domain.separation():
    logging.info("%s", line)


def run(config: ConfigDict, workdir: str | pathlib.Path) -> None:
  """Prepares the data sets in the work directory of `config`."""
  with session.open_experiment(config, workdir, "prepare_data") as experiment:
    step(experiment)
