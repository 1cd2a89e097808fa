"""The page holds the answers and the numbers, for all kinds of data."""

import html.parser
import itertools
import json
import re

import pandas as pd
import pytest

from structcomp_jax.report import style
from structcomp_jax.studies import registry
from structcomp_jax.studies.are_nets_modular.findings import conclude
from structcomp_jax.studies.are_nets_modular.page import report
from structcomp_jax.types import UserError
from tests.studies.are_nets_modular import synthetic

EXPERIMENTS = tuple(synthetic.SUBTASKS)


class _Links(html.parser.HTMLParser):
  """Collects what a browser would fetch or run, and checks the nesting."""

  _VOID = frozenset({"meta", "br", "link", "img", "hr", "input"})

  def __init__(self):
    super().__init__()
    self.external, self.tags, self._open = [], set(), []

  def handle_starttag(self, tag, attrs):
    self.tags.add(tag)
    for name, value in attrs:
      if name in ("src", "href", "xlink:href") and not value.startswith(
        ("#", "data:")
      ):
        self.external.append(value)
    if tag not in self._VOID:
      self._open.append(tag)

  def handle_endtag(self, tag):
    assert self._open.pop() == tag


def _text(path):
  """Returns a page without tags and drawings, in single spaces."""
  text = re.sub(r"(?s)<svg.*?</svg>|<style.*?</style>", " ", path.read_text())
  plain = html.unescape(re.sub(r"<[^>]+>", " ", text))
  return re.sub(r"\s+", " ", plain)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
  """Returns (summary, page) of all three experiments together."""
  path = tmp_path_factory.mktemp("work")
  workdirs = [
    synthetic.write_workdir(path / name, name) for name in EXPERIMENTS
  ]
  return report.build(workdirs, path / "all.html"), path / "all.html"


@pytest.fixture
def undrawn(monkeypatch):
  """Leaves figures as they are before Matplotlib lays them out, at its pace.

  For tests that are not about what figures look like.
  """
  monkeypatch.setattr(style, "svg", lambda figure: "<svg></svg>")


def test_page_is_one_file_without_scripts(built):
  parser = _Links()
  parser.feed(built[1].read_text())
  assert parser.external == []
  assert "script" not in parser.tags
  assert {"svg", "table", "details"} <= parser.tags


def test_answers_come_first_and_every_experiment_has_a_section(built):
  text = _text(built[1])
  places = [
    text.index(part)
    for part in (
      "a mask was learned: one yes/no switch per weight",
      "Answers",
      "specialised",
      "How the answers are reached",
      "The parts are the two operations",
      "Reuse score of every network",
      "What is answered under every mask",
      "Both pairs need the same function",
      "translates commands",
      "Weights lost per output",
      "How to get these numbers again",
    )
  ]
  assert places == sorted(places)


def test_numbers_of_the_page(built):
  text = _text(built[1])
  for part in (
    # Inverse masks: dense, control, mask and inverse of pair 1.
    "pair_1 99.9 ± 0.2 97.0 ± 0.4 99.0 ± 0.4 1.0 ± 0.4",
    # A half of the control mask, SCAN, and the row of I_JUMP.
    "10.0 ± 0.0",
    "(whole network)",
    "30.5 ± 0.5",
    # Kept weights of mul and add, and their ratio.
    "1,000 ± 0 2,000 ± 0 2.00",
  ):
    assert part in text, part
  assert "nan" not in text.lower().replace("finance", "")


def test_overlaps_stand_beside_chance_and_ceiling(built):
  """add keeps a tenth and mul a fifth of every leaf."""
  text = _text(built[1])
  for row in (
    # IoU, IoMin, share of add's weights, share of mul's weights.
    "different subtasks all leaves 0.10 ± 0.00 (0.07) 0.28 ± 0.01 (0.20) "
    "0.28 ± 0.01 (0.20) 0.14 ± 0.00 (0.10) 3",
    "same subtask all leaves 0.71 ± 0.01 (0.08) 0.83 ± 0.01 (0.15)",
  ):
    assert row in text


def test_verdicts_are_a_file_beside_the_page(built):
  summary, path = built
  content = json.loads(path.with_name("all.verdicts.json").read_text())
  assert content == summary["verdicts"]
  labels = {
    (one["experiment"], one["regime"], one["question"]): one["label"]
    for one in content
  }
  assert labels["double_addition", "scratch", "specialisation"] == (
    "specialised"
  )
  assert labels["scan", "scratch", "left out: jump"].startswith("loses")
  assert labels["add_mul", "random_init", "control"] == "control"
  page = path.read_text()
  for one in content:
    assert f">{one['label']}<" in page
    assert one["sentence"]
  (effect,) = next(
    one["statistics"]
    for one in content
    if (one["experiment"], one["question"]) == ("double_addition", "reuse")
  )
  assert effect["num_networks"] == 3
  low, high = effect["against"]["random masks (0)"]["interval"]
  assert low < effect["mean"] < high
  assert set(effect["by_network"]) == {"0", "1", "2"}


