"""A plan as text: one line for every program, and what it adds up to."""

from collections.abc import Sequence

from structcomp_jax.pipeline.forecast.costs import Cost
from structcomp_jax.report.text import text_table

_HEAD = (
  "step", "programs", "rows", "at once", "devices", "arguments", "temporary",
  "total", "fits", "FLOP", "bytes", "a step", "bound by", "steps", "in all",
  "FLOP in all",
)  # fmt: skip
_PREFIXES = (
  (1e18, "E"),
  (1e15, "P"),
  (1e12, "T"),
  (1e9, "G"),
  (1e6, "M"),
  (1e3, "k"),
)
_DAY = 86400.0
_TIMES = (
  (365.25 * _DAY, "years"),
  (_DAY, "days"),
  (3600.0, "h"),
  (60.0, "min"),
  (1.0, "s"),
)


def table(costs: Sequence[Cost], *, has_bytes: bool) -> str:
  """Returns all programs as aligned text.

  Args:
    costs: of the programs.
    has_bytes: whether the bytes of a step were looked at.
  """
  lines = [_HEAD, *(_line(one, has_bytes=has_bytes) for one in costs)]
  seconds = sum(one.all_seconds for one in costs)
  flops = sum(one.all_flops for one in costs)
  empty = ("",) * (len(_HEAD) - 3)
  lines.append(("all", *empty, duration(seconds), quantity(flops, "FLOP")))
  return text_table(lines, num_left=2)


def _line(one: Cost, *, has_bytes: bool) -> tuple[str, ...]:
  program = one.program
  moved = quantity(one.num_bytes, "B")
  return (
    one.step.label,
    program.does,
    f"{program.rows}",
    f"{program.at_once}",
    f"{program.devices}",
    quantity(one.arguments, "B"),
    quantity(one.temporary, "B"),
    quantity(one.total, "B"),
    "yes" if one.fits else "NO",
    quantity(one.flops, ""),
    f"> {moved}" if one.is_least else moved,
    duration(one.seconds),
    one.bound if has_bytes else "-",
    f"{program.num_steps}",
    duration(one.all_seconds),
    quantity(one.all_flops, "FLOP"),
  )


def quantity(number: float, unit: str) -> str:
  """Returns a number with three digits and a prefix.

  >>> quantity(3.21e12, "FLOP"), quantity(12.0, "B")
  ('3.21 TFLOP', '12 B')
  """
  for size, prefix in _PREFIXES:
    if number >= size:
      return f"{number / size:.3g} {prefix}{unit}"
  return f"{number:.3g} {unit}".rstrip()


def duration(seconds: float) -> str:
  """Returns a time with two or three digits.

  >>> duration(1e-6), duration(0.00123), duration(5400), duration(200 * 86400)
  ('1 us', '1.23 ms', '1.5 h', '200 days')
  """
  for size, unit in _TIMES:
    if seconds >= size:
      number = seconds / size
      return f"{number:.2g} {unit}" if number < 100 else f"{number:.0f} {unit}"
  if seconds >= 1e-3 or not seconds:
    return f"{1e3 * seconds:.3g} ms"
  return f"{1e6 * seconds:.3g} us"
