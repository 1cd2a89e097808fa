import cv2
import numpy as np
import pytest

from tests.tasks.odd_one_out.shapes.pixels import drawings

ROLE = ("--experiment=inside_contact", "--role=base")
SIZE = 40


def problems(*odd_names):
  """Returns problems whose odd pictures are drawings with these names."""
  images = {
    drawing.name: drawings.on_paper(drawing.image, SIZE, SIZE)
    for drawing in drawings.load()
    if max(drawing.image.shape) <= SIZE
  }
  rule = [images[name] for name in ("beside the line", "on the line")]
  return np.stack([[rule[0], *rule, images[name]] for name in odd_names])


@pytest.fixture
def stored(tmp_path):
  """Stores problems, as a NumPy file or as PNG files."""

  def store(images, form):
    if form == "npy":
      np.save(tmp_path / "pictures.npy", images)
      return f"--npy={tmp_path / 'pictures.npy'}"
    for number, pictures in enumerate(images):
      framed = np.pad(pictures, ((0, 0), (4, 4), (4, 4), (0, 0)))
      sheet = np.hstack(list(framed))[:, :, ::-1]
      cv2.imwrite(str(tmp_path / f"{number}.png"), sheet)
    return f"--png_dir={tmp_path}"

  return store


@pytest.mark.parametrize("form", ["npy", "png"])
def test_passes_sound_pictures(launch, stored, form):
  images = problems("in the middle", "far apart")
  outcome = launch("check_shapes", stored(images, form), *ROLE)
  assert outcome.status == 0, outcome.text
  assert ": 2 problems, 2 sound, 0 ambiguous, 0 wrong\n" in outcome.text


@pytest.mark.parametrize(
  ("form", "name"), [("npy", "problem 11"), ("png", "11.png")]
)
def test_names_what_is_wrong(launch, stored, form, name):
  images = problems(
    *["far apart"] * 10, "on the line", "on the line", "nothing"
  )
  images[10, 0] = problems("one pixel off the line")[0, 3]
  images[10, 3] = problems("far apart")[0, 3]
  outcome = launch("check_shapes", stored(images, form), *ROLE)
  assert outcome.status == 1
  assert ": 13 problems, 10 sound, 1 ambiguous, 2 wrong\n" in outcome.text
  first, *_, last = outcome.text[outcome.text.index("wrong\n") :].splitlines()[
    1:
  ]
  assert first == (
    f"  {name} is wrong: odd picture 4: 2 objects, inside yes, contact yes"
  )
  assert last.startswith("error: 2 problems are wrong; ")


def test_shows_doubts_without_failing(launch, stored):
  images = problems("in the middle", "an open outline around")
  outcome = launch("check_shapes", stored(images, "npy"), *ROLE)
  assert outcome.status == 0
  assert "problem 1 is ambiguous: odd picture 4: 2 objects" in outcome.text


def test_finds_prepared_data_sets(launch, tmp_path):
  name = "shape_subroutines/inside_contact.odd_inside"
  launch(
    "prepare_data",
    f"--builder={name}",
    f"--data_dir={tmp_path}",
    "--num_problems=validation:2,test:3",
  )
  outcome = launch("check_shapes", f"--tfds_dir={tmp_path}")
  assert outcome.status == 0, outcome.text
  for line in ("validation: 2 problems, 2 sound", "test: 3 problems, 3 sound"):
    assert f"inside_contact.odd_inside {line}, 0 ambiguous" in outcome.text
  outcome = launch(
    "check_shapes",
    f"--tfds_dir={tmp_path}",
    f"--builder={name}",
    "--split=test",
  )
  assert outcome.status == 0 and "validation" not in outcome.text


@pytest.mark.parametrize(
  ("arguments", "expected"),
  [
    ([], ["--tfds_dir", "--npy", "--png_dir"]),
    (["--npy={tmp}/a.npy"], ["--experiment", "--role"]),
    (["--npy={tmp}/a.npy", "--tfds_dir={tmp}", *ROLE], ["give one of"]),
    (["--npy={tmp}/a.npy", *ROLE], ["{tmp}/a.npy", "np.save"]),
    (["--npy={tmp}/torn.npy", *ROLE], ["{tmp}/torn.npy", "np.save"]),
    (["--npy={tmp}/flat.npy", *ROLE], ["uint8 [3]"]),
    (["--npy={tmp}/grey.npy", *ROLE], ["uint8 [2, 4, 9, 9]"]),
    (
      ["--npy={tmp}/grey.npy", "--experiment=inside", "--role=base"],
      ["'inside'", "inside_count"],
    ),
    (
      ["--npy={tmp}/grey.npy", "--experiment=inside_count", "--role=contact"],
      ["'contact'", "odd_count"],
    ),
    (["--png_dir={tmp}/nothing", *ROLE], ["{tmp}/nothing"]),
    (["--png_dir={tmp}/torn", *ROLE], ["{tmp}/torn/0.png"]),
    (["--png_dir={tmp}/bare", *ROLE], ["{tmp}/bare/0.png", "frames"]),
    (["--tfds_dir={tmp}"], ["{tmp}", "prepare_data"]),
    (["--tfds_dir={tmp}", "--builder=shapes/a"], ["'shapes/a'"]),
    (
      ["--tfds_dir={tmp}", "--builder=shape_subroutines/contact_count.base"],
      ["contact_count.base", "prepare_data"],
    ),
  ],
)
def test_says_in_one_line_what_is_missing(
  launch, tmp_path, arguments, expected
):
  (tmp_path / "torn").mkdir()
  (tmp_path / "bare").mkdir()
  (tmp_path / "torn" / "0.png").write_bytes(b"no picture")
  cv2.imwrite(str(tmp_path / "bare" / "0.png"), np.full((9, 36, 3), 255))
  (tmp_path / "torn.npy").write_bytes(b"no array")
  np.save(tmp_path / "flat.npy", np.zeros(3, np.uint8))
  np.save(tmp_path / "grey.npy", np.zeros((2, 4, 9, 9), np.uint8))
  outcome = launch(
    "check_shapes", *[text.format(tmp=tmp_path) for text in arguments]
  )
  assert outcome.status == 1
  assert "Traceback" not in outcome.text
  (line,) = outcome.errors
  assert "; " in line and "this is a bug" not in line
  for text in expected:
    assert text.format(tmp=tmp_path) in line
