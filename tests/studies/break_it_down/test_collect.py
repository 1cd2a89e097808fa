"""Work directories come together without mixing their networks."""

import dataclasses
import pathlib

import pandas as pd
import pytest

from structcomp_jax.io import layout
from structcomp_jax.report import workdir
from structcomp_jax.studies.break_it_down.findings import collect, conclude
from structcomp_jax.types import UserError
from tests.studies.break_it_down import synthetic

RESULTS = pathlib.Path(__file__).parents[3] / "docs" / "results"
TABLES = ("differences", "controls", "densities", "training", "searches")


def _results(regime, **cells):
  """Returns little, so that it is quick: one mask, no margins, no losses."""
  rows = synthetic.results_rows(num_bases=1, num_masks=1)
  rows = rows[rows["subroutine"] != "verb"]
  return rows.drop(columns=["margin", "loss"]).assign(regime=regime, **cells)


def _workdir(name, *regimes, missing=(), **cells):
  """Returns a directory whose base accuracies are its `mark`."""
  mark = {"first": 0.91}.get(name, 0.92)
  parts = [_results(one, base_accuracy=mark, **cells) for one in regimes]
  results = pd.concat(parts)
  rows = pd.DataFrame({"regime": regimes, "base_accuracy": mark})
  tables = {"results": results, "controls": results, "densities": rows}
  process = dict.fromkeys(("training", "searches"), rows)
  return workdir.Workdir(
    paths=layout.Paths(pathlib.Path(name), regimes[0]),
    tables={key: tables[key] for key in tables if key not in missing},
    config={},
    selections={},
    mask_files={},
    timings={},
    versions={},
    **{
      key: pd.DataFrame() if key in missing else table
      for key, table in process.items()
    },
  )


def _networks(*workdirs):
  return collect.collect(workdirs, base_threshold=0.9)


def _marks(table):
  """Returns {regime: mark} in the order of the rows."""
  pairs = table[["regime", "base_accuracy"]].drop_duplicates()
  return list(pairs.itertuples(index=False, name=None))


def test_the_first_directory_holds_for_a_regime_of_both():
  (network,) = _networks(
    _workdir("first", "scratch", "random_init"),
    _workdir("second", "pruned", "random_init"),
  )
  expected = [("scratch", 0.91), ("random_init", 0.91), ("pruned", 0.92)]
  for name in TABLES:
    assert sorted(_marks(getattr(network, name))) == sorted(expected)
  assert [regime for regime, _ in _marks(network.differences)] == [
    "scratch",
    "pruned",
    "random_init",
  ]
  assert network.trained_regimes() == ["scratch", "pruned"]
  assert [one.path.name for one in network.workdirs] == ["first", "second"]


@pytest.mark.parametrize("lacking", ["first", "second"])
def test_tables_that_one_directory_lacks_are_the_other_one_s(lacking):
  (network,) = _networks(
    _workdir("first", "scratch", missing=TABLES[1:] * (lacking == "first")),
    _workdir("second", "pruned", missing=TABLES[1:] * (lacking == "second")),
  )
  expected = ("pruned", 0.92) if lacking == "first" else ("scratch", 0.91)
  for name in TABLES[1:]:
    assert _marks(getattr(network, name)) == [expected]


def test_a_table_that_both_directories_lack_is_missing():
  (network,) = _networks(
    _workdir("first", "scratch", missing=TABLES[1:]),
    _workdir("second", "pruned", missing=TABLES[1:]),
  )
  assert network.controls is None
  assert network.densities is None
  assert network.training.empty
  assert network.searches.empty
  assert network.overlaps.empty


def test_only_regimes_of_one_model_and_experiment_join():
  few = {"missing": TABLES[1:]}
  found = _networks(
    _workdir("first", "scratch", **few),
    _workdir("second", "scratch", **few),
    _workdir("third", "pruned", **few),
    _workdir("fourth", "pruned", model="large", **few),
    _workdir("fifth", "pruned", experiment="other", **few),
  )
  assert [
    (one.title, [each.path.name for each in one.workdirs]) for one in found
  ] == [
    ("sv_singular, small (first)", ["first", "third"]),
    ("sv_singular, small (second)", ["second"]),
    ("sv_singular, large", ["fourth"]),
    ("other, small", ["fifth"]),
  ]
  assert (found[2].experiment, found[2].model) == ("sv_singular", "large")


def test_two_experiments_in_one_directory_are_refused():
  one = _workdir("first", "scratch")
  both = pd.concat([one.results, _results("scratch", experiment="other")])
  two = dataclasses.replace(one, tables={"results": both})
  with pytest.raises(UserError, match="more than one experiment or model"):
    _networks(two)


def test_the_threshold_of_base_networks_holds_for_their_controls():
  one = _workdir("first", "scratch")
  (network,) = collect.collect([one], base_threshold=0.915)
  assert network.differences["base_failed"].all()
  assert network.controls["base_failed"].all()


def test_only_regimes_that_were_cut_have_an_answer_of_cuts():
  """The networks that SimCLR pretrained come from a run without cuts."""
  (found,) = conclude.load(
    [RESULTS / "inside_contact", RESULTS / "inside_contact_simclr"]
  )
  assert "simclr" in found.evidence.trained_regimes()
  assert set(found.cuts) == {"scratch"}
