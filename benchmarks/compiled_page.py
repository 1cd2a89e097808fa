"""Writes the table of compiled programs into a page.

    python -m benchmarks.compiled_page --json=docs/results/compiled.json
      --page=docs/results/compiled.md

The file is what `benchmarks.compiled` wrote for `--json`.
"""

import argparse
import pathlib
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks import compiled, measure
from structcomp_jax.report.text import markdown_table, replace_between_markers

# What else than the commit decides what a compiler does.
_FACTS = ("jax", "libtpu")


def main() -> int:
  """Writes the page; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--json", required=True)
  parser.add_argument("--page", required=True, type=pathlib.Path)
  arguments = parser.parse_args()
  programs = measure.programs(arguments.json)
  text = arguments.page.read_text()
  arguments.page.write_text(
    replace_between_markers(text, "compiled", tables(programs))
  )
  return 0


def tables(programs: Sequence[dict[str, Any]]) -> str:
  """Returns a table for every config, and who compiled what."""
  parts = []
  for config in _distinct(one["config"] for one in programs):
    some = [one for one in programs if one["config"] == config]
    name = config.removeprefix("configs/").replace(".py", "")
    parts += [f"### {name}", markdown_table(compiled.lines(some))]
  parts.append(f"Compiled by {_origin(programs)}.")
  return "\n\n".join(parts)


def _origin(programs: Sequence[dict[str, Any]]) -> str:
  return "; ".join(
    _distinct(
      f"commit {one['commit']}{' with changes' if one['changed'] else ''}, "
      + ", ".join(f"{name} {one[name]}" for name in _FACTS)
      for one in programs
    )
  )


def _distinct(texts: Iterable[str]) -> list[str]:
  return list(dict.fromkeys(texts))


if __name__ == "__main__":
  sys.exit(main())
