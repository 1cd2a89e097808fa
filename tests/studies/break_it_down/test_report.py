"""The page holds the answer, for complete and for partial data."""

import html.parser
import json
import re

import numpy as np
import pandas as pd
import pytest

from structcomp_jax.report.markup import number
from structcomp_jax.studies.break_it_down.findings import (
  conclude,
  statistics,
  summary,
  verdict,
)
from structcomp_jax.studies.break_it_down.page import details, report
from structcomp_jax.types import UserError
from tests.studies.break_it_down import synthetic


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


def _parsed(path):
  parser = _Links()
  parser.feed(path.read_text())
  return parser


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
  return synthetic.write_workdir(tmp_path_factory.mktemp("work") / "run")


@pytest.fixture(scope="module")
def built(complete):
  return report.build([complete], complete / "report"), complete


def test_page_is_one_file_without_scripts(built):
  summary, path = built
  assert summary["path"] == str(path / "report" / "index.html")
  page = _parsed(path / "report" / "index.html")
  assert page.external == []
  assert "script" not in page.tags
  assert {"svg", "table", "details"} <= page.tags


def test_page_starts_with_question_and_verdict(built):
  summary, path = built
  text = (path / "report" / "index.html").read_text()
  places = [
    text.index(part)
    for part in (
      "odd one out of four sentences",
      "modular by ablation",
      "How to read this page",
      "masks for",
      "Statistics",
      ">Every mask search<",
      "python -m launch.run",
    )
  ]
  assert places == sorted(places)
  assert summary["verdicts"][0]["label"] == "modular by ablation"


def test_page_shows_selection_versions_and_times(built):
  text = (built[1] / "report" / "index.html").read_text()
  for part in ("own_task", "0.0.test", "92.5 s", "layer_1/dense/kernel"):
    assert part in text


def test_statistics_are_ours_and_below_the_published(built):
  (found,) = conclude.load([built[1]])
  differences = found.evidence.differences
  rows = differences[differences["subroutine"] == "verb"]
  trained, untrained = (
    rows[rows["regime"] == regime] for regime in ("scratch", "random_init")
  )
  page = (built[1] / "report" / "index.html").read_text()
  ours, published = page[page.index("Statistics") :].split(
    "The published tests"
  )[:2]

  def row(table, quantity):
    """Returns the cells of D_abl of verb in a table."""
    cells = [
      re.findall(r"<td[^>]*>(.*?)</td>", line)
      for line in re.findall(r"<tr>.*?</tr>", table, re.DOTALL)
    ]
    (found,) = [
      one[3:] for one in cells if one[:3] == ["verb", quantity, "D_abl"]
    ]
    return found

  quantity = "trained from scratch minus never trained"
  pairs = statistics.network_comparisons(trained, untrained)["D_abl"]
  cells = row(ours, quantity)
  assert cells[0] == number(pairs.value, sign=True)
  assert cells[4:6] == ["0.2500 (0.2500)", "3 pairs"]
  assert cells[6] == number(pairs.detectable)
  assert row(ours, "never trained (control): mean")[5] == "3"
  as_published = statistics.comparison_tests(trained, untrained)["D_abl"]
  cells = row(published, quantity)
  assert cells[0] == number(as_published.value, sign=True)
  assert cells[2:] == ["&lt; 0.0001", "6"]


def _not_a_number(word):
  raise AssertionError(f"{word} is no JSON")


def test_verdicts_of_the_page_are_a_file_beside_it(built):
  summary, path = built
  text = (path / "report" / "verdicts.json").read_text()
  (one,) = json.loads(text, parse_constant=_not_a_number)
  assert [one] == summary["verdicts"]
  assert list(one) == [
    "experiment",
    "model",
    "regime",
    "label",
    "sentence",
    "probability",
    "informative",
    "informative_control",
    "statistics",
    "notes",
  ]
  assert one["label"] == "modular by ablation"
  for name in ("probability", "informative", "informative_control"):
    assert 0.95 < one[name] <= 1
  assert one["probability"] == min(
    effect["probability"] for effect in one["statistics"]
  )
  assert f">{one['label']}<" in (path / "report" / "index.html").read_text()
  assert [
    (effect["subroutine"], effect["difference"], effect["predicted"])
    for effect in one["statistics"]
  ] == [
    ("subject", "D_sub", "positive"),
    ("subject", "D_abl", "negative"),
    ("verb", "D_sub", "positive"),
    ("verb", "D_abl", "negative"),
  ]


