"""Ordered path rules say which leaves are masked, and in what units."""

import dataclasses
import math
import re
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from structcomp_jax.masks import leaves as leaf_kinds
from structcomp_jax.masks.gated import weights_per_unit
from structcomp_jax.trees import leaves_by_path
from structcomp_jax.types import Params, UserError

# (regex that must match the whole path, unit), and the axis, or axes, along
# which a leaf's neurons lie: (".*/weight", "neuron", 0).
Rule = tuple[str, str] | tuple[str, str, int | Sequence[int]]
UNITS = ("weight", "neuron", "frozen")
# Units of one leaf are numbered in 32 bits.
_MOST_UNITS = 2**31 - 1


@dataclasses.dataclass(frozen=True)
class LeafSpec:
  """One selected leaf.

  Attributes:
    path: the leaf's path string.
    shape: shape of the weights.
    mask_shape: shape of the mask; broadcasts against `shape`.
    unit: "weight" (one mask element per weight), "neuron" (one per place
      along `axes`) or "gate" (one per unit of a gate, see `masks.gates`).
    rule: the regex that selected the leaf.
    axes: of the neurons, ascending; () if the rule for weights names none.
    counts_as: as how many weights a mask element counts, where it is not the
      number of the leaf's own weights that it covers.
  """

  path: str
  shape: tuple[int, ...]
  mask_shape: tuple[int, ...]
  unit: str
  rule: str
  axes: tuple[int, ...] = ()
  counts_as: int | None = None

  @property
  def num_units(self) -> int:
    """Number of mask elements."""
    return math.prod(self.mask_shape)

  @property
  def num_weights(self) -> int:
    """Number of weights as which all mask elements count."""
    if self.counts_as is not None:
      return self.counts_as * self.num_units
    return math.prod(self.shape)

  @property
  def weights_per_unit(self) -> int:
    """Number of weights as which one mask element counts."""
    return self.num_weights // max(self.num_units, 1)

  @property
  def unit_words(self) -> str:
    """What a unit is, such as "neuron of axis 1"."""
    if self.unit != "neuron":
      return self.unit
    word = "axis" if len(self.axes) == 1 else "axes"
    return f"{self.unit} of {word} {', '.join(map(str, self.axes))}"


@dataclasses.dataclass(frozen=True)
class MaskSpec:
  """The selected leaves, sorted by path; hashable, hence a static argument."""

  leaves: tuple[LeafSpec, ...]

  @property
  def paths(self) -> tuple[str, ...]:
    """Paths of the selected leaves."""
    return tuple(leaf.path for leaf in self.leaves)

  @property
  def num_units(self) -> int:
    """Number of mask elements in all leaves."""
    return sum(leaf.num_units for leaf in self.leaves)

  @property
  def num_weights(self) -> int:
    """Number of weights in all selected leaves."""
    return sum(leaf.num_weights for leaf in self.leaves)

  def describe(self) -> str:
    """Returns a text table of the selected leaves, their sizes and rules."""
    rows = [("leaf", "shape", "unit", "units", "weights", "rule")]
    for leaf in self.leaves:
      shape = "x".join(map(str, leaf.shape)) or "scalar"
      units, weights = f"{leaf.num_units:,}", f"{leaf.num_weights:,}"
      rows.append(
        (leaf.path, shape, leaf.unit_words, units, weights, leaf.rule)
      )
    units, weights = f"{self.num_units:,}", f"{self.num_weights:,}"
    rows.append((f"{len(self.leaves)} leaves", "", "", units, weights, ""))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
      "  ".join(
        cell.rjust(width) if index in (3, 4) else cell.ljust(width)
        for index, (cell, width) in enumerate(zip(row, widths, strict=True))
      ).rstrip()
      for row in rows
    ]
    return "\n".join(lines)


