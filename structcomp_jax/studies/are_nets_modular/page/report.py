"""One self-contained HTML page from work directories."""

import importlib.resources
import pathlib
import string
from collections.abc import Mapping, Sequence
from typing import Any

from structcomp_jax.report import pages
from structcomp_jax.report import verdicts as verdict_files
from structcomp_jax.studies.are_nets_modular.findings import conclude
from structcomp_jax.studies.are_nets_modular.findings.conclude import Findings
from structcomp_jax.studies.are_nets_modular.page import (
  methods,
  sections,
  verdicts,
  wording,
)


def build(
  workdirs: Sequence[str | pathlib.Path], out: str | pathlib.Path
) -> dict[str, Any]:
  """Writes the page, and its verdicts for programs.

  Args:
    workdirs: work directories with at least `results.csv` and `config.json`.
    out: the HTML file, or a directory; see `report.pages.save`.

  Returns:
    JSON values: `path` of the page, `verdicts` (the content of their file) and
    `text`, the verdicts for a terminal.

  Raises:
    UserError: an input is missing or torn, or the page cannot be written.
  """
  found = conclude.load(workdirs)
  records = conclude.as_records(found)
  files = methods.files(found, verdict_files.to_json(records))
  path = pages.save(out, page(found, files), records)
  return {
    "path": str(path),
    "verdicts": records,
    "text": verdicts.as_text(found),
  }


def write(
  workdirs: Sequence[str | pathlib.Path], out: str | pathlib.Path
) -> None:
  """Builds the page; prints the verdicts and where it lies."""
  summary = build(workdirs, out)
  print(summary["text"])
  print(f"report: {pathlib.Path(summary['path']).resolve()}")


def page(found: Sequence[Findings], files: Mapping[str, bytes]) -> str:
  """Returns the whole page as HTML.

  Args:
    found: what it is about.
    files: {name: content} of what a reader can save.
  """
  template = importlib.resources.files(__package__) / "page.html"
  body = string.Template(template.read_text()).substitute(
    done=" ".join(wording.DONE),
    overview=verdicts.overview(found),
    cards="\n".join(
      verdicts.card(one.evidence.title, answer)
      for one in found
      for answer in one.verdicts
    ),
    rules="".join(f"<li>{rule}</li>" for rule in _rules(found)),
    sections="\n".join(sections.section(one) for one in found),
    back_matter=pages.back_matter(
      methods.section(found), files, [one.evidence.workdir for one in found]
    ),
  )
  return pages.framed("Are neural nets modular?", body)


def _rules(found: Sequence[Findings]) -> list[str]:
  """Returns the rules of the kinds of experiments on the page."""
  kinds = dict.fromkeys(conclude.kind(one.evidence) for one in found)
  return [rule for kind in kinds for rule in conclude.RULES[kind]]