def test_statistics_of_a_verdict_are_those_of_the_tables(built):
  (found,) = conclude.load([built[1]])
  differences, controls = found.evidence.differences, found.evidence.controls
  for effect in built[0]["verdicts"][0]["statistics"]:
    column = effect["difference"].lower()
    ours, untrained, matched = (
      table[
        (table["regime"] == regime)
        & (table["subroutine"] == effect["subroutine"])
      ].set_index(["base_seed", "candidate"])[column]
      for table, regime in (
        (differences, "scratch"),
        (differences, "random_init"),
        (controls, "scratch"),
      )
    )
    assert effect["mean"] == pytest.approx(ours.mean())
    assert (effect["num_searches"], effect["num_networks"]) == (9, 3)
    sign = 1 if column == "d_sub" else -1
    means = pd.DataFrame(
      {
        "damage": sign * matched.groupby("base_seed").mean(),
        "untrained": sign * untrained.groupby("base_seed").mean(),
      }
    )
    if column == "d_sub":
      means = means[["damage"]]
    highest = means.clip(lower=0).max(axis=1)
    excess = sign * ours.groupby("base_seed").mean() - highest
    assert effect["highest_control"] == pytest.approx(sign * highest.mean())
    expected = {
      "excess": (excess.mean(), 3),
      "against_zero": (ours.mean(), 3),
      "against_untrained": (ours.mean() - untrained.mean(), 6),
    }
    for name, (value, count) in expected.items():
      compared = effect[name]
      assert compared["estimate"] == pytest.approx(value), name
      assert compared["num_networks"] == count
      low, high = compared["interval"]
      assert low < value < high
      assert 0 <= compared["p_normal"] <= compared["p_t"] <= 1
    costs = "its own subroutine more than the other"
    assert effect.get("removal_costs") == (costs if sign < 0 else None)


def test_what_cannot_be_compared_is_noted(tmp_path):
  results = [
    synthetic.results_rows(regime, num_bases=2)
    for regime in ("scratch", "random_init")
  ]
  path = synthetic.write_workdir(
    tmp_path / "run", pd.concat(results), complete=False
  )
  report.build([path], tmp_path / "page.html")
  (one,) = json.loads((tmp_path / "page.verdicts.json").read_text())
  for effect in one["statistics"]:
    assert effect["against_untrained"]["num_networks"] == 4
    assert effect["against_untrained"]["num_pairs"] == 2
  assert "no random masks of the same size to compare with" in one["notes"]


def test_verdicts_and_summaries_are_computed_once(complete, monkeypatch):
  calls = []

  def counted(function):
    def call(*args):
      calls.append(function.__name__)
      return function(*args)

    return call

  for module in (conclude, summary, verdict):
    for name in ("summarise", "verdicts"):
      if hasattr(module, name):
        monkeypatch.setattr(module, name, counted(getattr(module, name)))
  report.build([complete], complete / "again")
  assert sorted(calls) == ["summarise", "verdicts"]


def test_terminal_table(built):
  text = built[0]["text"]
  assert "scratch: MODULAR BY ABLATION." in text
  line = next(one for one in text.splitlines() if "scratch subject" in one)
  assert "+0.65" in line
  assert "15.0%" in line


def test_least_possible_data(tmp_path):
  results = synthetic.results_rows(num_bases=1, num_masks=1)
  results = results.assign(margin=np.nan, model="<b>&")
  path = synthetic.write_workdir(tmp_path / "run", results, complete=False)
  summary = report.build([path], tmp_path / "page.html")
  assert summary["path"] == str(tmp_path / "page.html")
  assert summary["verdicts"][0]["label"] == "undecided"
  text = (tmp_path / "page.html").read_text()
  assert ">nan<" not in text
  assert "<b>&," not in text
  assert "sv_singular, &lt;b&gt;&amp;" in text


