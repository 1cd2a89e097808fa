"""Base seeds are added in rounds: when, which ones, and after a kill."""

import itertools
import json
import logging
import types

import ml_collections
import pytest

from configs.common.runtime import runtime
from structcomp_jax.pipeline import rounds, run
from structcomp_jax.types import UserError

FIRST = (4, 1)
# With these, rounds have 2, 5, 8 and 9 base networks.
MOST, STEP = 9, 3
SEEDS = (4, 1, 5, 6, 7, 8, 9, 10, 11)
SIZES = (2, 5, 8, 9)


def make_config(most=MOST, max_hours=0.0, first=FIRST):
  return ml_collections.ConfigDict(
    {
      "regimes": ("scratch",),
      "base_seeds": first,
      "search": {"seeds": (0,)},
      "auto_base_seeds": {
        "most": most,
        "step": STEP,
        "max_hours": max_hours,
      },
      "runtime": runtime(),
    }
  )


class Killed(BaseException):
  """The process ends here."""


class Road:
  """The steps of an experiment, which only say what they are asked.

  Attributes:
    taken: (step, base seeds) of every step.
    asked: number of base seeds whenever the study is asked.
    decides_at: with so many base seeds the answer is decided.
    kill_at: the number of the step that is killed.
    hours: that a step takes.
  """

  def __init__(self, workdir):
    self.workdir = workdir
    self.taken, self.asked = [], []
    self.decides_at, self.kill_at, self.hours = 99, None, 0.0

  def step(self, name):
    def take(work):
      self.taken.append((name, work.base_seeds))
      if len(self.taken) == self.kill_at:
        raise Killed
      if self.hours:
        timings = {"train": self.hours * 3600 * len(self.rounds())}
        (self.workdir / "timings.json").write_text(json.dumps(timings))

    return take

  def make_study(self, config):
    def is_decided(workdir):
      assert workdir == self.workdir
      self.asked.append(len(self.taken[-1][1]))
      if self.kill_at == -len(self.asked):
        raise Killed
      return self.asked[-1] >= self.decides_at

    return types.SimpleNamespace(config=config, is_decided=is_decided)

  def rounds(self):
    """Returns the base seeds of every training."""
    return [seeds for name, seeds in self.taken if name == "train"]

  def run(self, config=None):
    run.run(config or make_config(), self.workdir, self.make_study)

  def ends(self):
    """Returns (number of base seeds, what follows) of every round."""
    return [
      (len(one["base_seeds"]), one["then"]) for one in rounds.read(self.workdir)
    ]


@pytest.fixture
def road(tmp_path, monkeypatch):
  made = Road(tmp_path / "run")
  steps = {name: made.step(name) for name in run.STEPS}
  monkeypatch.setattr(run, "STEPS", steps)
  return made