def select(params: Params, rules: Sequence[Rule]) -> MaskSpec:
  """Selects the leaves to mask by ordered rules; the first match wins.

  >>> import numpy as np
  >>> params = {"dense": {"kernel": np.zeros((3, 2)), "bias": np.zeros(2)}}
  >>> spec = select(params, [(".*/kernel", "weight"), (".*", "frozen")])
  >>> spec.paths, spec.num_weights
  (('dense/kernel',), 6)

  Args:
    params: weights of the network; arrays or abstract shapes.
    rules: (regex, unit) pairs. The regex must match a whole path string
      (`re.fullmatch`). The unit is "weight", "neuron" or "frozen". A third
      element names the axis of the leaf's neurons, or several; without it,
      `leaves.neuron_axes` must know the layout. The unit "weight" needs it
      for random fills alone.

  Returns:
    The selected leaves: those whose rule says "weight" or "neuron".

  Raises:
    UserError: a leaf that no rule covers, a rule that is the first match of no
      leaf, an invalid regex, an unknown unit, a leaf that cannot be masked, or
      no leaf selected.
  """
  patterns = _compile(rules)
  leaves = leaves_by_path(params)
  leaf_kinds.check_arrays(leaves)
  winners = _all_covered(
    {path: _first_match(path, patterns) for path in leaves}
  )
  _check_every_rule_wins(patterns, rules, winners)
  selected = {
    path: rules[winners[path]]
    for path in sorted(leaves)
    if rules[winners[path]][1] != "frozen"
  }
  gates = weights_per_unit(params)
  specs = [
    _gate_spec(path, leaves[path], rule, gates[path])
    if path in gates
    else _leaf_spec(path, leaves[path], rule)
    for path, rule in selected.items()
  ]
  if not specs:
    raise UserError(
      "the mask rules select no leaf; give at least one rule with the unit "
      "'weight' or 'neuron'"
    )
  leaf_kinds.check_averages({path: rule[0] for path, rule in selected.items()})
  leaf_kinds.check_ties({path: leaves[path] for path in selected})
  return MaskSpec(tuple(specs))


def _compile(rules: Sequence[Any]) -> list[re.Pattern[str]]:
  """Checks the form of the rules and compiles their regexes."""
  patterns = []
  if isinstance(rules, str):
    raise UserError(f"rules {rules!r} is a text; give a list of pairs")
  for rule in rules:
    if not isinstance(rule, (tuple, list)) or len(rule) not in (2, 3):
      raise UserError(
        f"mask rule {rule!r} is not a pair (regex, unit), nor does it add an "
        "axis of neurons to one"
      )
    regex, unit = rule[:2]
    if unit not in UNITS:
      raise UserError(
        f"mask rule {regex!r} has the unknown unit {unit!r}; "
        f"use one of {', '.join(UNITS)}"
      )
    patterns.append(leaf_kinds.compiled(regex, "mask rule"))
  return patterns


def _first_match(path: str, patterns: list[re.Pattern[str]]) -> int | None:
  """Returns the index of the first pattern that matches all of `path`."""
  for index, pattern in enumerate(patterns):
    if pattern.fullmatch(path):
      return index
  return None


def _all_covered(winners: dict[str, int | None]) -> dict[str, int]:
  """Returns the winners; raises if a leaf has no rule."""
  uncovered = [path for path, winner in winners.items() if winner is None]
  if uncovered:
    raise UserError(
      f"no mask rule covers leaf {uncovered[0]!r} "
      f"({len(uncovered)} uncovered in all); add a rule such as "
      "('.*', 'frozen') at the end"
    )
  return {path: one for path, one in winners.items() if one is not None}


def _check_every_rule_wins(
  patterns: list[re.Pattern[str]],
  rules: Sequence[Rule],
  winners: dict[str, int],
) -> None:
  """Raises if a rule is the first match of no leaf."""
  used = set(winners.values())
  for index, pattern in enumerate(patterns):
    if index in used:
      continue
    regex = rules[index][0]
    if any(pattern.fullmatch(path) for path in winners):
      raise UserError(
        f"mask rule {regex!r}: everything it matches is taken by earlier "
        "rules; move it up or remove it"
      )
    part = next((path for path in winners if pattern.search(path)), None)
    hint = "" if part is None else (
      "it must match the whole path, as '.*' before or after it would; "
    )  # fmt: skip
    raise UserError(
      f"mask rule {regex!r} matches nothing; {hint}leaves with close names: "
      f"{', '.join(leaf_kinds.close_paths(regex, list(winners)))}"
    )


