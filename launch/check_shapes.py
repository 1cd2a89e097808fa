"""Checks odd-one-out pictures by what can be seen in them.

Data sets that launch.prepare_data has built, by default all in DIR:

    python -m launch.check_shapes --tfds_dir=DIR
      [--builder=shape_subroutines/CONFIG] [--split=train]

Pictures from elsewhere, the last of each four being the odd one:

    python -m launch.check_shapes --npy=FILE --experiment=inside_contact
      --role=base
    python -m launch.check_shapes --png_dir=DIR --experiment=inside_contact
      --role=base

FILE holds uint8 [problems, 4, height, width, 3]. Each PNG file in DIR holds
four pictures side by side, each in a black frame of four pixels. The exit
status is 1 if a problem is wrong.
"""

from absl import flags

from launch.process import main as common
from structcomp_jax.studies.break_it_down import check_shapes

_TFDS_DIR = flags.DEFINE_string("tfds_dir", None, "Directory of data sets.")
_BUILDER = flags.DEFINE_string(
  "builder",
  None,
  "One data set in --tfds_dir, e.g. shape_subroutines/inside_count.base.",
)
_SPLIT = flags.DEFINE_string(
  "split", None, "One split of the data sets, e.g. test."
)
_NPY = flags.DEFINE_string("npy", None, "NumPy file of pictures.")
_PNG_DIR = flags.DEFINE_string("png_dir", None, "Directory of PNG files.")
_EXPERIMENT = flags.DEFINE_string(
  "experiment", None, "inside_contact, inside_count or contact_count."
)
_ROLE = flags.DEFINE_string(
  "role", None, "base, a property, odd_ and a property, or odd_both."
)


def _run() -> None:
  kind = _EXPERIMENT.value, _ROLE.value
  sources = (_TFDS_DIR, _NPY, _PNG_DIR)
  given = [flag.name for flag in sources if flag.value]
  if given == ["tfds_dir"]:
    check_shapes.run_prepared(_TFDS_DIR.value, _BUILDER.value, _SPLIT.value)
  elif given == ["npy"] and all(kind):
    check_shapes.run_array(_NPY.value, *kind)
  elif given == ["png_dir"] and all(kind):
    check_shapes.run_files(_PNG_DIR.value, *kind)
  else:
    common.fail(
      "give one of --tfds_dir, --npy and --png_dir, the last two with"
      " --experiment and --role; see --help"
    )


if __name__ == "__main__":
  common.main(_run)
