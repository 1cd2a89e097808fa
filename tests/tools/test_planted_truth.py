"""The page has the tables of what was measured; a stop loses one class."""

import pandas as pd
import pytest

from structcomp_jax.studies.planted import run
from structcomp_jax.studies.planted.classes import kinds
from structcomp_jax.studies.planted.recovery import LIMITS
from structcomp_jax.studies.planted.run import Measured, Setup
from structcomp_jax.studies.planted.statistics import JUDGED
from structcomp_jax.types import UserError
from tools import planted_truth
from tools.planted_truth import CLASSES, NAMES, OF_KIND, RANDOM_MASKS

# Class -> score of a network, before the number of the network is added.
LEVELS = {name: 0.3 for name in CLASSES} | {"modular": 0.8, "shared": 0.2}


def measured(name):
  """Returns what might be known of a class of four networks."""
  level = LEVELS[name]
  rows = []
  for regime, pair, value in (
    ("planted", "subroutines", level),
    ("planted", "nonsense_0", 0.25),
    ("untrained", "subroutines", 0.2),
  ):
    numbers = [*NAMES]
    numbers += [
      f"{half} at 80 of search 0{JUDGED.after}" for half in ("kept", "rest")
    ]
    numbers += [f"{one}{RANDOM_MASKS}" for one in NAMES if "penalty" in one]
    for statistic in numbers:
      for seed in range(4):
        rows.append((statistic, regime, pair, seed, value + seed / 100))
  for task in planted_truth.problems.TASKS:
    rows += [
      (f"{run.ACCURACY}{task}", "planted", "subroutines", seed, 0.9)
      for seed in range(4)
    ]
  columns = ["statistic", "regime", "pair", "base_seed", "score"]
  recovery = pd.DataFrame(
    [
      {
        "method": "random", "base_seed": seed, "subroutine": subroutine,
        "limit": limit, "share": 1 - limit, "auc": 0.5 + 0.1 * seed, "iou": 0.1,
      }
      for limit in LIMITS
      for seed in range(2)
      for subroutine in "AB"
    ] if name == "modular" else [],
    columns=["method", "base_seed", "subroutine", "limit", "share", "auc",
             "iou"],
  )  # fmt: skip
  facts = {
    "num_networks": 4,
    "seconds": {"networks": 12.4, "cut": 3.6},
    "origin": {
      "commit": "c0ffee", "changed": "", "machine": "x", "python": "3",
      "jax": "1", "scipy": "2",
    },
  }  # fmt: skip
  return Measured(name, pd.DataFrame(rows, columns=columns), recovery, facts)


MLP, TRANSFORMER, CNN = kinds.KINDS
NAMES_OF_MLP = list(OF_KIND[MLP])
FOUND = [measured(name) for name in NAMES_OF_MLP]


def line(table, *start):
  """Returns the cells of the line that starts so, without its start."""
  head = "| " + " | ".join(start) + " |"
  (found,) = (one for one in table.splitlines() if one.startswith(head))
  return [cell.strip() for cell in found.split("|")[len(start) + 1 : -1]]


def test_scores_stand_beside_their_controls():
  table = planted_truth.score_table(FOUND)
  cells = line(table, "modular")
  assert len(cells) == len(NAMES)
  assert cells[0] == "0.82\u00a0±\u00a00.01 (0.21, 0.27)"
  penalised = next(n for n, name in enumerate(NAMES) if "penalty" in name)
  assert cells[penalised] == "0.82\u00a0±\u00a00.01 (0.21, 0.27, 0.82)"


def test_modular_classes_are_set_against_each_other_class():
  table = planted_truth.auc_table(FOUND)
  cells = line(table, NAMES[0], "score")
  assert len(cells) == len(NAMES_OF_MLP) - 3
  # `modular` is above all others, the two beside it above `shared` alone.
  assert cells[1] == "1.00 [1.00, 1.00]"
  assert cells[0].startswith("0.67 [")


