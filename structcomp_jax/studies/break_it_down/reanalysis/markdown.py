"""The main numbers of the reanalysis as a page of the documentation."""

from collections.abc import Sequence

from structcomp_jax.report import markup
from structcomp_jax.report.text import markdown_table
from structcomp_jax.studies.break_it_down.reanalysis import page
from structcomp_jax.studies.break_it_down.reanalysis.judged import (
  Judged,
  in_words,
)
from structcomp_jax.studies.break_it_down.reanalysis.points.point import Point
from structcomp_jax.studies.break_it_down.reanalysis.published_data import (
  Published,
)

_PAGE = """\
# The published results of "Break It Down", read again

Written by `python -m launch.reanalyse --results=FILE --out=DIR --markdown=FILE`
from a table of the public result files of Lepori et al. 2023: {num_searches}
mask searches, {num_evaluations} evaluations (SHA-256 of the table: `{digest}`).
DIR then has a page with every published figure and every published test, the
released tables of task differences, and the numbers behind each sentence below.

D_sub is D of the subnetwork, D_abl of the network without it; modular parts
give D_sub > 0 and D_abl < 0.

## What changes

{points}

## Verdicts

`published`: how many of the four predictions (D_sub > 0 and D_abl < 0, both
subroutines) the published tests support with p < 0.05; a dash where no table
was released. In language one test covers both experiments of a task.
`verdict`: the rules of [this library](../design/verdict.md) on the same
searches, with untrained networks told apart by seed; their other control,
random masks of the same size, was not published.

{counts}

{verdicts}

## The published tests

Mean D of every released table with the published error (clustered by base
network) and p (normal), beside p and the 95 % interval of a t distribution.

{means}
"""


def text(
  found: Published, points: Sequence[Point], judged: Sequence[Judged]
) -> str:
  """Returns the page as Markdown."""
  return _PAGE.format(
    digest=found.digest,
    num_searches=len(found.searches),
    num_evaluations=len(found.evaluations),
    points=_points(points),
    counts=in_words(judged),
    verdicts=_verdicts(judged),
    means=_means(points),
  )


def _points(points: Sequence[Point]) -> str:
  lines = [("point", "about", "what was done", "what it changes")]
  lines += [
    (point.label, point.title, point.done, point.change) for point in points
  ]
  return markdown_table(lines)


def _verdicts(judged: Sequence[Judged]) -> str:
  lines = [("experiment", "model", "regime", "published", "verdict", "why")]
  lines += [
    (
      *one.verdict.network,
      page.published_support(one),
      one.verdict.label,
      one.verdict.sentence,
    )
    for one in judged
  ]
  return markdown_table(lines)


def _means(points: Sequence[Point]) -> str:
  (means,) = [
    point.tables["t_means"] for point in points if "t_means" in point.tables
  ]
  header = ("table", "task", "", "mean", "error", "p", "p (t)", "95 % interval")
  lines: list[tuple[str, ...]] = [(*header, "networks")]
  lines += [
    (
      row["table"],
      row["task"],
      row["difference"],
      markup.number(row["estimate"], sign=True),
      markup.number(row["standard_error"], 3),
      markup.p_value(row["p_normal"]),
      markup.p_value(row["p_t"]),
      " … ".join(markup.number(row[end], sign=True) for end in ("low", "high")),
      str(row["num_networks"]),
    )
    for _, row in means.iterrows()
  ]
  return markdown_table(lines)
