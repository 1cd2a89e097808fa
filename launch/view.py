"""Draws masks on a page: matrix by matrix, head by head, weight by weight.

    python -m launch.view --workdir=DIR [--regime=NAME] [--base_seed=N]
      [--out=FILE]
    python -m launch.view --masks=NAME=FILE.npz,NAME=FILE.npz --out=FILE

The page needs no server; open it in a browser. Without --out it is
DIR/report/masks.html. In a notebook,
`structcomp_jax.studies.mask_view.of_workdir("DIR")` shows itself.
"""

import pathlib

from absl import flags

from launch.process import main as common
from structcomp_jax.studies import mask_view

_WORKDIR = flags.DEFINE_string("workdir", "", "Directory of an experiment.")
_REGIME = flags.DEFINE_string(
  "regime", "", "Of the network; default: the first."
)
_BASE_SEED = flags.DEFINE_integer(
  "base_seed", None, "Of the network; default: the first that has masks."
)
_MASKS = flags.DEFINE_list("masks", [], "NAME=FILE of masks of one network.")
_ROW = flags.DEFINE_integer("row", 0, "Which mask of each file.")
_OUT = flags.DEFINE_string("out", "", "Page to write.")


def _run() -> None:
  if bool(_WORKDIR.value) == bool(_MASKS.value):
    common.fail("give --workdir or --masks; see --help")
  if _WORKDIR.value:
    view = mask_view.of_workdir(
      _WORKDIR.value,
      regime=_REGIME.value,
      base_seed=_BASE_SEED.value,
      row=_ROW.value,
    )
  elif wrong := [one for one in _MASKS.value if "=" not in one]:
    common.fail(f"--masks has {wrong[0]!r}, not NAME=FILE; see --help")
  else:
    files = dict(entry.partition("=")[::2] for entry in _MASKS.value)
    view = mask_view.of_files(files, row=_ROW.value)
  if _MASKS.value and not _OUT.value:
    common.fail("give --out with --masks; see --help")
  out = _OUT.value or pathlib.Path(_WORKDIR.value, "report", "masks.html")
  print(f"masks: {mask_view.save(view, out)}")


if __name__ == "__main__":
  common.main(_run)
