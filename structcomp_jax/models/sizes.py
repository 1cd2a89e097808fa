"""What the configs of all networks have in common.

A config is a frozen dataclass of sizes. It is hashable and made of JSON values.
"""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, TypeAlias

from structcomp_jax.types import UserError

# The type of a field that says which share of some values is set to zero.
Rate: TypeAlias = Annotated[float, "from 0 on, below 1"]


def check(config: Any, model: str) -> None:
  """Checks the numbers of a config; call it from `__post_init__`.

  Fields of type `Sequence[int]` become tuples: JSON turns tuples into lists,
  which cannot be hashed. Fields of type `str` and `bool` are not checked.

  Args:
    config: a frozen dataclass.
    model: name of the network, for the error.

  Raises:
    UserError: a number is not positive or not of its field's type, a `Rate`
      is not in [0, 1), or a sequence is empty.
  """
  for field in dataclasses.fields(config):
    value = getattr(config, field.name)
    if field.type == Sequence[int]:
      value = tuple(value)
      object.__setattr__(config, field.name, value)
      is_usable = bool(value) and all(_is_positive(one, int) for one in value)
      wanted = "positive integers"
    elif field.type is int:
      is_usable, wanted = _is_positive(value, int), "a positive integer"
    elif field.type is float:
      is_usable, wanted = _is_positive(value, float), "a positive number"
    elif field.type == Rate:
      is_usable = isinstance(value, int | float) and 0 <= value < 1
      wanted = "a number from 0 on, below 1"
    else:
      continue
    if not is_usable:
      raise UserError(
        f"{model} config: {field.name} is {value!r}; give {wanted}"
      )


def check_multiple(config: Any, model: str, whole: str, part: str) -> None:
  """Checks that one size is a multiple of another one.

  Args:
    config: a config whose numbers `check` has accepted.
    model: name of the network, for the error.
    whole: field that must be a multiple.
    part: field that must divide it.

  Raises:
    UserError: it is no multiple.
  """
  if getattr(config, whole) % getattr(config, part):
    raise UserError(
      f"{model} config: {whole} {getattr(config, whole)} is no multiple of "
      f"{part} {getattr(config, part)}; change one of them"
    )


def check_choice(
  config: Any, model: str, field: str, choices: Collection[str]
) -> None:
  """Checks that a field holds one of some names.

  Args:
    config: has the field.
    model: name of the network, for the error.
    field: its name.
    choices: what it may hold.

  Raises:
    UserError: it holds something else.
  """
  value = getattr(config, field)
  if value not in choices:
    raise UserError(
      f"{model} config: {field} {value!r} is not supported; use one of "
      f"{', '.join(choices)}"
    )


def from_hugging_face(
  fields: Mapping[str, Any],
  names: Mapping[str, str],
  *,
  optional: Collection[str],
  only_value: Mapping[str, Any],
  kind: str,
) -> dict[str, Any]:
  """Returns the sizes that a Hugging Face `config.json` gives.

  >>> from_hugging_face(
  ...   {"num_hidden_layers": 4, "vocab_size": 99},
  ...   {"num_hidden_layers": "num_layers", "layer_norm_eps": "epsilon"},
  ...   optional=("epsilon",),
  ...   only_value={"is_decoder": False},
  ...   kind="a plain encoder",
  ... )
  {'num_layers': 4}

  Args:
    fields: of the file.
    names: {their name: name of our field}.
    optional: our fields that the file may lack.
    only_value: {their name: value} of fields that change what a network
      computes, with the one value that is implemented. A file that lacks such
      a field means that value.
    kind: the network that is implemented, for the error.

  Raises:
    UserError: a size is missing, or the network is of another kind.
  """
  for name, only in only_value.items():
    value = fields.get(name, only)
    if value != only:
      raise UserError(
        f"config.json: {name} is {value!r}; only {only!r} is supported, take "
        f"the checkpoint of {kind}"
      )
  for theirs, ours in names.items():
    if theirs not in fields and ours not in optional:
      raise UserError(
        f"config.json has no {theirs!r}; take the config.json that belongs to "
        "the checkpoint"
      )
  return {
    ours: fields[theirs] for theirs, ours in names.items() if theirs in fields
  }


def _is_positive(value: Any, kind: type[int] | type[float]) -> bool:
  return isinstance(value, int | kind) and value > 0
