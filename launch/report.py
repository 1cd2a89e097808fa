"""Writes the report of one experiment (step 5), or of several together.

python -m launch.report --config=configs/NAME.py[:variant] --workdir=DIR
python -m launch.report --workdirs=DIR1,DIR2 --out=FILE
"""

from absl import flags

from launch.process import main as common
from structcomp_jax.pipeline import report

_CONFIG, _WORKDIR = common.define_config(required=False)
_WORKDIRS = flags.DEFINE_list(
  "workdirs", [], "Finished work directories to report together."
)
_OUT = flags.DEFINE_string("out", "report.html", "Page for --workdirs.")


def _run() -> None:
  if _WORKDIRS.value:
    report.together(_WORKDIRS.value, _OUT.value)
  elif _CONFIG.value and _WORKDIR.value:
    report.run(_CONFIG.value, _WORKDIR.value)
  else:
    common.fail("give --config and --workdir, or --workdirs; see --help")


if __name__ == "__main__":
  common.main(_run)
