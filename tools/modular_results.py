"""Writes the results of "Are Neural Nets Modular?" into README and docs.

    python -m tools.modular_results --workdirs=DIR1,DIR2

From finished work directories come the parts of docs/results/
are_nets_modular.md that stand between two comments of one name:

- arithmetic (and SCAN), class_removal, stability, transfer, mathematics. Parts
  of which no work directory is given stay as they are.
- notes are written by hand.

With arithmetic, README.md gets a small table between the two comments
`modular`.
"""

import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from structcomp_jax.io import files
from structcomp_jax.pipeline import tables as pipeline_tables
from structcomp_jax.report import workdir
from structcomp_jax.report.text import replace_between_markers
from structcomp_jax.studies.are_nets_modular import images, transfer_study
from structcomp_jax.studies.are_nets_modular.columns import SHARES
from structcomp_jax.studies.are_nets_modular.findings import (
  conclude,
  transfer_sharing,
)
from structcomp_jax.studies.are_nets_modular.findings.conclude import Findings
from tools import modular_tables
from tools.readme import origin_lines, read, run

PAGE = "docs/results/are_nets_modular.md"
_ARITHMETIC = "arithmetic"
# {`conclude.kind`: the part of the page}
_PARTS = {
  "arithmetic": _ARITHMETIC,
  "scan": _ARITHMETIC,
  images.REMOVE_CLASS: "class_removal",
  images.CLASS_PAIR: "stability",
  "mathematics": "mathematics",
}
_ORIGIN = "Where the numbers come from"


def main() -> None:
  """Writes both files; exit status 1 where that cannot be done."""
  run(update, __doc__.splitlines()[0])


def update(workdirs: Sequence[str | pathlib.Path], root: pathlib.Path) -> None:
  """Writes the parts of the page, and README, that work directories are of.

  Raises:
    UserError: a work directory cannot be read, or a file has no place for what
      belongs in it.
  """
  is_chain = {
    path: workdir.read_experiment(path) in transfer_study.EXPERIMENTS
    for path in workdirs
  }
  masked = [path for path in workdirs if not is_chain[path]]
  parts: dict[str, list[Findings]] = {}
  for one in conclude.load(masked) if masked else ():
    part = _PARTS[conclude.kind(one.evidence)]
    parts.setdefault(part, []).append(one)
  texts = {part: _WRITERS[part](found) for part, found in parts.items()}
  chains = [_read_chain(path) for path in workdirs if is_chain[path]]
  if chains:
    texts["transfer"] = transfer(chains)

  readme, page = root / "README.md", root / PAGE
  new = {page: read(page)}
  for part, text in texts.items():
    new[page] = replace_between_markers(new[page], part, text)
  if _ARITHMETIC in parts:
    small = modular_tables.short_answers(
      modular_tables.judged(parts[_ARITHMETIC])
    )
    new[readme] = replace_between_markers(read(readme), "modular", small)
  for path, text in new.items():
    files.write_atomic(path, text)


def _read_chain(path: str | pathlib.Path) -> transfer_sharing.Findings:
  schemas = {"results": pipeline_tables.results_schema(), "shares": SHARES}
  return transfer_sharing.conclude(workdir.read(path, schemas))


def arithmetic(found: Sequence[Findings]) -> str:
  """Returns the part about arithmetic and SCAN, and about mathematics."""
  return _titled(
    {
      "Answers": modular_tables.answers(modular_tables.judged(found)),
      "Accuracy": modular_tables.accuracy(found),
      "Weights that are kept": modular_tables.kept(found),
      "What masks share": modular_tables.shared(found),
      _ORIGIN: origin_lines([one.evidence.workdir for one in found]),
    }
  )


def class_removal(found: Sequence[Findings]) -> str:
  """Returns the part about masks that learned without a class."""
  verdicts = modular_tables.judged(found)
  return _titled(
    {
      "Answers": modular_tables.answers(verdicts),
      "Beside the noise floors": modular_tables.intervals(verdicts),
      "Drops": modular_tables.drops(found),
      "What pictures of the removed class are taken for": (
        modular_tables.confusions(found)
      ),
      "Statistics of batch norms": modular_tables.statistics(found),
      "Cosine of gradients": modular_tables.gradients(found),
      _ORIGIN: origin_lines([one.evidence.workdir for one in found]),
    }
  )


def stability(found: Sequence[Findings]) -> str:
  """Returns the part about two masks of the same classes."""
  verdicts = modular_tables.judged(found)
  return _titled(
    {
      "Answers": modular_tables.answers(verdicts),
      "Beside the noise floors": modular_tables.intervals(verdicts),
      "IoU": modular_tables.stable(found),
      _ORIGIN: origin_lines([one.evidence.workdir for one in found]),
    }
  )


def transfer(found: Sequence[transfer_sharing.Findings]) -> str:
  """Returns the part about permuted pictures."""
  verdicts = modular_tables.judged_chains(found)
  return _titled(
    {
      "Answers": modular_tables.answers(verdicts),
      "Beside the noise floors": modular_tables.intervals(verdicts),
      "All layers": modular_tables.chains(found),
      "Layer by layer": modular_tables.layers(found),
      _ORIGIN: origin_lines([one.workdir for one in found]),
    }
  )


# {part of the page: what writes it}
_WRITERS: Mapping[str, Callable[[Sequence[Any]], str]] = {
  _ARITHMETIC: arithmetic,
  "class_removal": class_removal,
  "stability": stability,
  "mathematics": arithmetic,
}


def _titled(tables: Mapping[str, str]) -> str:
  """Returns the tables that are not empty, each below its title."""
  return "\n\n".join(
    f"### {title}\n\n{table}" for title, table in tables.items() if table
  )


if __name__ == "__main__":
  main()
