"""One self-contained HTML page from work directories."""

import importlib.resources
import pathlib
import string
from collections.abc import Mapping, Sequence
from typing import Any

from structcomp_jax.report import pages
from structcomp_jax.report import verdicts as verdict_files
from structcomp_jax.studies.break_it_down.experiments import DESCRIPTIONS
from structcomp_jax.studies.break_it_down.findings import conclude
from structcomp_jax.studies.break_it_down.findings.conclude import Findings
from structcomp_jax.studies.break_it_down.findings.task_difference import (
  BASE_THRESHOLD,
)
from structcomp_jax.studies.break_it_down.findings.verdict import RULES
from structcomp_jax.studies.break_it_down.page import (
  cuts,
  methods,
  sections,
  tables,
  verdicts,
  wording,
)


def build(
  workdirs: Sequence[str | pathlib.Path],
  out: str | pathlib.Path,
  *,
  base_threshold: float = BASE_THRESHOLD,
) -> dict[str, Any]:
  """Writes the page, and its verdicts for programs.

  Args:
    workdirs: work directories with at least `results.csv` and `config.json`.
    out: the HTML file, or a directory; see `report.pages.save`.
    base_threshold: base networks below this test accuracy have failed.

  Returns:
    JSON values: `path` of the page, `verdicts` (the content of their file) and
    `text`, the table for a terminal.

  Raises:
    UserError: an input is missing or torn, or the page cannot be written.
  """
  found = conclude.load(workdirs, base_threshold=base_threshold)
  records = conclude.as_records(found)
  made = methods.tables_of(found)
  files = methods.files(found, made, verdict_files.to_json(records))
  text = page(found, files, base_threshold=base_threshold)
  path = pages.save(out, text, records, made)
  return {
    "path": str(path),
    "verdicts": records,
    "text": tables.verdict_table(found),
  }


def write(
  workdirs: Sequence[str | pathlib.Path],
  out: str | pathlib.Path,
  *,
  base_threshold: float = BASE_THRESHOLD,
) -> None:
  """Builds the page; prints the verdicts and where it lies."""
  summary = build(workdirs, out, base_threshold=base_threshold)
  print(summary["text"])
  print(f"report: {pathlib.Path(summary['path']).resolve()}")


def page(
  found: Sequence[Findings],
  files: Mapping[str, bytes],
  *,
  base_threshold: float,
) -> str:
  """Returns the whole page as HTML.

  Args:
    found: what it is about.
    files: {name: content} of what a reader can save.
    base_threshold: base networks below this test accuracy have failed.
  """
  template = importlib.resources.files(__package__) / "page.html"
  answers = [(one.evidence, answer) for one in found for answer in one.verdicts]
  cards = [
    verdicts.verdict_card(evidence.title, answer, fold=len(answers) > 2)
    for evidence, answer in answers
  ]
  cut_cards = [card for one in found for card in cuts.answers(one)]
  body = string.Template(template.read_text()).substitute(
    question=wording.QUESTION.format(items=_items(found)),
    verdicts="\n".join([verdicts.verdict_overview(found), *cut_cards, *cards]),
    rules="".join(f"<li>{rule}</li>" for rule in RULES),
    threshold=f"{base_threshold:g}",
    how_to_read="".join(f"<p>{text}</p>" for text in wording.HOW_TO_READ),
    networks="\n".join(sections.network_section(one) for one in found),
    back_matter=pages.back_matter(
      methods.section(found),
      files,
      [one for each in found for one in each.evidence.workdirs],
    ),
  )
  return pages.framed("Is the network made of parts?", body)


def _items(found: Sequence[Findings]) -> str:
  """Returns what the problems of the page consist of."""
  names = {one.evidence.experiment for one in found} & set(DESCRIPTIONS)
  items = {DESCRIPTIONS[name].items for name in names}
  return " or ".join(sorted(items)) or "items"
