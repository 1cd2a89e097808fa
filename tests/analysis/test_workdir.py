"""Reading a work directory: everything, the minimum, and damage."""

import pytest

from structcomp_jax.analysis import workdir
from structcomp_jax.types import UserError
from tests.analysis import synthetic


def test_everything_is_found(tmp_path):
  one = workdir.read(synthetic.write_workdir(tmp_path / "run"))
  assert set(one.results["regime"]) == {"scratch", "random_init"}
  assert set(one.controls["control"]) == {"random_matched"}
  assert set(one.densities["leaf"]) == set(synthetic.LEAVES)
  assert set(one.training["base_seed"]) == {0, 1, 2}
  searches = one.searches.groupby(["regime", "base_seed", "subroutine"])
  assert searches.ngroups == 2 * 3 * 2
  selection = one.selections["masks/seed_0/subject/selection.json"]
  assert selection["chosen"] == selection["settings"][0]
  assert one.timings["search"] == 80


def test_only_results_and_config_are_needed(tmp_path):
  path = synthetic.write_workdir(tmp_path / "run", complete=False)
  one = workdir.read(path)
  assert one.controls is None
  assert one.densities is None
  assert one.training.empty
  assert one.searches.empty
  assert (one.timings, one.versions, one.selections) == ({}, {}, {})


def test_repeated_steps_of_a_resumed_run_count_once(tmp_path):
  path = synthetic.write_workdir(tmp_path / "run")
  before = len(workdir.read(path).training)
  file = path / "base" / "seed_0" / "metrics.jsonl"
  file.write_text(file.read_text() + file.read_text().splitlines()[-1] + "\n")
  assert len(workdir.read(path).training) == before


def _cut(path, count):
  path.write_bytes(path.read_bytes()[:-count])


@pytest.mark.parametrize(
  ("damage", "message"),
  [
    (lambda path: (path / "results.csv").unlink(), r"results\.csv"),
    (lambda path: (path / "config.json").unlink(), r"config\.json"),
    (lambda path: _cut(path / "results.csv", 3), r"results\.csv"),
    (lambda path: _cut(path / "results.csv", 90), r"results\.csv"),
    (lambda path: _cut(path / "controls.csv", 2), r"controls\.csv"),
    (lambda path: _cut(path / "densities.csv", 1), r"densities\.csv"),
    (lambda path: _cut(path / "config.json", 2), r"config\.json"),
    (lambda path: _cut(path / "timings.json", 2), r"timings\.json"),
    (lambda path: (path / "versions.json").write_text("[1]"), "JSON object"),
    (
      lambda path: (path / "base/seed_1/metrics.jsonl").write_text("{\n{\n"),
      r"metrics\.jsonl line 1",
    ),
    (
      lambda path: (path / "results.csv").write_text("regime\nscratch\n"),
      "no column experiment",
    ),
  ],
)
def test_damage_is_named(tmp_path, damage, message):
  path = synthetic.write_workdir(tmp_path / "run")
  workdir.read(path)
  damage(path)
  with pytest.raises(UserError, match=message) as caught:
    workdir.read(path)
  assert "\n" not in str(caught.value)


def test_no_such_directory(tmp_path):
  with pytest.raises(UserError, match="no work directory"):
    workdir.read(tmp_path / "nowhere")
