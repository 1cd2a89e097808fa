"""One self-contained HTML page from work directories."""

import importlib.resources
import json
import pathlib
import string
from collections.abc import Sequence
from typing import Any

from structcomp_jax.io import files
from structcomp_jax.report import markup, workdir
from structcomp_jax.report.markup import escape
from structcomp_jax.studies.break_it_down.columns import SCHEMAS
from structcomp_jax.studies.break_it_down.findings import collect
from structcomp_jax.studies.break_it_down.findings.collect import Network
from structcomp_jax.studies.break_it_down.findings.task_difference import (
  BASE_THRESHOLD,
  usable,
)
from structcomp_jax.studies.break_it_down.findings.verdict import RULES
from structcomp_jax.studies.break_it_down.page import (
  figures,
  overview,
  sections,
  tables,
  wording,
)
from structcomp_jax.types import UserError


def build(
  workdirs: Sequence[str | pathlib.Path],
  out: str | pathlib.Path,
  *,
  base_threshold: float = BASE_THRESHOLD,
) -> dict[str, Any]:
  """Writes the report.

  Args:
    workdirs: work directories with at least `results.csv` and `config.json`.
    out: the HTML file, or a directory that gets `index.html`.
    base_threshold: base networks below this test accuracy have failed.

  Returns:
    JSON values: `path` of the page, `verdicts` (a list of experiment, model,
    regime, label, sentence, notes) and `text`, the table for a terminal.

  Raises:
    UserError: an input is missing or torn, or the page cannot be written.
  """
  networks = load(workdirs, base_threshold=base_threshold)
  path = pathlib.Path(out)
  if path.suffix != ".html":
    path = path / "index.html"
  files.write_atomic(path, page(networks, base_threshold=base_threshold))
  return {
    "path": str(path),
    "verdicts": [
      {
        **dict(
          zip(("experiment", "model", "regime"), one.network, strict=True)
        ),
        "label": one.label,
        "sentence": one.sentence,
        "notes": list(one.notes),
      }
      for network in networks
      for one in tables.network_verdicts(network)
    ],
    "text": tables.verdict_table(networks),
  }


def load(
  workdirs: Sequence[str | pathlib.Path],
  *,
  base_threshold: float = BASE_THRESHOLD,
) -> list[Network]:
  """Reads work directories for `page`, `verdict_table`, `readme_table`."""
  read = [workdir.read(path, SCHEMAS) for path in workdirs]
  return collect.networks(read, base_threshold=base_threshold)


def verdict_table(workdirs: Sequence[str | pathlib.Path]) -> str:
  """Returns the verdicts as text for a terminal."""
  return tables.verdict_table(load(workdirs))


def readme_results(workdirs: Sequence[str | pathlib.Path]) -> str:
  """Returns Markdown: ours beside the published numbers, and their origin."""
  read = [workdir.read(path, SCHEMAS) for path in workdirs]
  table = tables.readme_table(
    collect.networks(read, base_threshold=BASE_THRESHOLD)
  )
  grid = tables.grid_table(read)
  title = "D_abl at equal settings, on validation problems, one mask a network:"
  grid = f"{title}\n\n{grid}\n" if grid else ""
  return f"{table}\n{grid}{tables.origin_lines(read)}"


def write_overview(
  workdir: str | pathlib.Path,
  out: str | pathlib.Path,
  *,
  subroutine: str = "",
) -> None:
  """Writes the figure that explains the method with a run's numbers.

  Args:
    workdir: a work directory; its first trained regime is shown.
    out: `.svg` or `.png` file.
    subroutine: whose masks to show; the first by default.

  Raises:
    UserError: no base network of a trained regime works, there is no such
      subroutine, or the file cannot be written.
  """
  (network,) = load([workdir])
  rows = usable(network.differences)
  rows = rows[rows["regime"].isin(network.trained_regimes()[:1])]
  names = sorted(rows["subroutine"].unique())
  if not names or (subroutine and subroutine not in names):
    raise UserError(
      f"{workdir} has no usable masks for {subroutine or 'any subroutine'};"
      f" choose one of: {', '.join(names) or 'none, train longer'}"
    )
  drawing = overview.overview_figure(rows, subroutine or names[0])
  out = pathlib.Path(out)
  content = (
    figures.svg(drawing) if out.suffix == ".svg" else figures.png(drawing)
  )
  files.write_atomic(out, content)


def page(networks: Sequence[Network], *, base_threshold: float) -> str:
  """Returns the whole page as HTML."""
  template = importlib.resources.files(__package__) / "page.html"
  items = {
    wording.EXPERIMENTS[network.experiment][0]
    for network in networks
    if network.experiment in wording.EXPERIMENTS
  }
  answers = [
    (network, one)
    for network in networks
    for one in tables.network_verdicts(network)
  ]
  cards = [
    sections.verdict_card(network, one, fold=len(answers) > 2)
    for network, one in answers
  ]
  return string.Template(template.read_text()).substitute(
    question=wording.QUESTION.format(
      items=" or ".join(sorted(items)) or "items"
    ),
    verdicts="\n".join([sections.verdict_overview(networks), *cards]),
    rules="".join(f"<li>{rule}</li>" for rule in RULES),
    threshold=f"{base_threshold:g}",
    how_to_read="".join(f"<p>{text}</p>" for text in wording.HOW_TO_READ),
    networks="\n".join(sections.network_section(one) for one in networks),
    reproduce="\n".join(_reproduce(network) for network in networks),
  )


def _reproduce(network: Network) -> str:
  return "".join(_of_workdir(one) for one in network.workdirs)


def _of_workdir(one: workdir.Workdir) -> str:
  """Returns commands, config, versions and times of one work directory."""
  parts = [f"<h3><code>{escape(one.path.name)}</code></h3>", _commands(one)]
  if one.timings:
    rows = [(escape(step), f"{seconds:.1f} s") for step, seconds in _times(one)]
    parts.append(markup.table(("step", "time"), rows))
  if one.versions:
    rows = [(escape(name), escape(v)) for name, v in one.versions.items()]
    parts.append(markup.folded("Versions", markup.table(("", ""), rows)))
  config = json.dumps(one.config, indent=1)
  parts.append(markup.folded("Configuration", markup.preformatted(config)))
  return "".join(parts)


def _times(one: workdir.Workdir) -> list[tuple[str, float]]:
  """Returns (step, seconds) with the total last."""
  times = [
    (step, float(seconds))
    for step, seconds in one.timings.items()
    if isinstance(seconds, (int, float)) and step != "total"
  ]
  return [*times, ("total", sum(seconds for _, seconds in times))]


def _commands(one: workdir.Workdir) -> str:
  """Returns the commands that make the same numbers again.

  A launch script may record its command line in versions.json; otherwise the
  config file is known only up to its variant.
  """
  experiment = one.results["experiment"].iloc[0]
  recorded = one.versions.get("command")
  run = recorded or (
    f"python -m launch.run --config=configs/DOMAIN/{experiment}.py:VARIANT"
    " --workdir=DIR"
  )
  page_only = "python -m launch.report --workdirs=DIR --out=report.html"
  return markup.preformatted(f"{run}\n{page_only}   # only this page again")
