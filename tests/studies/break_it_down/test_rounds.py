"""Base networks are added until cuts decide, on a toy from start to end."""

import json
import types

import pandas as pd
import pytest

from structcomp_jax.io import files
from structcomp_jax.pipeline import rounds, run, workplace
from structcomp_jax.report import style
from structcomp_jax.structure import separability
from structcomp_jax.studies.break_it_down.findings import conclude, growth
from structcomp_jax.studies.break_it_down.study import BreakItDown

from . import toy

# Trainings and searches of more and of fewer rows give the same bits.
pytestmark = pytest.mark.usefixtures("usual_compiler")

TABLES = ("results", "controls", "densities", "cuts")


def make_config(base_seeds, most):
  config = toy.make_config(masked_from=("layer_1",), learning_rates=(0.3,))
  config.regimes = ("scratch", "random_init")
  config.base_seeds, config.search.seeds = base_seeds, (0,)
  config.auto_base_seeds.update({"most": most, "step": 1})
  config.cuts.update(
    {
      "num_steps": 6,
      "look_every": 3,
      "batch_size": 6,
      "masked_from": ("layer_1",),
    }
  )
  return config


def go(workdir, base_seeds, most=0):
  config = make_config(base_seeds, most)
  with pytest.MonkeyPatch.context() as patch:
    # Nothing here is about figures, and drawing them takes long.
    patch.setattr(style, "svg", lambda figure: "<svg></svg>")
    run.run(
      config,
      workdir,
      lambda config: BreakItDown(config, toy.Toy(pretrained=toy.PRETRAINED)),
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory):
  """A run that adds two base seeds and is killed twice; and one that has all.

  Returns:
    The directory of both work directories, `grown` and `whole`.
  """
  made = tmp_path_factory.mktemp("rounds")
  moments = []

  def is_decided(self, workdir):
    # What cuts say of a toy is of no interest, but it can be said.
    conclude.is_decided(workdir)
    kill_once("asked")
    return len(rounds.read(workdir)) == 2

  def search(self, work):
    if len(work.base_seeds) == 3:
      kill_once("search")
    return whole_search(self, work)

  def kill_once(moment):
    if moment not in moments:
      moments.append(moment)
      raise KeyboardInterrupt

  whole_search = BreakItDown.search
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(workplace.datasets, "load", toy.load_problems)
    patch.setattr(run, "build", lambda *args: None)
    go(made / "whole", (3, 5, 6, 7))
    patch.setattr(BreakItDown, "is_decided", is_decided)
    patch.setattr(BreakItDown, "search", search)
    for moment in ("asked", "search"):
      with pytest.raises(KeyboardInterrupt):
        go(made / "grown", (3, 5), most=5)
      assert moments[-1] == moment
    go(made / "grown", (3, 5), most=5)
  return made


def test_what_was_added_is_as_if_it_had_been_there_from_the_start(root):
  assert rounds.read(root / "grown") == [
    {"base_seeds": [3, 5], "then": "more"},
    {"base_seeds": [3, 5, 6], "then": "more"},
    {"base_seeds": [3, 5, 6, 7], "then": "decided"},
  ]
  for table in TABLES:
    grown, whole = (
      (root / name / f"{table}.csv").read_bytes() for name in ("grown", "whole")
    )
    assert grown == whole
    assert b",7," in grown


def test_the_page_says_how_many_networks_and_why(root, capsys):
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(workplace.datasets, "load", toy.load_problems)
    patch.setattr(run, "build", lambda *args: None)
    go(root / "grown", (3, 5), most=5)
  said = (
    "The answer about scratch was decided with 4 base networks of at most 5"
    " (round 3 of at most 4), so no more were added. Each of the 4 rounds that"
    " were planned is judged at a risk of 0.013, so that it is at most 0.05"
    " over all."
  )
  assert said in capsys.readouterr().out
  page = (root / "grown" / "report" / "index.html").read_text()
  assert said in page
  assert "in rounds, from 2 to at most 5, until the cuts" in page
  (verdict,) = json.loads(
    (root / "grown" / "report" / "verdicts.json").read_text()
  )
  assert verdict["cuts"]["sentence"].endswith(said)
  assert verdict["cuts"]["risk"] == pytest.approx(0.05 / 4)
  page = (root / "whole" / "report" / "index.html").read_text()
  assert "in rounds" not in page
  assert "planned" not in page
  (verdict,) = json.loads(
    (root / "whole" / "report" / "verdicts.json").read_text()
  )
  assert verdict["cuts"]["risk"] == 0.05


