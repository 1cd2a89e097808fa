"""Reads the published results again and writes all that follows."""

import pathlib

import pandas as pd

from structcomp_jax.io import files
from structcomp_jax.report import pages
from structcomp_jax.studies.break_it_down.reanalysis import (
  analysis_data,
  judged,
  markdown,
  page,
  published_data,
)
from structcomp_jax.studies.break_it_down.reanalysis.points import every


def reanalyse(
  results: str | pathlib.Path,
  out: str | pathlib.Path,
  markdown_file: str | pathlib.Path | None = None,
) -> None:
  """Writes the page, its verdicts, tables and tests; says where they lie.

  Args:
    results: the result table of the release; see `release.read`.
    out: a directory; gets index.html, verdicts.json, statistics.csv,
      analysis_data/ and points/.
    markdown_file: gets the main numbers, where it is given.

  Raises:
    UserError: the table cannot be used, or a file cannot be written.
  """
  out = pathlib.Path(out)
  found = published_data.load(results)
  points = every.every(found)
  verdicts = judged.judge(found)
  analysis_data.write(found.tables, out / "analysis_data")
  _write_table(found.tests, out / "statistics.csv")
  for point in points:
    for name, table in point.tables.items():
      _write_table(table, out / "points" / f"{name}.csv")
  records = judged.as_records(verdicts)
  path = pages.save(out, page.page(found, points, verdicts), records)
  if markdown_file:
    files.write_atomic(markdown_file, markdown.text(found, points, verdicts))
  for point in points:
    print(f"{point.label} {point.title}: {point.change}")
  print(f"report: {path.resolve()}")


def _write_table(table: pd.DataFrame, path: pathlib.Path) -> None:
  files.write_atomic(path, table.to_csv(index=False, lineterminator="\n"))