def _leaf_spec(path: str, leaf: Any, rule: Rule) -> LeafSpec:
  """Returns the spec of one selected leaf.

  Raises:
    UserError: the leaf is not floating, its neurons are not known, or it has
      too many units.
  """
  regex, unit, *given = rule
  shape = tuple(np.shape(leaf))
  dtype = jnp.result_type(leaf)
  if not jnp.issubdtype(dtype, jnp.floating):
    raise UserError(
      f"mask rule {regex!r} selects leaf {path!r} of dtype {dtype}; only "
      "floating leaves can be masked, add a 'frozen' rule for it above"
    )
  axes: tuple[int, ...] = ()
  if unit == "neuron" and not shape:
    raise UserError(
      f"mask rule {regex!r} selects the scalar leaf {path!r} by neuron; "
      "use the unit 'weight' for it"
    )
  if unit == "neuron" or given:
    axes = leaf_kinds.neuron_axes(path, shape, *given)
  mask_shape = tuple(
    size if unit == "weight" or axis in axes else 1
    for axis, size in enumerate(shape)
  )
  if math.prod(mask_shape) > _MOST_UNITS:
    raise UserError(
      f"leaf {path!r} has {math.prod(mask_shape):,} units, more than "
      f"{_MOST_UNITS:,}; mask it by neuron"
    )
  return LeafSpec(path, shape, mask_shape, unit, regex, axes)


def _gate_spec(path: str, leaf: Any, rule: Rule, weights: int) -> LeafSpec:
  """Returns the spec of a gate, each of whose units has so many weights.

  Raises:
    UserError: the rule's unit is "neuron".
  """
  regex, unit, *_ = rule
  if unit == "neuron":
    raise UserError(
      f"mask rule {regex!r} selects the gate {path!r} by neuron; use the unit "
      "'weight', one mask element for each of the gate's units"
    )
  shape = tuple(np.shape(leaf))
  return LeafSpec(path, shape, shape, "gate", regex, counts_as=weights)


def check_spec(spec: Any, params: Params) -> None:
  """Raises UserError unless a spec was selected from such a network.

  >>> params = {"kernel": np.ones(2)}
  >>> check_spec(select(params, [(".*", "weight")]), params)

  Args:
    spec: what should be a `MaskSpec`.
    params: weights of the network; arrays or abstract shapes.
  """
  if not isinstance(spec, MaskSpec):
    raise UserError(
      f"spec is a {type(spec).__name__}, not what masks.select returns; make "
      "it with spec = masks.select(params, rules)"
    )
  leaves = leaves_by_path(params)
  for leaf in spec.leaves:
    found = np.shape(leaves[leaf.path]) if leaf.path in leaves else None
    if found != leaf.shape:
      raise UserError(
        f"spec names leaf {leaf.path!r} of shape {leaf.shape}, the network has "
        + ("none of that name" if found is None else f"shape {found}")
        + "; select from the network that is masked"
      )


def matching(
  spec: MaskSpec, regexes: Sequence[str], setting: str
) -> frozenset[str]:
  """Returns the masked leaves whose whole path one of the regexes matches.

  >>> params = {"head": np.ones(2), "stem": np.ones(2)}
  >>> spec = select(params, [(".*", "weight")])
  >>> sorted(matching(spec, ["he.*"], "held"))
  ['head']

  Args:
    spec: the selected leaves.
    regexes: matched with `re.fullmatch`.
    setting: name of what holds the regexes, for errors.

  Raises:
    UserError: a regex is invalid or matches no selected leaf, or `regexes` is
      a single text.
  """
  if isinstance(regexes, str):
    raise UserError(
      f"{setting} {regexes!r} is one text; give a sequence of them, as "
      f"({regexes!r},)"
    )
  found: set[str] = set()
  for regex in regexes:
    pattern = leaf_kinds.compiled(regex, setting)
    new = {path for path in spec.paths if pattern.fullmatch(path)}
    if not new:
      raise UserError(
        f"{setting} {regex!r} matches no masked leaf; the masked leaves "
        f"are {', '.join(spec.paths)}"
      )
    found |= new
  return frozenset(found)
