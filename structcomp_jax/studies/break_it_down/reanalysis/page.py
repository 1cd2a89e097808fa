"""The page of the reanalysis."""

import importlib.resources
import string
from collections.abc import Sequence

import pandas as pd

from structcomp_jax import __version__
from structcomp_jax.pipeline.tables import SETTINGS
from structcomp_jax.report import markup, pages
from structcomp_jax.report.markup import escape, number
from structcomp_jax.studies.break_it_down.findings.task_difference import (
  UNTRAINED_REGIME,
)
from structcomp_jax.studies.break_it_down.page import verdicts
from structcomp_jax.studies.break_it_down.reanalysis import (
  analysis_data,
  figures,
  published_tests,
  searches,
  wording,
)
from structcomp_jax.studies.break_it_down.reanalysis.judged import (
  Judged,
  in_words,
)
from structcomp_jax.studies.break_it_down.reanalysis.points.point import (
  Point,
  of,
)
from structcomp_jax.studies.break_it_down.reanalysis.published_data import (
  Published,
)
from structcomp_jax.studies.break_it_down.regimes import LABELS
from structcomp_jax.types import command

# Columns that are counts, not measurements.
_WHOLE = ("l0", "l0_min", "l0_max_kept", "l0_max")


def page(
  found: Published, points: Sequence[Point], judged: Sequence[Judged]
) -> str:
  """Returns the whole page as HTML."""
  template = importlib.resources.files(__package__) / "page.html"
  body = string.Template(template.read_text()).substitute(
    title=wording.TITLE,
    lead=lead(found),
    how_to_read="".join(f"<p>{text}</p>" for text in wording.HOW_TO_READ),
    changes_about=wording.CHANGES,
    changes=_changes(points),
    verdicts_about=wording.VERDICTS,
    verdicts=_verdicts(judged),
    tables_about=wording.TABLES.format(
      count=len(found.tables), released=len(analysis_data.RELEASED)
    ),
    figures=_groups(found.searches),
    heatmaps_about=wording.HEATMAPS,
    heatmaps=_heatmaps(found.searches),
    sizes_about=wording.SIZES,
    sizes=_sizes(found.searches),
    tests_about=wording.TESTS,
    tests=_tests(found.tests),
    reproduce=_reproduce(found),
  )
  return pages.framed(wording.TITLE, body)


def lead(found: Published) -> str:
  """Returns the first sentence of the page."""
  return wording.LEAD.format(
    searches=len(found.searches), evaluations=len(found.evaluations)
  )


def _changes(points: Sequence[Point]) -> str:
  rows = [
    (
      f"<b>{escape(point.label)}</b>",
      f"<b>{escape(point.title)}</b>",
      escape(point.done),
      escape(point.change) if point.is_judged else _untold(point),
    )
    for point in points
  ]
  header = ("point", "about", "what was done", "what it changes")
  folded = [
    markup.folded(
      f"Point {escape(point.label)}, {escape(point.title)}:"
      f" <code>points/{escape(name)}.csv</code>",
      frame_table(table),
    )
    for point in points
    for name, table in point.tables.items()
  ]
  return markup.table(header, rows, css_class="wrapped") + "\n".join(folded)


def _untold(point: Point) -> str:
  return f"{markup.DASH} {escape(point.change)}"


def frame_table(table: pd.DataFrame) -> str:
  """Returns a table of numbers as HTML, as its CSV file has it."""
  rows = [
    [_cell(value, str(name)) for name, value in row.items()]
    for _, row in table.iterrows()
  ]
  header = [escape(name) for name in table.columns]
  return markup.table(header, rows, css_class="small")


def _cell(value: object, column: str) -> str:
  if isinstance(value, float):
    if column in _WHOLE:
      return f"{value:,.0f}"
    if column in SETTINGS:
      return f"{value:g}"
    is_small = column.startswith("p_") and value < 1e-3
    return f"{value:.1e}" if is_small else number(value, 3)
  text = str(value)
  return escape(searches.short(text) if text.count("-") == 4 else text)


def _verdicts(judged: Sequence[Judged]) -> str:
  rows = [
    (
      f"{escape(one.verdict.network[0])}, {escape(one.verdict.network[1])}"
      f"<br><small>{escape(LABELS.name(one.verdict.network[2]))}</small>",
      published_support(one),
      verdicts.badge(one.verdict.label),
      escape(one.verdict.sentence)
      + f"<br><small>{escape('; '.join(one.verdict.notes))}</small>",
      escape(one.control),
    )
    for one in judged
  ]
  header = (
    "networks",
    "published",
    "verdict of the rules",
    "why",
    "settings of the<br>untrained networks",
  )
  return f"<p>{escape(in_words(judged))}</p>" + markup.table(
    header, rows, css_class="wrapped"
  )


