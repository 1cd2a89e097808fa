"""How to get the numbers of a work directory again."""

import json

from structcomp_jax.report import markup
from structcomp_jax.report.markup import escape
from structcomp_jax.report.workdir import Workdir
from structcomp_jax.types import command


def section(one: Workdir) -> str:
  """Returns commands, config, versions and times of one work directory."""
  parts = [
    f"<h3><code>{escape(one.path.name)}</code></h3>",
    markup.preformatted(commands(one)),
  ]
  if one.timings:
    rows = [(escape(step), f"{seconds:.1f} s") for step, seconds in times(one)]
    parts.append(markup.table(("step", "time"), rows))
  if one.versions:
    rows = [(escape(name), escape(v)) for name, v in one.versions.items()]
    parts.append(markup.folded("Versions", markup.table(("", ""), rows)))
  config = json.dumps(one.config, indent=1)
  parts.append(markup.folded("Configuration", markup.preformatted(config)))
  return "".join(parts)


def times(one: Workdir) -> list[tuple[str, float]]:
  """Returns (step, seconds) with the total last."""
  found = [
    (step, float(seconds))
    for step, seconds in one.timings.items()
    if isinstance(seconds, (int, float)) and step != "total"
  ]
  return [*found, ("total", sum(seconds for _, seconds in found))]


def commands(one: Workdir) -> str:
  """Returns the commands that make the same numbers again.

  The launch that began the work recorded its command line in versions.json;
  otherwise the config file is known only up to its variant.
  """
  experiment = one.results["experiment"].iloc[0]
  run = one.versions.get("command") or (
    f"{command('run')} --config=configs/DOMAIN/{experiment}.py:VARIANT"
    " --workdir=DIR"
  )
  page_only = f"{command('report')} --workdirs=DIR --out=report.html"
  return f"{run}\n{page_only}   # only this page again"
