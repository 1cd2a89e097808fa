"""Writes the report of one experiment (step 5), or of several together.

python -m launch.report --config=configs/NAME.py[:variant] --workdir=DIR
python -m launch.report --workdirs=DIR1,DIR2 --out=FILE
"""

from absl import flags

from launch.process import main as common
from structcomp_jax.pipeline import run
from structcomp_jax.studies import registry

_CONFIG, _WORKDIR = common.define_config(required=False)
_WORKDIRS = flags.DEFINE_list(
  "workdirs", [], "Finished work directories to report together."
)
_OUT = flags.DEFINE_string("out", "report.html", "Page for --workdirs.")


def _run() -> None:
  if "" in _WORKDIRS.value:
    common.fail("--workdirs names an empty directory; remove a comma too many")
  if _WORKDIRS.value:
    registry.report_together(_WORKDIRS.value, _OUT.value)
  elif _CONFIG.value and _WORKDIR.value:
    run.run_step("report", _CONFIG.value, _WORKDIR.value, registry.make_study)
  else:
    common.fail("give --config and --workdir, or --workdirs; see --help")


if __name__ == "__main__":
  common.main(_run)
