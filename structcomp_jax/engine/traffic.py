"""Bytes that a program compiled for a TPU moves, by the memory they lie in.

What the compiler counts as "bytes accessed" is every operand and every result,
wherever it lies. Much of it lies in the memory inside of the chip (VMEM, 128 MB
of a v5e), whose bandwidth is not that of the main memory (HBM). The text of a
program says where: S(1) in the layout of an array means inside of the chip, and
no such note means main memory.
"""

import dataclasses
import functools
import math
import re
from collections.abc import Iterator, Mapping

# An array: type, bits, sizes, and perhaps a layout. "pred" has 8 bits.
_ARRAY = re.compile(r"\b(?:pred|[a-z]+?(\d+))\[([\d,]*)\](\{[^}]*\})?")
_COMPUTATION = re.compile(r"(ENTRY )?%?([\w.-]+) .*-> .*\{$")
_CALLED = re.compile(
  r"\b(body|condition|branch_computations|true_computation|false_computation|calls|"
  r"to_apply)=(\{[^}]*\}|%?[\w.-]+)"
)
# These give another name, or wait, and move nothing.
_FREE = frozenset({
  "parameter", "tuple", "get-tuple-element", "constant", "bitcast", "iota",
  "after-all", "opt-barrier", "partition-id", "replica-id",
})  # fmt: skip
_FREE_CALL = re.compile(r'custom_call_target="(ConcatBitcast|Assume\w*)"')
# Of these, the first operand is read only where the result comes from.
_SLICES = frozenset({"dynamic-slice", "slice", "gather"})


@dataclasses.dataclass(frozen=True, eq=False)
class _Instruction:
  """One line of a program.

  Attributes:
    name: without "%".
    shape: of the result, with layouts.
    kind: what it does, as "fusion".
    arguments: what stands in its parentheses.
    rest: what follows them.
    is_root: its result is that of the computation.
  """

  name: str
  shape: str
  kind: str
  arguments: str
  rest: str
  is_root: bool

  @functools.cached_property
  def operands(self) -> tuple[str, ...]:
    """The names of what it reads."""
    return tuple(re.findall(r"%([\w.-]+)", self.arguments))

  def called(self, *roles: str) -> list[str]:
    """Returns the computations that it calls in these roles."""
    return [
      name.strip(" %")
      for role, names in _CALLED.findall(self.rest)
      if role in roles
      for name in names.strip("{}").split(",")
    ]


_Computation = Mapping[str, _Instruction]


def bytes_per_step(text: str, *, inside_too: bool = False) -> int:
  """Returns the bytes that a step reads from and writes to main memory.

  The steps are the turns of the loop whose number of turns a program does not
  know; what it does beside them does not count. A program without such a loop
  counts as a whole. A loop from 0 to a number that the program knows, around
  the steps or inside of them, counts as often as it runs. Of several branches
  the one that moves most counts. Of a large array of which a slice is read or
  written the slice counts.

  Args:
    text: `jax.stages.Compiled.as_text()` of a TPU's program.
    inside_too: whether reading and writing the memory inside of the chip
      counts as well.
  """
  computations, entry = _parse(text)
  count = _Count(computations, inside_too)
  of_steps = count.of_steps(entry)
  return count.of_computation(entry) if of_steps is None else of_steps


def _parse(text: str) -> tuple[dict[str, dict[str, _Instruction]], str]:
  """Returns {computation: {name: instruction}} and the entry's name."""
  computations: dict[str, dict[str, _Instruction]] = {}
  entry = name = ""
  for line in text.splitlines():
    head = None if line.startswith(" ") else _COMPUTATION.match(line)
    if head:
      name = head[2]
      computations[name] = {}
      entry = name if head[1] else entry
    elif name and " = " in line:
      one = _instruction(line.strip())
      computations[name][one.name] = one
  return computations, entry


def _instruction(line: str) -> _Instruction:
  name, _, rest = line.removeprefix("ROOT ").partition(" = ")
  end = _closing(rest) if rest.startswith("(") else rest.index(" ")
  shape, rest = rest[:end], rest[end:].lstrip()
  kind, _, _ = rest.partition("(")
  rest = rest.removeprefix(kind)
  end = _closing(rest)
  return _Instruction(
    name=name.lstrip("%"),
    shape=shape,
    kind=kind,
    arguments=rest[1 : end - 1],
    rest=rest[end:],
    is_root=line.startswith("ROOT "),
  )


def _closing(text: str) -> int:
  """Returns what lies behind the parenthesis that closes the first one."""
  depth = 0
  for place, sign in enumerate(text):
    depth += (sign == "(") - (sign == ")")
    if depth == 0:
      return place + 1
  raise ValueError(f"no closing parenthesis in {text[:80]!r}")