def test_terminal_says_the_same(built, undrawn, capsys):
  text = built[0]["text"]
  assert "scratch, specialisation: SPECIALISED." in text
  assert "noise floor: random masks" in text
  path = built[1].with_name("add_mul")
  registry.report_together([path], built[1].with_name("one.html"))
  printed = capsys.readouterr().out
  assert "add_mul, small" in printed
  assert f"report: {built[1].with_name('one.html')}" in printed


def test_least_possible_data(tmp_path):
  """One network, one mask each, no further tables, strange names."""
  rows = synthetic.two_subtasks(networks=1, seeds=(0,))
  results = [
    {**row, "regime": "<mine>"}
    for row in rows["results"]
    if row["regime"] == "scratch" and row["ablation"] == "none"
  ]
  path = synthetic.write_workdir(
    tmp_path / "run", "double_addition", {"results": results}
  )
  summary = report.build([path], tmp_path / "page.html")
  assert [one["label"] for one in summary["verdicts"]] == ["cannot be told"] * 2
  assert summary["verdicts"][0]["regime"] == "<mine>"
  page = (tmp_path / "page.html").read_text()
  assert "<mine>" not in page
  assert "&lt;mine&gt;" in page


@pytest.mark.parametrize(
  ("table", "experiment"),
  [
    *itertools.product(
      ["controls", "densities", "overlaps", "histograms"], EXPERIMENTS
    ),
    # That of the others is empty.
    ("outputs", "scan"),
  ],
)
def test_every_further_table_may_be_missing(
  undrawn, tmp_path, experiment, table
):
  build_without(tmp_path, experiment, table)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_all_further_tables_may_be_missing(tmp_path, experiment):
  """What is left can be drawn, too."""
  tables = ["controls", "densities", "overlaps", "histograms"]
  if experiment == "scan":
    tables.append("outputs")
  build_without(tmp_path, experiment, *tables)


def build_without(tmp_path, experiment, *tables):
  """Builds the page of one regime: further ones have the same panels again."""
  rows = {
    name: [row for row in rows if row["regime"] == "scratch"]
    for name, rows in synthetic.make(experiment, networks=2).items()
  }
  path = synthetic.write_workdir(tmp_path / "run", experiment, rows)
  for table in tables:
    (path / f"{table}.csv").unlink()
  report.build([path], tmp_path / "page.html")
  assert "nan" not in _text(tmp_path / "page.html").lower()


@pytest.mark.parametrize(
  "table", ["results", "overlaps", "histograms", "outputs"]
)
def test_torn_tables_are_named(tmp_path, table):
  path = synthetic.write_workdir(tmp_path / "run", "scan")
  file = path / f"{table}.csv"
  file.write_bytes(file.read_bytes()[:-3])
  with pytest.raises(UserError, match=rf"{table}\.csv") as caught:
    report.build([path], tmp_path / "page.html")
  assert "\n" not in str(caught.value)
  assert not (tmp_path / "page.html").exists()


def test_nothing_to_report(tmp_path):
  with pytest.raises(UserError, match="nothing to report"):
    conclude.load([])
  rows = synthetic.make("add_mul")
  dense = [row for row in rows["results"] if not row["subroutine"]]
  path = synthetic.write_workdir(tmp_path / "a", "add_mul", {"results": dense})
  with pytest.raises(UserError, match="no rows of masks"):
    conclude.load([path])
  both = rows["results"] + synthetic.make("scan")["results"]
  path = synthetic.write_workdir(tmp_path / "b", "add_mul", {"results": both})
  with pytest.raises(UserError, match="more than one experiment"):
    conclude.load([path])


def test_two_runs_of_one_experiment_stay_apart(tmp_path):
  paths = [
    synthetic.write_workdir(tmp_path / name, "double_addition")
    for name in ("first", "second")
  ]
  titles = [one.evidence.title for one in conclude.load(paths)]
  assert titles == [
    "double_addition, small (first)",
    "double_addition, small (second)",
  ]


def test_several_penalties_have_a_figure(tmp_path):
  rows = synthetic.make("add_mul")
  for table in ("results", "controls", "overlaps"):
    rows[table] += [
      {**row, "beta": 1e-2}
      for row in rows[table]
      if row.get("subroutine", "x") and row["regime"] == "scratch"
    ]
  path = synthetic.write_workdir(tmp_path / "run", "add_mul", rows)
  report.build([path], tmp_path / "page.html")
  text = _text(tmp_path / "page.html")
  assert "All but the figure about the penalty is about beta = 0.0004" in text
  assert "How much the penalty decides" in text


def test_evidence_of_a_page_is_not_changed(undrawn, tmp_path):
  path = synthetic.write_workdir(tmp_path / "run", "scan")
  (found,) = conclude.load([path])
  before = found.evidence.results.copy()
  report.page([found], {})
  pd.testing.assert_frame_equal(found.evidence.results, before)