def test_failed_networks_and_dead_candidates(tmp_path):
  results = pd.concat(
    [synthetic.results_rows(), synthetic.results_rows("random_init")]
  )
  trained = results["regime"] == "scratch"
  failed = trained & (results["base_seed"] == 0)
  results.loc[failed, "base_accuracy"] = 0.7
  dead = trained & (results["base_seed"] == 1) & (results["mask_seed"] == 2)
  path = synthetic.write_workdir(
    tmp_path / "run", results[~dead], complete=False
  )
  summary = report.build([path], tmp_path)
  assert "left out, failed base seed: 0" in summary["verdicts"][0]["notes"]
  assert "5 (2, 1 failed)" in (tmp_path / "index.html").read_text()


def test_several_experiments_on_one_page(tmp_path):
  paths = [
    synthetic.write_workdir(
      tmp_path / name,
      pd.concat(
        [
          synthetic.results_rows(regime, experiment=name)
          for regime in ("scratch", "random_init")
        ]
      ),
      complete=False,
    )
    for name in ("sv_singular", "sv_plural")
  ]
  summary = report.build(paths, tmp_path / "report")
  found = [one["experiment"] for one in summary["verdicts"]]
  assert found == ["sv_singular", "sv_plural"]


def test_regimes_of_two_directories_stand_side_by_side(tmp_path):
  paths = []
  for regime in ("scratch", "lm_pretrained"):
    trained = synthetic.results_rows().assign(regime=regime)
    dense = trained["subroutine"].isna()
    results = pd.concat(
      [trained[~dense], trained[dense], synthetic.results_rows("random_init")]
    )
    paths.append(
      synthetic.write_workdir(tmp_path / regime, results, complete=False)
    )
  (found,) = conclude.load(paths)
  counts = found.evidence.differences.groupby("regime", sort=False).size()
  assert counts.to_dict() == {
    "scratch": 18,
    "lm_pretrained": 18,
    "random_init": 18,
  }
  assert list(counts.index)[-1] == "random_init"


def test_two_runs_of_one_regime_stay_apart(tmp_path):
  paths = [
    synthetic.write_workdir(tmp_path / name, complete=False)
    for name in ("first", "second")
  ]
  titles = [one.evidence.title for one in conclude.load(paths)]
  assert titles == ["sv_singular, small (first)", "sv_singular, small (second)"]


def test_published_selection_is_called_optimistic(tmp_path):
  def shown():
    return details.selections(conclude.load([path])[0].evidence.workdirs)

  path = synthetic.write_workdir(tmp_path / "run")
  assert "Caution" not in shown()
  assert "<code>masks/seed_0/subject/selection.json</code>" in shown()
  file = path / "masks" / "seed_0" / "subject" / "selection.json"
  file.write_text('{"rule": "published", "chosen": {"own_accuracy": 0.95}}')
  assert "is optimistic" in shown()


def test_dead_candidates_are_counted(tmp_path):
  path = synthetic.write_workdir(tmp_path / "run")
  file = path / "masks" / "seed_0" / "verb" / "metrics.jsonl"
  lines = [json.loads(line) for line in file.read_text().splitlines()]
  for line in lines:
    line["finite"] = line["candidate"] == 0
  file.write_text("".join(json.dumps(line) + "\n" for line in lines))
  (found,) = conclude.load([path])
  stopped = details.stopped(found.evidence.searches)
  assert "1 of 24 mask searches stopped" in stopped


def test_nothing_to_report():
  with pytest.raises(UserError, match="nothing to report"):
    conclude.load([])


def test_only_dense_rows(tmp_path):
  results = synthetic.results_rows()
  results = results[results["subroutine"].isna()].assign(ablation="none")
  path = tmp_path / "run"
  synthetic.write_workdir(path, results, complete=False)
  with pytest.raises(UserError, match="no row of a mask"):
    conclude.load([path])
