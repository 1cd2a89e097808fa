"""Runs a whole experiment: data, base networks, masks, results, report.

    python -m launch.run --config=configs/NAME.py[:variant] --workdir=DIR

Give the same command again after a kill: complete steps are skipped, and the
one that was killed goes on from its last checkpoint.
"""

from launch.process import main as common
from structcomp_jax.pipeline import run
from structcomp_jax.studies import registry

if __name__ == "__main__":
  common.main_with_config(
    lambda config, workdir: run.run(config, workdir, registry.make_study)
  )
