"""Searches the masks of an experiment (step 3).

    python -m launch.search --config=configs/NAME.py[:variant] --workdir=DIR

A step that was killed goes on where it was when the command is given again;
what is complete is skipped.
"""

from launch.process import main as common
from structcomp_jax.pipeline import search

if __name__ == "__main__":
  common.main_with_config(search.run)
