"""`launch.run --plan`: memory and cost of every step, before anything runs."""

import pathlib
from collections.abc import Iterator

from ml_collections import ConfigDict

from structcomp_jax import types
from structcomp_jax.pipeline import rounds
from structcomp_jax.pipeline.experiment import MakeStudy
from structcomp_jax.pipeline.forecast import costs, device, remedies
from structcomp_jax.pipeline.forecast.dry import DryWorkplace
from structcomp_jax.studies import plan_table


def show(
  config: ConfigDict,
  workdir: str | pathlib.Path,
  make_study: MakeStudy,
  topology: str = "",
) -> None:
  """Prints the plan of an experiment; nothing is drawn, run or written.

  Args:
    config: of the experiment.
    workdir: where it would be done.
    make_study: config -> study.
    topology: such as "v5e:4x4"; empty: the devices at hand.

  Raises:
    UserError: the config is bad, or there is no plan for such an experiment or
      topology.
  """
  with device.planning_for(topology):
    machine = device.machine(topology)
    for line in lines(config, workdir, make_study, machine):
      print(line, flush=True)


def lines(
  config: ConfigDict,
  workdir: str | pathlib.Path,
  make_study: MakeStudy,
  machine: device.Machine,
) -> Iterator[str]:
  """Yields what `show` prints for a machine.

  Raises:
    UserError: see `show`.
  """
  study = make_study(config)
  if not hasattr(study, "outline"):
    raise types.UserError(
      f"there is no plan for {config.experiment}: its study does not list its "
      "steps; leave out --plan"
    )
  outline = study.outline()
  work = DryWorkplace(study, workdir, machine)
  yield f"plan of {config.experiment}, {config.model.name}, for {machine.words}"
  found = [cost for step in outline.steps for cost in costs.of_step(step, work)]
  has_bytes = machine.bandwidth is not None
  yield plan_table.table(found, has_bytes=has_bytes)
  yield ""
  for note in (*_notes(config, machine), *outline.notes):
    yield f"- {note}"
  too_large = [cost for cost in found if not cost.fits]
  if not too_large:
    yield "everything fits"
    return
  finder = remedies.Finder(config, str(workdir), make_study, machine)
  yield "what does not fit, and what would make it fit (found by compiling):"
  for cost in too_large:
    yield f"- {remedies.describe(cost, finder.find(cost), machine)}"


def _notes(config: ConfigDict, machine: device.Machine) -> Iterator[str]:
  """Yields what a reader has to know of the numbers."""
  yield (
    "memory, FLOP and bytes are those of one device and one step of all of its "
    "rows; a step of looks, tests and features is one batch of "
    f"evaluation.batch_size {config.evaluation.batch_size}"
  )
  if machine.bandwidth is None:
    yield (
      "times are arithmetic at the peak of large matrix products: the least "
      "there can be, real steps take longer"
    )
  else:
    yield (
      "times are the larger of arithmetic at the peak and bytes at the "
      "bandwidth (the roofline): the least there can be, real steps take longer"
    )
  if machine.platform == "tpu":
    yield "bytes are those of the main memory"
  else:
    yield "of loops within a step, over time or masks, bytes count once (>)"
  yield "all steps are counted; early stopping makes runs shorter"
  if config.runtime.vmap_width == "auto":
    most = (
      "one at a time is shown"
      if machine.platform == "cpu"
      else "the most that fit are shown, in tests one"
    )
    yield (
      "runtime.vmap_width is auto: the run takes the fastest that fits of 1, "
      f"2, 4, ... candidates at once; {most}"
    )
  rounds_of_work = rounds.planned(config)
  if len(rounds_of_work) > 1:
    yield (
      f"the first of up to {len(rounds_of_work)} rounds; the last has "
      f"{len(rounds_of_work[-1])} base networks of a regime "
      "(auto_base_seeds.most)"
    )