def test_the_study_is_decided_by_the_label_of_its_first_regime(
  root, monkeypatch
):
  judged, labels = [], []

  def judge(cuts, regime, *, failed, risk, **options):
    judged.append((regime, failed, risk))
    return separability.CutFinding(labels[-1], "", None, None, None, cuts, risk)

  monkeypatch.setattr(separability, "conclude", judge)
  table = pd.read_csv(root / "grown" / "results.csv")
  rows = table[table["subroutine"].isna() & (table["test_task"] == "base")]
  rows = rows.set_index("base_seed")
  accuracy = rows.loc[rows["regime"] == "scratch", "accuracy"]
  # Some of the trained networks have failed.
  config = make_config((3, 5), 5)
  config.evaluation.failed_below = float(accuracy.max())
  study = BreakItDown(config, toy.Toy(pretrained=toy.PRETRAINED))
  for label, is_decided in (
    ("separable", True),
    ("partly separable", True),
    ("not separable", True),
    ("undecided", False),
  ):
    labels.append(label)
    assert study.is_decided(root / "grown") == is_decided
  failed = set(accuracy.index[accuracy < accuracy.max()])
  assert 0 < len(failed) < 4
  assert judged == [("scratch", failed, 0.05 / 4)] * 4


def test_networks_fail_in_their_own_regime_alone(tmp_path, monkeypatch):
  def judge(cuts, regime, *, failed, **options):
    return separability.CutFinding(
      f"{regime} {set(failed)}", "", None, None, None, table=0
    )

  monkeypatch.setattr(separability, "conclude", judge)
  rows = {"regime": ["scratch", "simclr"], "base_seed": [3, 5]}
  differences = pd.DataFrame({**rows, "base_failed": True})
  one = types.SimpleNamespace(config={"base_seeds": [3, 5]}, path=tmp_path)
  found = conclude._conclude_cut(None, differences, "simclr", one)
  assert found.label == "simclr {5}"


SECTION = {"most": 7, "step": 2, "max_hours": 1.5}
SHARED = (
  " Each of the 3 rounds that were planned is judged at a risk of 0.017, so"
  " that it is at most 0.05 over all."
)


@pytest.mark.parametrize(
  ("ends", "expected"),
  [
    (
      [],
      "The work is not finished: 0 of at most 3 rounds are over, and launch.run"
      " adds base networks, up to 7, while the answer about simclr is open.",
    ),
    (
      ["more", "more"],
      "The work is not finished: 2 of at most 3 rounds are over, and launch.run"
      " adds base networks, up to 7, while the answer about simclr is open.",
    ),
    (
      ["more", "decided"],
      "The answer about simclr was decided with 5 base networks of at most 7"
      " (round 2 of at most 3), so no more were added.",
    ),
    (
      ["more", "more", "most"],
      "The answer about simclr was still open with 7 base networks, the most"
      " that were allowed (round 3 of at most 3).",
    ),
    (
      ["max_hours"],
      "The answer about simclr was still open with 3 base networks (round 1 of"
      " at most 3) when the time was over (1.5 hours).",
    ),
  ],
)
def test_the_sentence_says_why_no_more_were_added(tmp_path, ends, expected):
  config = {
    "regimes": ["simclr", "random_init"],
    "base_seeds": [0, 1, 2],
    "auto_base_seeds": SECTION,
  }
  plan = rounds.planned(config)
  files.write_json(
    tmp_path / "rounds.json",
    [
      {"base_seeds": seeds, "then": then}
      for seeds, then in zip(plan, ends, strict=False)
    ],
  )
  one = types.SimpleNamespace(config=config, path=tmp_path)
  assert growth.sentence(one) == expected + SHARED


def test_nothing_is_said_where_base_networks_were_given(tmp_path):
  one = types.SimpleNamespace(config={"base_seeds": [0, 1]}, path=tmp_path)
  assert growth.sentence(one) == ""
  assert growth.risk(one.config) == 0.05
