"""Opens the work directory of one experiment: its config and its lock."""

import contextlib
import json
import math
import os
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from structcomp_jax.io import files, hosts
from structcomp_jax.io.lock import LOCK, hold_lock
from structcomp_jax.types import UserError

CONFIG = "config.json"
_ABSENT = object()
_SECONDS_TO_APPEAR = 20


@contextlib.contextmanager
def open_workdir(
  path: str | os.PathLike[str],
  config: Mapping[str, Any],
  *,
  launched_as: str,
  ignore: Sequence[str] = ("runtime",),
  may_grow: Sequence[str] = (),
) -> Iterator[Path]:
  """Creates or reopens a work directory and holds its lock.

  Args:
    path: the directory; created with its parents if missing.
    config: the resolved config, JSON values only.
    launched_as: the command of this process. It is part of the message that
      another process gets.
    ignore: dotted prefixes of fields that may differ from the stored config,
      because they do not change a result.
    may_grow: dotted names of lists that may have more elements than the stored
      ones: work that is there stays, and the config is stored anew.

  Yields:
    The directory.

  Raises:
    UserError: the directory cannot be used, belongs to something else or holds
      another config, or another process works in it.
  """
  path = Path(path)
  config = json_config(config)
  _create(path)
  with hold_lock(path, launched_as=launched_as):
    _store_or_compare(path, config, ignore, may_grow)
    yield path


def check_shared(
  path: str | os.PathLike[str], config: Mapping[str, Any]
) -> None:
  """Checks that all processes have one config and see one work directory.

  Args:
    path: the work directory, which all hosts must see.
    config: the resolved config.

  Raises:
    UserError: some process has another config, or does not see the directory.
  """
  if hosts.is_alone():
    return
  config = json_config(config)
  hosts.check_all(
    config == hosts.agree(config),
    "has another --config than process 0; give all the same command",
  )
  token = Path(path) / hosts.agree(f".{secrets.token_hex(8)}.tmp")
  files.write_atomic(token, "")
  try:
    hosts.check_all(
      _appears(token),
      f"does not see what process 0 writes to {path}; put the work directory "
      "on a file system that all hosts share",
    )
  finally:
    files.remove(token)


def json_config(config: Mapping[str, Any]) -> dict[str, Any]:
  """Returns `config` as it reads back from JSON: tuples become lists.

  Raises:
    UserError: a value, named by its dotted field, is neither a JSON value nor
      a finite number.
  """
  if not isinstance(config, Mapping):
    raise TypeError(f"expected a dict, got {type(config).__name__}")
  return _json_value(config, "")


def config_differences(
  a: Mapping[str, Any], b: Mapping[str, Any], ignore: Sequence[str] = ()
) -> list[str]:
  """Returns the sorted dotted names of the fields in which configs differ.

  Args:
    a: a config; nested dicts are fields, lists are values.
    b: another config.
    ignore: dotted prefixes of fields to leave out.

  >>> config_differences({"mask": {"beta": 1}}, {"mask": {"beta": 2}})
  ['mask.beta']
  """
  a, b = _fields(json_config(a)), _fields(json_config(b))
  return [
    name
    for name in sorted(a.keys() | b.keys())
    if a.get(name, _ABSENT) != b.get(name, _ABSENT)
    and not any(f"{name}.".startswith(f"{prefix}.") for prefix in ignore)
  ]


def _appears(path: Path) -> bool:
  """Returns whether a file appears in time: some file systems show it late."""
  deadline = time.monotonic() + _SECONDS_TO_APPEAR
  while not path.exists():
    if time.monotonic() > deadline:
      return False
    time.sleep(0.2)
  return True


def _json_value(value: Any, field: str) -> Any:
  if isinstance(value, Mapping):
    for key in value:
      if not isinstance(key, str):
        raise UserError(
          f"config field {field or '(top)'} has the key {key!r}; "
          "use text as keys"
        )
    return {
      key: _json_value(item, f"{field}.{key}" if field else key)
      for key, item in value.items()
    }
  if isinstance(value, (list, tuple)):
    return [_json_value(item, f"{field}[{i}]") for i, item in enumerate(value)]
  if isinstance(value, float) and not math.isfinite(value):
    raise UserError(f"config field {field} is {value}; use a finite number")
  if value is None or isinstance(value, (str, bool, int, float)):
    return value
  raise UserError(
    f"config field {field} is a {type(value).__name__}; use text, a number, "
    "true, false, a list or a dict"
  )


def _fields(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
  """Returns {dotted name: value}; an empty dict is a value."""
  flat = {}
  for key, value in config.items():
    if isinstance(value, dict) and value:
      flat.update(_fields(value, f"{prefix}{key}."))
    else:
      flat[f"{prefix}{key}"] = value
  return flat


def _create(path: Path) -> None:
  try:
    path.mkdir(parents=True, exist_ok=True)
    entries = os.listdir(path)
  except OSError as error:
    raise files.storage_error(path, error) from error
  foreign = {name for name in entries if not files.is_temporary(name)} - {LOCK}
  if foreign and CONFIG not in foreign:
    raise UserError(
      f"{path} holds files ({min(foreign)}, ...) but no {CONFIG}, so it is "
      "somebody else's directory; choose a new or an empty one"
    )


def _store_or_compare(
  path: Path,
  config: dict[str, Any],
  ignore: Sequence[str],
  may_grow: Sequence[str],
) -> None:
  file = path / CONFIG
  if not file.exists():
    _write_config(file, config)
    return
  stored = _read_config(file)
  names = config_differences(stored, config, ignore)
  refused = [
    name
    for name in names
    if name not in may_grow or not _has_grown(name, stored, config)
  ]
  if refused:
    raise UserError(
      f"{file} has another config: {_describe(refused, stored, config)}; "
      "set these fields as stored, or choose another work directory"
    )
  if names:
    _write_config(file, config)


def _has_grown(
  name: str, stored: Mapping[str, Any], config: Mapping[str, Any]
) -> bool:
  """Returns whether a list has all that it had, and more."""
  before, now = (_fields(one).get(name) for one in (stored, config))
  if not (isinstance(before, list) and isinstance(now, list)):
    return False
  return all(value in now for value in before)


def _write_config(file: Path, config: dict[str, Any]) -> None:
  text = json.dumps(config, indent=2, sort_keys=True, allow_nan=False)
  files.write_atomic(file, text + "\n")


def _read_config(file: Path) -> dict[str, Any]:
  try:
    return json_config(json.loads(file.read_text(encoding="utf-8")))
  except OSError as error:
    raise UserError(
      f"cannot read {file}: {error.strerror}; make it readable or choose "
      "another work directory"
    ) from error
  except (ValueError, TypeError, UserError) as error:
    raise UserError(
      f"{file} is torn or not a config; restore it from a copy, or choose "
      "another work directory"
    ) from error


def _describe(
  names: Sequence[str], stored: Mapping[str, Any], config: Mapping[str, Any]
) -> str:
  old, new = _fields(stored), _fields(config)

  def text(fields: dict[str, Any], name: str) -> str:
    return json.dumps(fields[name]) if name in fields else "absent"

  return ", ".join(
    f"{name} is {text(old, name)} there and {text(new, name)} now"
    for name in names
  )
