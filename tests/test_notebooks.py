"""The notebooks run as scripts and show what they talk about.

`make docs` executes them as notebooks, and the second one at its full size.
"""

import pathlib

import pytest

from structcomp_jax.studies.break_it_down.findings import published

FOLDER = pathlib.Path(__file__).parents[1] / "docs" / "notebooks"


def run(name, variant=""):
  """Returns the variables of a notebook after it ran.

  Args:
    name: of the file.
    variant: of the config, instead of the variant "small".
  """
  path = FOLDER / f"{name}.py"
  source = path.read_text(encoding="utf-8")
  if variant:
    assert source.count(":small") == 2  # In the text and in the command.
    source = source.replace(":small", f":{variant}")
  variables = {"__name__": "__main__"}
  exec(compile(source, str(path), "exec"), variables)
  return variables


def test_every_notebook_has_a_test():
  assert {path.stem for path in FOLDER.glob("*")} == {
    "first_mask",
    "published_row",
  }


def test_first_mask_finds_what_was_planted():
  seen = run("first_mask")
  assert min(seen["recovered"].values()) > 0.8
  accuracies = seen["accuracies"]
  for own, other in (("first", "second"), ("second", "first")):
    subnetwork = accuracies.loc[own, "subnetwork"]
    ablated = accuracies.loc[own, "ablated network"]
    assert subnetwork[f"accuracy on {own}"] == 1.0
    assert ablated[f"accuracy on {own}"] < 0.5
    assert ablated[f"accuracy on {other}"] == 1.0
  # The control does not solve it, and the highest penalty removes too much.
  assert seen["control"].to_numpy().max() < 0.6
  by_penalty = seen["by_penalty"].set_index("penalty")
  assert by_penalty["kept"].is_monotonic_decreasing
  assert by_penalty["accuracy"].iloc[-1] < 0.5


def test_published_row_stands_beside_the_published_numbers(capsys):
  seen = run("published_row", "smoke")
  table = seen["table"]
  assert len(table) == 8
  for regime in ("scratch", "random_init"):
    theirs = published.lookup("sv_plural", regime, "verb")
    row = table.loc[regime, "verb", "published"]
    assert row["d_abl"] == pytest.approx(theirs["d_abl_mean"])
    assert row["searches"] == theirs["n"]
  # Networks of this size do not solve the task, and only controls count then.
  assert table.loc["random_init", "verb", "here"]["searches"] == 1
  assert "report: " in capsys.readouterr().out
  assert (seen["workdir"] / "report" / "index.html").exists()
