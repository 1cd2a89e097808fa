"""The page says how its numbers were made."""

import dataclasses

from structcomp_jax.report import origin, workdir
from structcomp_jax.studies.break_it_down.columns import SCHEMAS
from tests.studies.break_it_down import synthetic


def test_times_end_with_their_sum(tmp_path):
  one = workdir.read(synthetic.write_workdir(tmp_path / "run"), SCHEMAS)
  assert origin.times(one) == [
    ("train", 12.5),
    ("search", 80.0),
    ("total", 92.5),
  ]
  text = origin.section(one)
  assert "92.5 s" in text
  assert "0.0.test" in text


def test_the_recorded_command_is_shown(tmp_path):
  one = workdir.read(synthetic.write_workdir(tmp_path / "run"), SCHEMAS)
  assert "configs/DOMAIN/sv_singular.py:VARIANT" in origin.commands(one)
  command = "python -m launch.run --config=mine.py --workdir=<runs>"
  known = dataclasses.replace(one, versions={"command": command})
  assert origin.commands(known).startswith(f"{command}\n")
  assert "--workdir=&lt;runs&gt;" in origin.section(known)
