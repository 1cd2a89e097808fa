"""The command `structcomp`: launch scripts and configs wherever they lie.

    structcomp VERB [--flags]

A checkout has them beside the package, `launch/` and `configs/`, and
`python -m launch.VERB` runs them. A wheel has them inside of the package; here
they get their names back, so that scripts and configs import each other as they
do in a checkout.
"""

import ast
import importlib
import pathlib
import runpy
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType

_USAGE = """usage: structcomp VERB [--flags]

{verbs}

`structcomp VERB --help` says more. --config takes a file, or the name of one
that comes with the package: {configs}.
A variant follows a colon: --config=language/sv_singular:small.
"""


def main() -> None:
  """Runs the script that the command line names."""
  launch, configs = _named("launch"), _named("configs")
  verb, *arguments = sys.argv[1:] or ["--help"]
  verbs = _verbs(launch)
  directory = pathlib.Path(configs.__path__[0])
  if verb in ("--help", "-h", "help"):
    print(_usage(verbs, directory))
    return
  if verb not in verbs:
    sys.exit(f"error: there is no verb {verb!r}; known: {', '.join(verbs)}")
  sys.argv[1:] = with_config_files(arguments, directory)
  runpy.run_module(f"launch.{verb}", run_name="__main__", alter_sys=True)


def with_config_files(
  arguments: Sequence[str], directory: pathlib.Path
) -> list[str]:
  """Returns a command line in which configs of the package are files.

  Args:
    arguments: flags; `--config=NAME[:variant]` may name a file in `directory`,
      with or without its folder's `.py`. A file that is there is left alone.
    directory: of the configs.
  """
  found, flag = [], "--config="
  for argument in arguments:
    name, colon, variant = argument.removeprefix(flag).partition(":")
    if argument.startswith(flag) and not pathlib.Path(name).is_file():
      inside = directory / name.removeprefix("configs/")
      file = inside.with_suffix(".py")
      if file.is_file():
        argument = f"{flag}{file}{colon}{variant}"
    found.append(argument)
  return found


def _named(name: str) -> ModuleType:
  """Returns a package of this one, which can be imported by its own name now.

  Also where another one of that name lies in the current directory.
  """
  package = importlib.import_module(f"structcomp_jax.{name}")
  sys.modules[name] = package
  return package


def _verbs(launch: ModuleType) -> dict[str, str]:
  """Returns {verb: the first line that its script says about itself}."""
  verbs = {}
  for file in sorted(pathlib.Path(launch.__path__[0]).glob("[!_]*.py")):
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    verbs[file.stem] = (text or "").partition("\n")[0]
  return verbs


def _usage(verbs: Mapping[str, str], directory: pathlib.Path) -> str:
  names = (
    str(file.relative_to(directory).with_suffix(""))
    for file in sorted(directory.rglob("[!_]*.py"))
    if "common" not in file.parts
  )
  lines = "\n".join(f"  {verb:14}{what}" for verb, what in verbs.items())
  return _USAGE.format(verbs=lines, configs=", ".join(names))
