"""Reads the published results of "Break It Down" again, on one page.

    python -m launch.reanalyse --results=FILE --out=DIR [--markdown=FILE]

FILE is a table with a row per result of the release, docs/running.md says with
which columns. DIR gets the page with every published figure and test and what
changes when they are treated properly, and the tables behind it; --markdown the
main numbers for the documentation.
"""

from absl import flags

from launch.process import main as common
from structcomp_jax.studies.break_it_down.reanalysis import run

_RESULTS = flags.DEFINE_string("results", None, "Result table of the release.")
_OUT = flags.DEFINE_string("out", None, "Directory of the page.")
_MARKDOWN = flags.DEFINE_string(
  "markdown", None, "File for the main numbers as Markdown."
)


def _run() -> None:
  if not (_RESULTS.value and _OUT.value):
    common.fail("give --results and --out; see --help")
  run.reanalyse(_RESULTS.value, _OUT.value, _MARKDOWN.value)


if __name__ == "__main__":
  common.main(_run)
