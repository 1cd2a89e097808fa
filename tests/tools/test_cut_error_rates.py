"""The rates of the verdict stand on the page and in the file of reports."""

import dataclasses

import pandas as pd
import pytest

from structcomp_jax.structure import error_rates
from structcomp_jax.studies.planted import run
from structcomp_jax.studies.planted.classes import kinds
from structcomp_jax.studies.planted.classes.every import CLASSES, OF_KIND
from structcomp_jax.studies.planted.run import Measured, Setup
from structcomp_jax.studies.planted.statistics import JUDGED
from structcomp_jax.types import UserError
from tools import cut_error_rates, planted_truth

MLP, TRANSFORMER, CNN = kinds.KINDS
# Class -> accuracy of both halves; chance is 0.25.
LEVELS = {name: 0.26 for name in CLASSES} | {
  "modular": 0.95,
  "entangled": 0.5,
  "cnn/modular": 0.95,
}


def measured(name, num_networks=4):
  """Returns what might be known of a class."""
  rows = [
    (f"{half} at 80 of search 0{JUDGED.after}", regime, pair, seed,
     value + seed / 1000)
    for regime, pair, value in (
      ("planted", "subroutines", LEVELS[name]),
      ("planted", "nonsense_0", 0.25),
      ("untrained", "subroutines", 0.25),
    )
    for half in ("kept", "rest")
    for seed in range(num_networks)
  ]  # fmt: skip
  columns = ["statistic", "regime", "pair", "base_seed", "score"]
  origin = {"commit": "c0ffee", "changed": "", "machine": "x", "python": "3"}
  facts = {
    "num_networks": num_networks,
    "origin": origin | {"jax": "1", "scipy": "2"},
  }
  scores = pd.DataFrame(rows, columns=columns)
  return Measured(name, scores, pd.DataFrame(), facts)


@pytest.fixture(autouse=True)
def few_groups(monkeypatch):
  """Draws fewer groups, which take most of the time."""
  monkeypatch.setattr(cut_error_rates, "_NUM_GROUPS", 3)
  monkeypatch.setattr(cut_error_rates, "_GROUPS", (3, 4))


@pytest.fixture
def root(tmp_path):
  page = tmp_path / planted_truth.PAGE
  page.parent.mkdir(parents=True)
  (tmp_path / cut_error_rates.RATES).parent.mkdir(parents=True)
  places = [
    f"<!-- rates {name} -->\nold {name}\n<!-- /rates {name} -->\n"
    for name in ("mlp", "transformer", "cnn", "of another length")
  ]
  page.write_text("".join(["before\n", *places, "after\n"]))
  return tmp_path


@pytest.fixture
def store(monkeypatch):
  """Returns the names of the classes that are measured."""
  done = set(OF_KIND[MLP]) - {"both_tasks"}
  monkeypatch.setattr(
    run, "is_measured", lambda workdir, name, setup: name in done
  )
  monkeypatch.setattr(
    run, "measure", lambda workdir, name, setup, origin: done.add(name)
  )
  monkeypatch.setattr(run, "load", lambda workdir, name: measured(name))
  return done


def test_page_and_file_have_the_same_rates(root, tmp_path, store):
  text = cut_error_rates.update(root, tmp_path, Setup(), only="both")
  assert store == set(OF_KIND[MLP])
  page = (root / planted_truth.PAGE).read_text()
  assert page.startswith("before\n") and page.endswith("after\n")
  assert text in page and "old mlp" not in page
  assert "Measured by commit" in text
  rates = pd.read_csv(root / cut_error_rates.RATES)
  assert tuple(rates.columns) == error_rates.COLUMNS
  assert len(rates) == 2 * len(OF_KIND[MLP])
  assert set(rates["architecture"]) == {MLP.title}
  for name, label, truth in (
    ("modular", "separable", error_rates.PARTS),
    ("entangled", "partly separable", error_rates.NO_PARTS),
    ("template", "not separable", error_rates.NO_PARTS),
    ("both_tasks", "not separable", error_rates.UNKNOWN),
  ):
    rows = rates[rates["class"] == name]
    assert (rows[label] == 1).all() and (rows["truth"] == truth).all()
  assert f"| {MLP.title} | entangled | 0 / 100 / 0 / 0 |" in text


def test_reports_do_not_read_the_rates_of_cuts_of_another_length(
  root, tmp_path, store
):
  store |= set(OF_KIND[CNN])
  before = (root / planted_truth.PAGE).read_text()
  text = cut_error_rates.update(root, tmp_path, Setup(), steps=640)
  page = (root / planted_truth.PAGE).read_text()
  assert page == before.replace("\nold of another length\n", f"\n\n{text}\n\n")
  assert MLP.title in text and CNN.title in text and "--steps=640" in text
  assert not (root / cut_error_rates.RATES).exists()


def test_classes_that_are_smaller_than_a_group_have_no_verdict():
  found = [measured("modular", 3), measured("shared")]
  rates = cut_error_rates.of_kind(MLP, found)
  table = cut_error_rates.table(rates)
  assert f"| {MLP.title} | modular | 100 / 0 / 0 / 0 | \u2013 |" in table
  assert f"| {MLP.title} | shared | 0 / 0 / 0 / 100 | 0 /" in table


def test_an_architecture_without_classes_to_compare_is_left_out(
  root, tmp_path, store
):
  cut_error_rates.update(root, tmp_path, Setup(), only="cnn/modular")
  rates = pd.read_csv(root / cut_error_rates.RATES)
  assert set(rates["architecture"]) == {MLP.title}
  assert "old cnn" in (root / planted_truth.PAGE).read_text()
  store -= {*NO_PARTS_OF_MLP}
  (root / cut_error_rates.RATES).write_text("as it was")
  cut_error_rates.update(root, tmp_path, Setup(), only="cnn/modular")
  assert (root / cut_error_rates.RATES).read_text() == "as it was"


def test_what_is_known_of_other_architectures_stays(root, tmp_path, store):
  cut_error_rates.update(root, tmp_path, Setup(), only="both")
  path, page = root / cut_error_rates.RATES, root / planted_truth.PAGE
  known, text = pd.read_csv(path), page.read_text()
  # Another work directory, which has the convolutional networks alone.
  store.clear()
  store |= {"cnn/modular", "cnn/shared"}
  cut_error_rates.update(root, tmp_path, Setup(), only="cnn/modular_cross")
  rates = pd.read_csv(path)
  pd.testing.assert_frame_equal(rates.head(len(known)), known)
  assert set(rates["architecture"]) == {MLP.title, CNN.title}
  assert text[: text.index("old cnn")] in page.read_text()
  assert f"| {CNN.title} | modular | 100 / 0 / 0 / 0 |" in page.read_text()
  # Measured once more, they stand there once.
  cut_error_rates.update(root, tmp_path, Setup(), only="cnn/modular_cross")
  pd.testing.assert_frame_equal(pd.read_csv(path), rates)


NO_PARTS_OF_MLP = ("shared", "template", "entangled", "untrained")


def test_a_page_without_a_place_is_refused_before_anything_runs(
  root, tmp_path, monkeypatch
):
  (root / planted_truth.PAGE).write_text("nothing\n")
  monkeypatch.setattr(run, "measure", None)
  with pytest.raises(UserError, match="there is no place for the rates"):
    cut_error_rates.update(root, tmp_path, Setup())


def test_what_is_asked_tells_measurements_apart_and_recovery_does_not():
  setup = Setup()
  assert repr(dataclasses.replace(setup, recovers=False)) == repr(setup)
  assert repr(dataclasses.replace(setup, statistics=(JUDGED,))) != repr(setup)
