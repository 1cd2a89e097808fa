"""Masks are found in work directories and files."""

import json

import numpy as np
import pytest

from structcomp_jax.io import mask_files
from structcomp_jax.studies import mask_view
from structcomp_jax.types import UserError

MODEL = {"name": "tiny", "sizes": {"num_heads": 2}}
PATH = "layer_0/attention/query/kernel"


def store(directory, rows, fingerprint="f"):
  file = directory / "masks.npz"
  mask_files.save(
    file, {PATH: np.array(rows, bool)}, fingerprint=fingerprint, stacked=True
  )
  return file


@pytest.fixture
def workdir(tmp_path):
  config = {
    "experiment": "sv_singular", "regimes": ["scratch", "random_init"],
    "model": MODEL,
  }  # fmt: skip
  (tmp_path / "config.json").write_text(json.dumps(config))
  few, many = [[1, 0, 0, 0]], [[1, 1, 1, 0]]
  for seed, names in ((3, ("subject", "verb")), (5, ("subject", "control"))):
    for name in names:
      # Rows of a subject keep little first and much then.
      rows = [few, many] if name == "subject" else [many, few]
      store(tmp_path / "masks" / f"seed_{seed}" / name, rows)
  store(tmp_path / "random_init" / "masks" / "seed_3" / "verb", [[[0] * 4]])
  return tmp_path


def kept(view):
  return {name: int(mask[PATH].sum()) for name, mask in view.masks.items()}


def test_the_first_network_is_shown_unless_another_is_named(workdir):
  view = mask_view.of_workdir(workdir)
  assert kept(view) == {"subject": 1, "verb": 3}
  assert "scratch, base seed 3, mask 0" in view.notes[0]
  assert view.backdrop is None
  (layer,) = view.heads
  assert (layer.count == 2 and layer.axes == {PATH: -1}) or PATH in layer.axes
  assert kept(mask_view.of_workdir(workdir, row=1)) == {"subject": 3, "verb": 1}
  other = mask_view.of_workdir(workdir, regime="random_init")
  assert kept(other) == {"verb": 0}


def test_the_control_mask_is_the_backdrop(workdir):
  view = mask_view.of_workdir(workdir, base_seed=5)
  assert kept(view) == {"subject": 1}
  assert int(view.backdrop[PATH].sum()) == 3


@pytest.mark.parametrize(
  ("options", "why"),
  [
    ({"base_seed": 4}, "no masks of base seed 4 of 'scratch'.* 3, 5"),
    ({"regime": "pruned"}, "no masks of base seed 0 of 'pruned'.* none"),
    ({"row": 2}, "has masks 0 to 1; there is no 2"),
  ],
)
def test_what_is_not_there_is_refused(workdir, options, why):
  with pytest.raises(UserError, match=why):
    mask_view.of_workdir(workdir, **options)


def test_files_have_the_names_that_they_are_given(tmp_path):
  one = store(tmp_path / "a", [[[1, 0, 1, 0]]])
  two = store(tmp_path / "b", [[[1, 1, 1, 0]]])
  view = mask_view.of_files({"this": one, "that": two})
  assert kept(view) == {"this": 2, "that": 3}
  out = mask_view.save(view, tmp_path / "new" / "page.html")
  assert view.title in out.read_text()


def test_masks_of_two_networks_are_refused(tmp_path):
  one = store(tmp_path / "a", [[[1, 0, 1, 0]]])
  two = store(tmp_path / "b", [[[1, 1, 1, 0]]], fingerprint="another")
  with pytest.raises(UserError, match="masks of 2 networks"):
    mask_view.of_files({"this": one, "that": two})
