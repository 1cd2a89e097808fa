"""Programs of a step compiled, and what they hold, compute and move."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import jax
from absl import logging

from structcomp_jax import target
from structcomp_jax.engine import cost, memory, traffic
from structcomp_jax.pipeline.forecast.device import Machine
from structcomp_jax.pipeline.forecast.dry import DryWorkplace
from structcomp_jax.pipeline.forecast.steps import Program, Step

# Where loops over time repeat products more often than this, the bytes that
# XLA counts, with each loop once, are too few.
_REPEATED = 1.2


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Cost:
  """What one program needs.

  Attributes:
    step, program: which.
    arguments, temporary, total: bytes on a device.
    fits: in the memory of a device.
    flops, num_bytes: of a step, on a device.
    is_least: more bytes are moved: those of a loop over time count once.
    seconds: the least time of a step.
    bound: what takes it, "arithmetic" or "bytes".
  """

  step: Step
  program: Program
  arguments: int
  temporary: int
  total: int
  fits: bool
  flops: float
  num_bytes: float
  is_least: bool
  seconds: float
  bound: str

  @property
  def all_seconds(self) -> float:
    """The least time of all its steps."""
    return self.program.num_steps * self.seconds

  @property
  def all_flops(self) -> float:
    """The arithmetic of all its steps on all devices."""
    return self.program.num_steps * self.flops * self.program.devices


def of_step(step: Step, work: DryWorkplace) -> list[Cost]:
  """Compiles the programs of a step, at the width that it will have."""
  programs = step.programs(work)
  if not programs:
    return []
  first, *others = programs
  found = _of_program(step, first, work.machine)
  if found.fits or not chooses_width(step, work):
    return [found, *(_of_program(step, one, work.machine) for one in others)]
  # The experiment would try widths from one up and take the fastest that fits.
  width = widest(step, work, first)
  if width is None:
    return [found]
  programs = step.programs(work, width)
  return [_of_program(step, one, work.machine) for one in programs]


def chooses_width(step: Step, work: DryWorkplace) -> bool:
  """Returns whether the experiment chooses how many rows are done at once."""
  return work.runtime.vmap_width == "auto" and step.section in (
    "search",
    "cuts",
    "pruning",
  )


def widest(step: Step, work: DryWorkplace, too_wide: Program) -> int | None:
  """Returns the most rows at once that fit; None: not even one does."""
  narrower = [w for w in memory.widths(too_wide.local) if w < too_wide.at_once]
  return largest(
    narrower, lambda width: bytes_of(step.programs(work, width)[0], step)
    <= work.machine.memory,
  )  # fmt: skip


def largest(values: list[int], fits: Callable[[int], bool]) -> int | None:
  """Returns the largest of rising values that fits; smaller ones fit, too.

  >>> largest([1, 2, 4, 8], lambda value: value < 5)
  4
  """
  if not values or not fits(values[0]):
    return None
  low, high = 0, len(values) - 1
  while low < high:
    middle = (low + high + 1) // 2
    low, high = (middle, high) if fits(values[middle]) else (low, middle - 1)
  return values[low]


def bytes_of(program: Program, step: Step) -> int:
  """Returns the memory of a program on a device; compiles it."""
  compiled, _ = _compile(program, step)
  return memory.peak_bytes(compiled) + program.beside


def _of_program(step: Step, program: Program, machine: Machine) -> Cost:
  compiled, lowered = _compile(program, step)
  held = memory.program_bytes(compiled)
  counted = compiled.cost_analysis() or {}
  # The compiler counts one group of rows, and a rest if there is one.
  times = program.chunks / program.counted_chunks
  once = (
    times
    * program.parts
    * (_flops_before(lowered) or counted.get("flops", 0.0))
  )
  called = program.function, *program.arguments
  products = cost.product_flops(*called) / program.loops
  products_once = times * cost.product_flops(*called, repeats=False)
  flops = max(once, products)
  is_least = False
  if target.platform() == "tpu":
    num_bytes = traffic.bytes_per_step(compiled.as_text() or "") / program.loops
  else:
    num_bytes = times * counted.get("bytes accessed", 0.0)
    is_least = products > _REPEATED * products_once
  seconds, bound = machine.seconds(flops, num_bytes, program.devices)
  total = held["total"] + program.beside
  return Cost(
    step=step,
    program=program,
    arguments=held["arguments"] + program.beside,
    temporary=held["temporary"],
    total=total,
    fits=total <= machine.memory,
    flops=flops,
    num_bytes=num_bytes,
    is_least=is_least,
    seconds=seconds,
    bound=bound,
  )


def _compile(
  program: Program, step: Step
) -> tuple[jax.stages.Compiled, jax.stages.Lowered]:
  width = "" if program.rows == 1 else f", {program.at_once} at once"
  started = time.monotonic()
  lowered = program.lower()
  compiled = lowered.compile()
  logging.info(
    "compiled %s, %s%s: %.0f s",
    step.label,
    program.does,
    width,
    time.monotonic() - started,
  )
  return compiled, lowered


def _flops_before(lowered: jax.stages.Lowered) -> float:
  """Returns what XLA counts before it optimises, 0 where it cannot.

  A compiled program may call a library for its products, which count nothing.
  """
  try:
    found: Any = lowered.cost_analysis()
  except NotImplementedError:
    return 0.0
  return float((found or {}).get("flops", 0.0))