@pytest.mark.parametrize("most", range(3, 12))
@pytest.mark.parametrize("step", [1, 2, 3, 20])
def test_every_round_has_the_seeds_before_and_more(most, step):
  plan = rounds.planned(
    {
      "base_seeds": list(FIRST),
      "auto_base_seeds": {"most": most, "step": step},
    }
  )
  assert plan[0] == FIRST
  assert len(set(plan[-1])) == len(plan[-1]) == most
  for before, after in itertools.pairwise(plan):
    assert after[: len(before)] == before
    assert 1 <= len(after) - len(before) <= step
  # Only the last addition may be smaller.
  assert len(plan) == 1 + -(-(most - 2) // step)


@pytest.mark.parametrize("section", [{}, {"auto_base_seeds": {"most": 0}}])
def test_without_the_section_there_is_one_round(section):
  assert rounds.planned({"base_seeds": FIRST, **section}) == [FIRST]
  assert rounds.planned(section) == [()]


@pytest.mark.parametrize(
  ("decides_at", "num_rounds"), [(1, 1), (3, 2), (5, 2), (9, 4)]
)
def test_a_run_stops_when_the_answer_is_decided(road, decides_at, num_rounds):
  road.decides_at = decides_at
  road.run()
  used = [SEEDS[:size] for size in SIZES[:num_rounds]]
  assert road.taken == [
    ("prepare_data", FIRST),
    *(
      (name, seeds)
      for seeds in used
      for name in ("train", "search", "evaluate")
    ),
    ("report", used[-1]),
  ]
  more = [(size, "more") for size in SIZES[: num_rounds - 1]]
  assert road.ends() == [*more, (SIZES[num_rounds - 1], "decided")]


def test_a_run_stops_when_there_are_as_many_as_allowed(road, caplog):
  with caplog.at_level(logging.INFO, logger="absl"):
    road.run()
  assert road.rounds() == [SEEDS[:size] for size in SIZES]
  assert road.ends() == [*((n, "more") for n in SIZES[:-1]), (9, "most")]
  said = [line for line in caplog.messages if line.startswith("round ")]
  assert said == [
    "round 1 of at most 4, 2 base networks: still undecided, adding base seeds"
    " 5, 6, 7",
    "round 2 of at most 4, 5 base networks: still undecided, adding base seeds"
    " 8, 9, 10",
    "round 3 of at most 4, 8 base networks: still undecided, adding base seeds"
    " 11",
    "round 4 of at most 4, 9 base networks: still undecided, and no more are"
    " allowed (auto_base_seeds.most)",
  ]


def test_a_run_stops_when_the_time_is_over(road):
  road.hours = 1.0
  road.run(make_config(max_hours=2.0))
  assert road.ends() == [(2, "more"), (5, "max_hours")]
  # It says so in the end, though it would have time again.
  (road.workdir / "timings.json").unlink()
  road.hours = 0.0
  road.run(make_config(max_hours=2.0))
  assert road.ends() == [(2, "more"), (5, "max_hours")]
  assert road.taken[-1] == ("report", SEEDS[:5])


def test_an_answer_counts_though_the_time_is_over(road):
  road.hours, road.decides_at = 5.0, 2
  road.run(make_config(max_hours=2.0))
  assert road.ends() == [(2, "decided")]


def test_base_seeds_are_only_added_where_the_config_says_so(road):
  road.run(make_config(most=0))
  assert road.rounds() == [FIRST]
  assert not road.asked
  assert not (road.workdir / "rounds.json").exists()


def test_a_run_that_is_over_asks_no_more(road):
  road.decides_at = 5
  road.run()
  before = (road.workdir / "rounds.json").read_bytes()
  road.decides_at = 99
  road.run()
  assert road.asked == [2, 5]
  assert (road.workdir / "rounds.json").read_bytes() == before
  assert road.taken[-1] == ("report", SEEDS[:5])


@pytest.mark.parametrize("kill_at", [*range(1, 9), -1, -2])
def test_a_run_that_was_killed_goes_on_in_its_round(road, kill_at):
  """It is killed in a step, or (negative) while the study is asked."""
  road.decides_at, road.kill_at = 5, kill_at
  with pytest.raises(Killed):
    road.run()
  config = (road.workdir / "config.json").read_bytes()
  reached = road.taken[-1][1]
  road.kill_at, road.taken = None, []
  road.run()
  assert road.taken[0] == ("prepare_data", reached)
  assert road.rounds()[0] == reached
  assert road.ends() == [(2, "more"), (5, "decided")]
  assert road.taken[-1] == ("report", SEEDS[:5])
  assert (road.workdir / "config.json").read_bytes() == config


def test_single_steps_work_on_the_round_that_is_reached(road):
  for reached in (2, 5, 8):
    road.kill_at = None
    for name in ("train", "evaluate", "report"):
      run.run_step(name, make_config(), road.workdir, road.make_study)
      assert road.taken[-1] == (name, SEEDS[:reached])
    # The next round begins, and no more.
    road.kill_at = len(road.taken) + 5
    with pytest.raises(Killed):
      road.run()
    assert road.asked == list(SIZES[: len(road.asked)])


def test_the_plan_of_a_work_directory_stays(road):
  road.run()
  for config in (
    make_config(first=(*FIRST, 2)),
    make_config(most=MOST + 1),
    make_config(max_hours=1.0),
    make_config(most=0),
  ):
    with pytest.raises(UserError, match="another config"):
      road.run(config)
  more_masks = make_config()
  more_masks.search.seeds = (0, 1)
  road.run(more_masks)
  assert road.asked == list(SIZES)