class _Count:
  """Counts the bytes that computations move."""

  def __init__(self, computations, inside_too):
    self._computations: Mapping[str, _Computation] = computations
    self._inside_too: bool = inside_too
    self._known: dict[str, int] = {}

  def of_computation(self, name: str) -> int:
    """Returns the bytes of all its instructions."""
    if name not in self._known:
      inside = self._computations[name]
      self._known[name] = sum(
        self._of_instruction(one, inside) for one in inside.values()
      )
    return self._known[name]

  def of_steps(self, name: str) -> int | None:
    """Returns the bytes of the steps in a computation, None without them."""
    for one in self._computations[name].values():
      if one.kind == "while":
        body, turns = self._loop(one)
        if turns is None:
          return self.of_computation(body)
        of_turn = self.of_steps(body)
        if of_turn is not None:
          return turns * of_turn
    return None

  def _loop(self, one: _Instruction) -> tuple[str, int | None]:
    """Returns the body of a loop, and how often it runs, if that is known."""
    (body,), (condition,) = one.called("body"), one.called("condition")
    return body, _num_turns(self._computations[condition])

  def _of_instruction(self, one: _Instruction, inside: _Computation) -> int:
    if one.kind == "while":
      body, turns = self._loop(one)
      return self.of_computation(body) * (turns or 1)
    if one.kind == "conditional":
      branches = one.called(
        "branch_computations", "true_computation", "false_computation"
      )
      return max(map(self.of_computation, branches))
    if one.kind == "call":
      return sum(map(self.of_computation, one.called("to_apply")))
    if one.kind in _FREE or _FREE_CALL.search(one.rest):
      return 0
    if one.kind.endswith("-start"):
      return 0  # Its end counts.
    if one.kind.endswith("-done"):
      return self._of_copy(one, inside)
    if one.kind == "fusion":
      (body,) = one.called("calls")
      return self._of_fusion(one, inside, self._computations[body])
    return self._of_single(one, inside)

  def _of_copy(self, one: _Instruction, inside: _Computation) -> int:
    """Returns the bytes of what runs beside other instructions."""
    started = inside[one.operands[0]]
    source = inside[started.operands[0]].shape
    size = _num_bytes(one.shape)
    return size * (self._counts(source) + self._counts(one.shape))

  def _of_single(self, one: _Instruction, inside: _Computation) -> int:
    operands = [inside[name].shape for name in one.operands]
    if one.kind in _SLICES:
      read = self._counts(operands[0]) * _num_bytes(one.shape)
      return self._bytes(one.shape) + read + sum(map(self._bytes, operands[1:]))
    if one.kind == "dynamic-update-slice":
      written = self._counts(one.shape) * _num_bytes(operands[1])
      return written + sum(map(self._bytes, operands[1:]))
    return self._bytes(one.shape) + sum(map(self._bytes, operands))

  def _of_fusion(
    self, one: _Instruction, inside: _Computation, body: _Computation
  ) -> int:
    total = 0
    for each in body.values():
      if each.kind == "parameter":
        source = inside[one.operands[int(each.arguments)]].shape
        if self._counts(source):
          total += min(_num_bytes(source), _read(each.name, body))
    (root,) = [each for each in body.values() if each.is_root]
    shapes, written = _arrays(one.shape), list(_results(root, body))
    if len(written) != len(shapes):
      # One instruction with several results, as a sort.
      written = [root] * len(shapes)
    for result, shape in zip(written, shapes, strict=True):
      total += self._counts(shape) * _num_bytes(
        body[result.operands[1]].shape
        if result.kind == "dynamic-update-slice"
        else shape
      )
    return total

  def _bytes(self, shape: str) -> int:
    """Returns the bytes of those arrays that count."""
    return sum(
      _num_bytes(array) for array in _arrays(shape) if self._counts(array)
    )

  def _counts(self, shape: str) -> bool:
    """Returns whether an array lies in a memory that counts."""
    return self._inside_too or "S(" not in shape


def _num_turns(condition: _Computation) -> int | None:
  """Returns how often a loop runs that counts from 0 to a constant."""
  (root,) = [each for each in condition.values() if each.is_root]
  limit = condition.get(root.operands[-1])
  is_counted = root.kind == "compare" and "direction=LT" in root.rest
  if is_counted and limit is not None and limit.kind == "constant":
    return int(limit.arguments)
  return None


def _read(name: str, body: _Computation) -> int:
  """Returns the bytes that a fusion reads of one of its operands."""
  total = 0
  for one in body.values():
    if name not in one.operands:
      continue
    if one.kind == "bitcast":
      total += _read(one.name, body)
    elif one.operands[0] == name and one.kind in _SLICES:
      total += _num_bytes(one.shape)
    elif one.operands[0] != name or one.kind != "dynamic-update-slice":
      return _num_bytes(body[name].shape)
  return total


def _results(root: _Instruction, body: _Computation) -> Iterator[_Instruction]:
  """Yields what computes each of the results of a fusion."""
  names = root.operands if root.kind == "tuple" else (root.name,)
  for name in names:
    while body[name].kind == "bitcast":
      name = body[name].operands[0]
    yield body[name]


def _arrays(shape: str) -> list[str]:
  """Returns the arrays of a tuple, or the only one."""
  return [match[0] for match in _ARRAY.finditer(shape)]


def _num_bytes(shape: str) -> int:
  """Returns the bytes of all arrays, wherever they lie."""
  return sum(
    math.prod(map(int, filter(None, sizes.split(","))))
    * max(int(bits or 8), 8)
    // 8
    for bits, sizes, _ in _ARRAY.findall(shape)
  )
