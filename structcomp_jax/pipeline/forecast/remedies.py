"""What would make a step fit, found by compiling it with other settings."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from structcomp_jax import types
from structcomp_jax.engine import memory
from structcomp_jax.pipeline.forecast import costs
from structcomp_jax.pipeline.forecast.costs import Cost
from structcomp_jax.pipeline.forecast.device import Machine
from structcomp_jax.pipeline.forecast.dry import DryWorkplace
from structcomp_jax.pipeline.forecast.steps import (
  FEATURES,
  LOOKS,
  TESTS,
  Search,
  Step,
  Training,
)
from structcomp_jax.pipeline.study import Study

Changes = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Remedy:
  """Settings with which a program fits.

  Attributes:
    changes: {field of the config: value}; none: nothing that was tried helps.
    num_bytes: that it then needs on a device; of the last try if none helps.
  """

  changes: Changes
  num_bytes: int


@dataclasses.dataclass(frozen=True)
class _Ladder:
  """Values of a setting, of falling need for memory.

  Attributes:
    field: of the config.
    values: the first is the closest to what is set.
    keeps_result: they change no result beyond rounding.
  """

  field: str
  values: Sequence[Any]
  keeps_result: bool


class Finder:
  """Tries settings of one experiment."""

  def __init__(
    self,
    config: ConfigDict,
    workdir: str,
    make_study: Callable[[ConfigDict], Study],
    machine: Machine,
  ):
    """Compiles nothing yet.

    Args:
      config: of the experiment.
      workdir: which is not touched.
      make_study: config -> study; raises UserError for what fits nothing.
      machine: what is planned for.
    """
    self._config, self._workdir = config, workdir
    self._make_study, self._machine = make_study, machine

  def find(self, cost: Cost) -> Remedy:
    """Returns settings with which a program fits.

    One setting after the other: where the least of its values is enough, the
    one closest to the config that fits; else that least value is kept, if it
    changes no result, while the next setting is tried.
    """
    kept: Changes = {}
    least = cost.total
    for ladder in _ladders(self._config, cost, self._machine):
      tried = [kept | {ladder.field: value} for value in ladder.values]
      needed = self._needed(cost, tried[-1])
      if needed is None:
        continue
      least = min(least, needed)
      if needed <= self._machine.memory:
        return self._closest(cost, tried)
      if ladder.keeps_result:
        kept = tried[-1]
    return Remedy({}, least)

  def _closest(self, cost: Cost, tried: list[Changes]) -> Remedy:
    """Returns the first of some changes that fits; the last one does."""
    known: dict[int, int] = {}

    def fits(index: int) -> bool:
      needed = self._needed(cost, tried[index])
      if needed is None:
        return False
      known[index] = needed
      return needed <= self._machine.memory

    # Places from the end on: what needs the least first.
    number = len(tried)
    from_end = costs.largest(
      list(range(number)), lambda place: fits(number - 1 - place)
    )
    index = number - 1 - (from_end or 0)
    return Remedy(tried[index], known[index])

  def _needed(self, cost: Cost, changes: Changes) -> int | None:
    """Returns bytes on a device with other settings; None: they do not fit."""
    try:
      study = self._make_study(changed(self._config, changes))
      work = DryWorkplace(study, self._workdir, self._machine)
      step = _same(study.outline().steps, cost.step)
      programs = step.programs(work)
    except types.UserError:
      return None
    if not programs:
      return None
    does = [one for one in programs if one.does == cost.program.does]
    return costs.bytes_of(does[0], step)


def changed(config: ConfigDict, changes: Mapping[str, Any]) -> ConfigDict:
  """Returns a config some of whose fields have other values."""
  copy = config.copy_and_resolve_references()
  with copy.unlocked(), copy.ignore_type():
    for field, value in changes.items():
      *section, name = field.split(".")
      (copy[section[0]] if section else copy)[name] = value
  copy.lock()
  return copy


def _same(steps: Sequence[Step], wanted: Step) -> Step:
  """Returns the step that is what another one was, with other settings."""
  alike = [
    step
    for step in steps
    if type(step) is type(wanted) and step.section == wanted.section
  ]
  named = [step for step in alike if step.label == wanted.label]
  return (named or alike)[0]


def _ladders(
  config: ConfigDict, cost: Cost, machine: Machine
) -> Iterator[_Ladder]:
  """Yields what may help a program, what changes no result first."""
  step, program = cost.step, cost.program
  if program.at_once > 1:
    yield _Ladder(
      "runtime.vmap_width",
      [
        width
        for width in reversed(memory.widths(program.local))
        if width < program.at_once
      ],
      keeps_result=True,
    )
  if program.does in (LOOKS, TESTS, FEATURES):
    halves = _halves(config.evaluation.batch_size)
    if halves:
      yield _Ladder("evaluation.batch_size", halves, keeps_result=True)
  is_frozen = step.section != "training" and step.section != "simclr"
  if is_frozen and config.search.compute_dtype == "float32":
    yield _Ladder("search.compute_dtype", ["bfloat16"], keeps_result=True)
  if isinstance(step, Search):
    parts = _micro_batches(step.config)
    if parts:
      yield _Ladder(f"{step.section}.micro_batches", parts, keeps_result=True)
    shared = _shared_by(step.config, machine)
    if shared:
      yield _Ladder("runtime.data_devices", shared, keeps_result=True)
    if step.config.moments == "float32":
      yield _Ladder(f"{step.section}.moments", ["bfloat16"], keeps_result=False)
    later = _later_stages(config, step)
    if later:
      yield _Ladder(f"{step.section}.masked_from", later, keeps_result=False)
  if step.section in ("training", "search", "cuts"):
    halves = _halves(config[step.section].batch_size)
    if halves:
      yield _Ladder(f"{step.section}.batch_size", halves, keeps_result=False)
  yield from _fewer_rows(config, step)


def _fewer_rows(config: ConfigDict, step: Step) -> Iterator[_Ladder]:
  """Yields fewer seeds, to which others can be added later."""
  if isinstance(step, Search) and step.section in ("search", "cuts"):
    seeds = tuple(config[step.section].seeds)
    if len(seeds) > 1:
      yield _Ladder(
        f"{step.section}.seeds", _prefixes(seeds), keeps_result=False
      )
  learns_many = isinstance(step, Search) and step.num_networks
  if (isinstance(step, Training) or learns_many) and len(config.base_seeds) > 1:
    yield _Ladder(
      "base_seeds", _prefixes(tuple(config.base_seeds)), keeps_result=False
    )


def _prefixes(seeds: tuple[int, ...]) -> list[tuple[int, ...]]:
  """Returns all but the last, all but the last two, and so on.

  >>> _prefixes((5, 6, 7))
  [(5, 6), (5,)]
  """
  return [seeds[:count] for count in range(len(seeds) - 1, 0, -1)]


def _halves(number: int) -> list[int]:
  """Returns half of a number, half of that, and so on.

  >>> _halves(20)
  [10, 5]
  """
  found = []
  while number % 2 == 0:
    number //= 2
    found.append(number)
  return found


def _micro_batches(config: Any) -> list[int]:
  """Returns into how many further parts a batch can be cut."""
  if config.clips_all:
    return []
  part = config.batch_size // config.num_parts // config.data_devices
  return [
    config.micro_batches * count
    for count in range(2, part + 1)
    if part % count == 0
  ]


def _shared_by(config: Any, machine: Machine) -> list[int]:
  """Returns among how many devices of a process a batch can be shared."""
  if config.loss_draws:
    return []
  processes: dict[int, int] = {}
  for device in machine.devices:
    index = device.process_index
    processes[index] = processes.get(index, 0) + 1
  chunk = config.batch_size // config.num_parts
  return [
    count
    for count in range(2, min(processes.values()) + 1)
    if chunk % count == 0 and count > config.data_devices
  ]


def _later_stages(config: ConfigDict, step: Search) -> list[tuple[Any, ...]]:
  """Returns first masked stages that come after that of a search."""
  known = config[step.section].masked_from if step.section != "pruning" else ()
  later = [stage for stage in known if _is_later(stage, step.masked_from)]
  if later:
    return [(stage,) for stage in later]
  if isinstance(step.masked_from, int):
    return [(step.masked_from + more,) for more in (1, 2, 3)]
  return []


def _is_later(stage: Any, other: Any) -> bool:
  is_number = isinstance(stage, int) and isinstance(other, int)
  return bool(stage > other) if is_number else False


def describe(cost: Cost, remedy: Remedy, machine: Machine) -> str:
  """Returns one line about a program that does not fit."""
  what = (
    f"{cost.step.label}, {cost.program.does}: needs "
    f"{memory.gigabytes(cost.total)}, a device has "
    f"{memory.gigabytes(machine.memory)}"
  )
  needed = memory.gigabytes(remedy.num_bytes)
  if not remedy.changes:
    return (
      f"{what}; nothing that was tried makes it fit ({needed} at least): learn "
      "less of the network, or take larger devices"
    )
  flags = " ".join(
    f"'--config.{field}={value}'" if isinstance(value, tuple)
    else f"--config.{field}={value}"
    for field, value in remedy.changes.items()
  )  # fmt: skip
  return f"{what}; fits with {flags} ({needed})"
