"""What `gcloud` understands of a command line, as its reference says.

Of the commands that `launch/tpu_vm.sh` gives, all flags that the reference
lists (read at https://docs.cloud.google.com/sdk/gcloud/reference/..., each
command's synopsis; the pages are named in `COMMANDS`).
"""

import dataclasses
from collections.abc import Sequence

_ROOT = "https://docs.cloud.google.com/sdk/gcloud/reference"
# GCLOUD WIDE FLAGS, {name: whether it has a value}; page: _ROOT itself.
_EVERYWHERE = {
  **dict.fromkeys(
    (
      "access-token-file", "account", "billing-project", "configuration",
      "flags-file", "flatten", "format", "impersonate-service-account",
      "project", "trace-token", "verbosity",
    ),
    True,
  ),
  **dict.fromkeys(
    ("help", "log-http", "quiet", "user-output-enabled"), False
  ),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Command:
  """One command.

  Attributes:
    positional: the least and the most arguments that are no flags.
    values: flags with a value.
    switches: flags without one.
    required: of each group, one has to be given.
    exclusive: of each group, at most one may be given.
  """

  positional: tuple[int, int]
  values: frozenset[str]
  switches: frozenset[str]
  required: tuple[frozenset[str], ...] = ()
  exclusive: tuple[frozenset[str], ...] = ()


def _names(text: str) -> frozenset[str]:
  return frozenset(text.split())


_SSH_VALUES = (
  "ssh-key-file strict-host-key-checking worker zone ssh-key-expiration"
  " ssh-key-expire-after"
)
_SSH_SWITCHES = "dry-run force-key-file-overwrite internal-ip plain"
_EXPIRY = _names("ssh-key-expiration ssh-key-expire-after")
_ACCELERATOR = _names("accelerator-type topology")
_NODE = _names("node-id node-count")
# {words after `gcloud`: what may follow}; page: _ROOT/<the words>.
COMMANDS = {
  "compute tpus queued-resources create": Command(
    positional=(1, 1),
    values=_names(
      "zone runtime-version accelerator-type topology type node-id node-count"
      " node-prefix boot-disk data-disk description labels metadata"
      " metadata-from-file network range scopes service-account subnetwork"
      " tags valid-after-duration valid-after-time valid-until-duration"
      " valid-until-time reservation-host-folder reservation-host-organization"
      " reservation-host-project"
    ),
    switches=_names(
      "async guaranteed internal-ips reserved shielded-secure-boot spot"
    ),
    required=(_names("zone"), _names("runtime-version"), _ACCELERATOR, _NODE),
    exclusive=(_ACCELERATOR, _NODE),
  ),
  "compute tpus queued-resources describe": Command(
    positional=(1, 1),
    values=_names("zone"),
    switches=frozenset(),
    required=(_names("zone"),),
  ),
  "compute tpus queued-resources delete": Command(
    positional=(1, 1),
    values=_names("zone"),
    switches=_names("async force"),
    required=(_names("zone"),),
  ),
  "compute tpus tpu-vm ssh": Command(
    positional=(1, 1),
    values=_names(f"{_SSH_VALUES} ssh-flag command output-directory"),
    switches=_names(_SSH_SWITCHES),
    exclusive=(_EXPIRY,),
  ),
  "compute tpus tpu-vm scp": Command(
    positional=(2, 1000),
    values=_names(f"{_SSH_VALUES} scp-flag"),
    switches=_names(f"{_SSH_SWITCHES} compress recurse"),
    exclusive=(_EXPIRY,),
  ),
}


def page(words: str) -> str:
  """Returns the address of the reference of a command."""
  return f"{_ROOT}/{words.replace(' ', '/')}"


def parse(arguments: Sequence[str]) -> tuple[str, dict[str, str]]:
  """Returns the words of a command, and its flags; what has no value has "".

  Args:
    arguments: those of `gcloud`.

  Raises:
    ValueError: the reference knows no such command line.
  """
  words = next(
    (w for w in COMMANDS if list(arguments[: len(w.split())]) == w.split()),
    None,
  )
  if words is None:
    raise ValueError(f"no such command: {' '.join(arguments[:4])}")
  command, flags, positional = COMMANDS[words], {}, 0
  rest = iter(arguments[len(words.split()) :])
  for argument in rest:
    if not argument.startswith("--"):
      positional += 1
      continue
    name, has_value, value = argument[2:].partition("=")
    wants_value = name in command.values or _EVERYWHERE.get(name, False)
    if not wants_value and name not in command.switches | set(_EVERYWHERE):
      raise ValueError(f"{page(words)} has no --{name}")
    if wants_value and not has_value:
      value = next(rest, None)
      if value is None or value.startswith("--"):
        raise ValueError(f"--{name} lacks its value")
    if has_value and not wants_value:
      raise ValueError(f"--{name} has no value")
    if name in flags:
      raise ValueError(f"--{name} is given twice")
    flags[name] = value
  least, most = command.positional
  if not least <= positional <= most:
    raise ValueError(f"{words} with {positional} arguments")
  for group in command.required:
    if not group & set(flags):
      raise ValueError(f"{words} lacks {' or '.join(sorted(group))}")
  for group in command.exclusive:
    if len(group & set(flags)) > 1:
      raise ValueError(f"{words} has several of {sorted(group)}")
  return words, flags
