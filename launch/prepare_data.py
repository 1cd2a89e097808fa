"""Builds one data set into a TFDS directory.

    python -m launch.prepare_data --builder=NAME/CONFIG --data_dir=DIR
      [--num_problems=train:N,validation:N,test:N]

For example, --builder=syntax_subroutines/sv_singular.base. With --config and
--workdir instead, it builds every data set of that experiment.
"""

from absl import flags

from launch.process import main as common
from structcomp_jax.pipeline import run
from structcomp_jax.studies import registry

_CONFIG, _WORKDIR = common.define_config(required=False)
_BUILDER = flags.DEFINE_string(
  "builder", None, "Builder and config, e.g. syntax_subroutines/sv_plural.base."
)
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Directory of data sets.")
_NUM_PROBLEMS = flags.DEFINE_list(
  "num_problems", [], "Store the first N problems of a split: train:N,test:N."
)


def _num_problems() -> dict[str, int]:
  try:
    pairs = [entry.split(":") for entry in _NUM_PROBLEMS.value]
    return {split: int(count) for split, count in pairs}
  except ValueError:
    return common.fail(
      f"cannot read --num_problems={','.join(_NUM_PROBLEMS.value)}; write "
      "train:N,validation:N,test:N"
    )


def _run() -> None:
  if _BUILDER.value and _DATA_DIR.value:
    run.build(_BUILDER.value, _DATA_DIR.value, _num_problems())
  elif _CONFIG.value and _WORKDIR.value:
    run.run_step(
      "prepare_data", _CONFIG.value, _WORKDIR.value, registry.make_study
    )
  else:
    common.fail(
      "give --builder and --data_dir, or --config and --workdir; see --help"
    )


if __name__ == "__main__":
  common.main(_run)