def test_single_networks_are_judged_by_the_other_half():
  table = planted_truth.threshold_table(FOUND)
  limit, *shares = line(table, NAMES[0], "score")
  # Half of the modular networks are no higher than those that are not.
  assert limit == "0.56" and shares[:4] == ["100", "0", "0", "0"]
  last = table.splitlines()[-1]
  assert "0.10, that of the verdict" in last
  assert [cell.strip() for cell in last.split("|")[4:7]] == ["100", "0", "0"]


def test_accuracies_recovery_and_costs():
  assert line(planted_truth.accuracy_table(FOUND), "shared", "4")[0] == "0.90"
  table = planted_truth.recovery_table(FOUND)
  assert line(table, "modular", "random") == ["0.55 / 0.10"] * len(LIMITS)
  assert line(table, "modular", "")[-1] == "99 % of weights"
  assert line(planted_truth.cost_table(FOUND), "mixed") == ["12", "4"]


@pytest.fixture
def root(tmp_path):
  page = tmp_path / planted_truth.PAGE
  page.parent.mkdir(parents=True)
  page.write_text("before\n<!-- planted -->\nold\n<!-- /planted -->\nafter\n")
  return tmp_path


@pytest.fixture
def store(monkeypatch):
  """Returns the names of the classes that are measured."""
  done = {"modular", "shared"}
  monkeypatch.setattr(
    run, "is_measured", lambda workdir, name, setup: name in done
  )
  monkeypatch.setattr(
    run, "measure", lambda workdir, name, setup, origin: done.add(name)
  )
  monkeypatch.setattr(run, "load", lambda workdir, name: measured(name))
  return done


def test_the_tool_goes_on_with_what_is_missing(root, tmp_path, store):
  planted_truth.update(root, tmp_path, Setup())
  assert store == set(CLASSES)
  text = (root / planted_truth.PAGE).read_text()
  assert text.startswith("before\n") and text.endswith("after\n")
  assert "old" not in text
  for head in ("Scores", "Masks against blocks", "CPU seconds"):
    assert text.count(f"### {head}\n") == len(kinds.KINDS)


def test_the_page_has_what_is_measured(root, tmp_path, store):
  text = planted_truth.update(root, tmp_path, Setup(), only=CNN.prefix)
  assert store == {"modular", "shared", *OF_KIND[CNN]}
  assert "## Convolutional networks\n" in text and "## Transform" not in text
  # Tables need no prefix, and no class that an architecture lacks.
  assert "| shared | 4 | 0.90" in text and "| cnn/" not in text
  assert text in (root / planted_truth.PAGE).read_text()
  missing = text[text.index("Not in the tables: ") :]
  assert "template, " in missing and "transformer/both_tasks." in missing
  assert "cnn/" not in missing and " shared," not in missing


def test_the_page_stays_where_nothing_can_be_compared(root, tmp_path, store):
  store.remove("shared")
  planted_truth.update(root, tmp_path, Setup(), only="modular_c")
  assert "old" in (root / planted_truth.PAGE).read_text()


def test_the_page_says_what_measured_each_class():
  by = planted_truth.measured_by(FOUND[:3])
  assert by == "commit c0ffee, x, Python 3, JAX 1, SciPy 2"
  FOUND[1].facts["origin"] |= {"commit": "beef", "changed": "yes"}
  by = planted_truth.measured_by(FOUND[:3])
  assert "c0ffee, x, Python 3, JAX 1, SciPy 2 (modular, modular_pruned); " in by
  assert "beef with changes, x" in by and by.endswith("(modular_cross)")


def test_a_page_without_a_place_is_refused_before_anything_runs(
  root, tmp_path, monkeypatch
):
  (root / planted_truth.PAGE).write_text("nothing\n")
  monkeypatch.setattr(run, "measure", None)
  with pytest.raises(UserError, match="there is no place for the planted"):
    planted_truth.update(root, tmp_path, Setup())
