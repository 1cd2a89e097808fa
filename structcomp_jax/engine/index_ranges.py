"""Which values of a data set a function can use as indices.

JAX reads the last entry for every index beyond the end, or a row of NaN, and
says nothing. What a function indexes with a field of its batch is seen in what
JAX traces of it: the field, perhaps reshaped, arrives at a `gather`. A field
that is computed with before is not followed, so that a loss may clip or shift
its labels as it likes.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from jax import lax

# Operations that move elements and leave their values alone.
_MOVES = frozenset({
  "broadcast_in_dim", "copy", "dynamic_slice", "optimization_barrier", "pvary",
  "reshape", "rev", "slice", "squeeze", "stop_gradient", "transpose",
})  # fmt: skip
# jax.nn.one_hot appears under this name.
_ONE_HOT = "_one_hot"


class Limit(NamedTuple):
  """What the values of a field must lie in, both ends allowed.

  Attributes:
    low: smallest index.
    high: largest index.
    size: entries of the array that is indexed.
  """

  low: float
  high: int
  size: int


class _Field(NamedTuple):
  """A value that is a field, `shift` added to it if it is negative."""

  name: str
  shift: int = 0
  is_shifted: bool = False  # everywhere, before a choice by the sign


class _Places(NamedTuple):
  """0, 1, ..., size - 1 along an axis."""

  size: int


class _Columns(NamedTuple):
  """Index vectors, one value for each axis that is indexed."""

  values: tuple[Any, ...]


def limits(jaxpr: Any, fields: Sequence[str | None]) -> dict[str, Limit]:
  """Returns the limits of the fields that a function indexes with.

  >>> import jax
  >>> traced = jax.make_jaxpr(lambda table, label: table[label])(
  ...   jax.numpy.ones(3), jax.numpy.zeros(2, int)
  ... )
  >>> limits(traced.jaxpr, [None, "label"])
  {'label': Limit(low=-3, high=2, size=3)}

  Args:
    jaxpr: what was traced.
    fields: for each of its arguments the name of a field of integers, or None.
  """
  found: dict[str, Limit] = {}
  _follow(jaxpr, [name and _Field(name) for name in fields], found)
  return found


def _follow(jaxpr, arguments, found, is_one_hot=False):
  """Follows fields through a jaxpr; returns what its results are."""
  values = dict(zip(jaxpr.invars, arguments, strict=True))

  def value_of(atom):
    # A literal has a value, and no hash; a variable has neither rank nor value.
    return None if hasattr(atom, "val") else values.get(atom)

  for equation in jaxpr.eqns:
    inputs = [value_of(atom) for atom in equation.invars]
    results = _results(equation, inputs, found, is_one_hot)
    values.update(
      (variable, result)
      for variable, result in zip(equation.outvars, results, strict=False)
      if result is not None
    )
  return [value_of(atom) for atom in jaxpr.outvars]


def _results(equation, inputs, found, is_one_hot):
  """Returns what the results of one operation are, as far as it is known."""
  name = equation.primitive.name
  if name == "iota":
    return [_Places(equation.params["shape"][equation.params["dimension"]])]
  if not any(inputs):
    return []
  if name in _MOVES:
    return inputs[:1]
  if name == "convert_element_type":
    is_integer = equation.params["new_dtype"].kind in "iu"
    return inputs[:1] if is_integer else []
  if name == "add":
    return [_shifted(equation.invars, inputs)]
  if name == "select_n":
    return [_chosen(inputs[1:])]
  if name == "concatenate":
    return [_columns(equation, inputs)]
  if name == "eq" and is_one_hot:
    _check_one_hot(inputs, found)
    return []
  if name == "gather":
    _check_gather(equation, inputs[1], found)
    return inputs[:1]
  return _inside(equation, inputs, found, is_one_hot)


def _shifted(atoms, inputs):
  """Returns a field to which a number is added."""
  for value, other in (
    (inputs[0], atoms[1]),
    (inputs[1], atoms[0]),
  ):
    number = getattr(other, "val", None)
    is_plain = isinstance(value, _Field) and not value.shift
    if is_plain and number is not None and getattr(number, "ndim", 0) == 0:
      return value._replace(shift=int(number), is_shifted=True)
  return None


def _chosen(choices):
  """Returns a field, with a number added where it is negative."""
  if len(choices) == 2 and all(isinstance(one, _Field) for one in choices):
    plain, shifted = sorted(choices, key=lambda one: one.is_shifted)
    if plain.name == shifted.name and not plain.is_shifted:
      return shifted._replace(is_shifted=False)
  return None


def _columns(equation, inputs):
  """Returns index vectors that are put together from single indices."""
  axis = equation.params["dimension"]
  shapes = [atom.aval.shape for atom in equation.invars]
  if axis == len(shapes[0]) - 1 and all(shape[axis] == 1 for shape in shapes):
    return _Columns(tuple(inputs))
  return None


def _check_gather(equation, indices, found):
  """Notes the limits of fields with which an array is indexed."""
  if equation.params["mode"] == lax.GatherScatterMode.CLIP:
    return  # The function asked for it.
  dimensions = equation.params["dimension_numbers"].start_index_map
  columns = indices.values if isinstance(indices, _Columns) else (indices,)
  if len(columns) != len(dimensions):
    return
  shape = equation.invars[0].aval.shape
  for field, dimension in zip(columns, dimensions, strict=True):
    if isinstance(field, _Field) and not field.is_shifted:
      size = shape[dimension] - equation.params["slice_sizes"][dimension] + 1
      _note(found, field.name, Limit(-field.shift, size - 1, shape[dimension]))


def _check_one_hot(inputs, found):
  """Notes the limit of a field from which `jax.nn.one_hot` makes rows.

  A negative label gives a row of zeros, which is a known way to leave it out.
  """
  fields = [one for one in inputs if isinstance(one, _Field)]
  places = [one for one in inputs if isinstance(one, _Places)]
  if fields and places:
    size = places[0].size
    _note(found, fields[0].name, Limit(-math.inf, size - 1, size))


def _note(found, name, limit):
  """Narrows the limits of a field."""
  if name not in found or limit.high < found[name].high:
    found[name] = limit


def _inside(equation, inputs, found, is_one_hot):
  """Follows fields into the functions that an operation calls."""
  params, name = equation.params, equation.primitive.name
  if name == "cond":
    branches = params["branches"]
    for branch in branches:
      _follow(branch.jaxpr, inputs[1:], found, is_one_hot)
    return []
  if name == "scan":
    first_row = params["num_consts"] + params["num_carry"]
    carried = [None] * params["num_carry"]
    inputs = inputs[: params["num_consts"]] + carried + inputs[first_row:]
    _follow(params["jaxpr"].jaxpr, inputs, found, is_one_hot)
    return []
  inner = next(
    (params[key] for key in ("jaxpr", "call_jaxpr", "fun_jaxpr")
     if key in params), None
  )  # fmt: skip
  inner = getattr(inner, "jaxpr", inner)
  if inner is None or len(inner.invars) != len(inputs):
    return []
  is_one_hot = is_one_hot or params.get("name") == _ONE_HOT
  return _follow(inner, inputs, found, is_one_hot)


def describe(name: str, start: int, values: Any, limit: Limit) -> str | None:
  """Returns what is wrong with some values of a field, or None.

  >>> import numpy as np
  >>> describe("label", 0, np.array([0, 3]), Limit(0, 2, 3))
  "'label' is 3 in example 1, the index of an array with 3 entries"

  Args:
    name: of the field.
    start: the number of the first example.
    values: integers[examples, ...], NumPy.
    limit: of the field.
  """
  if values.size and limit.low <= values.min() <= values.max() <= limit.high:
    return None
  is_wrong = (values < limit.low) | (values > limit.high)
  for place in zip(*is_wrong.nonzero(), strict=True):
    return (
      f"{name!r} is {values[place]} in example {start + place[0]}, the index "
      f"of an array with {limit.size} entries"
    )
  return None