def published_support(one: Judged) -> str:
  """Returns how many predictions the published tests support."""
  if not one.predicted:
    return markup.DASH
  return of(sum(one.predicted.values()), len(one.predicted))


def _groups(table: pd.DataFrame) -> str:
  parts = []
  family = ""
  for group, rows in searches.groups(table).items():
    if group[0] != family:
      family = group[0]
      parts.append(f"<h3>{escape(family)}</h3>")
    words = figures.words(group)
    caption = f"<b>{escape(words)}.</b>"
    if group in analysis_data.RELEASED:
      name = escape(searches.group_name(group))
      caption += f" <code>analysis_data/{name}.csv</code>"
    else:
      caption += " No table of these was released."
    parts.append(
      markup.figure(
        figures.group_figure(rows),
        caption,
        f"{family}, {words}: task differences and accuracies; numbers in"
        " analysis_data and in the tables of the points",
      )
    )
  return f"<p>{wording.GROUP_CAPTION}</p>" + "\n".join(parts)


def _heatmaps(table: pd.DataFrame) -> str:
  return "\n".join(
    markup.figure(
      figures.heatmap_figure(rows),
      f"<b>{escape(title)}.</b>",
      f"{title}: task difference of every search",
    )
    for title, rows in figures.published_heatmaps(table).items()
  )


def _sizes(table: pd.DataFrame) -> str:
  trained = table[table["regime"] != UNTRAINED_REGIME]
  if trained.empty:
    return "<p>The table holds no trained networks.</p>"
  return markup.figure(
    figures.sizes_figure(trained),
    "<b>Kept weights</b>; numbers in <code>points/kept_weights.csv</code>.",
    "Kept weights of every search, by experiment and first masked stage",
  )


def _tests(tests: pd.DataFrame) -> str:
  """Returns both differences of every model, and all tests on a click."""
  if tests.empty:
    return "<p>The table holds no group whose table was released.</p>"
  rows = []
  for (name, task, model), part in tests.groupby(
    ["table", "task", "model"], sort=False
  ):
    term = published_tests.INTERCEPT if model == "a" else published_tests.RANDOM
    of_term = part[part["term"] == term].set_index("coding")
    cells = [
      _test_cells(of_term.loc[coding])
      for coding in (published_tests.ABLATION, published_tests.SUBNETWORK)
    ]
    rows.append(
      (
        escape(name),
        escape(task),
        "mean (a)" if model == "a" else "untrained \u2212 trained (b)",
        *cells[0],
        *cells[1],
        str(part["num_clusters"].iloc[0]),
      )
    )
  header = ("table", "task", "", "D_sub", "error", "p", "D_abl", "error", "p")
  return markup.table((*header, "networks"), rows) + markup.folded(
    "Every test, with the refits and the linear hypotheses", _every_test(tests)
  )


def _test_cells(row: pd.Series) -> tuple[str, str, str]:
  return (
    number(row["estimate"], 3, sign=True),
    number(row["standard_error"], 3),
    markup.p_value(row["p"]),
  )


def _every_test(tests: pd.DataFrame) -> str:
  rows = [
    (
      *(escape(row[name]) for name in ("table", "task", "model", "coding")),
      escape(row["term"]),
      number(row["estimate"], 4, sign=True),
      number(row["standard_error"], 4),
      f"{row['kind']} = {_statistic(row['statistic'])}",
      markup.p_value(row["p"]),
    )
    for _, row in tests.iterrows()
  ]
  header = ("table", "task", "model", "1 for", "term", "estimate", "error")
  return markup.table((*header, "statistic", "p"), rows, css_class="small")


def _statistic(value: float) -> str:
  return number(value, 2) if abs(value) < 1e6 else f"{value:g}"


def _reproduce(found: Published) -> str:
  line = f"{command('reanalyse')} --results=FILE --out=DIR"
  rows = [
    ("result table", f"<code>{escape(found.path.name)}</code>"),
    ("its SHA-256", f"<code>{found.digest}</code>"),
    ("structcomp_jax", escape(__version__)),
  ]
  return markup.preformatted(line) + markup.table(("", ""), rows)
