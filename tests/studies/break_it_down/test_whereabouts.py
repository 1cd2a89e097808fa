"""The page says where planted masks lie, with controls beside every number."""

import base64
import dataclasses
import html
import re

import pandas as pd
import pytest

from structcomp_jax.report import markup, style
from structcomp_jax.studies.break_it_down.findings import conclude, places
from structcomp_jax.studies.break_it_down.page import (
  anatomy_figures,
  methods,
  report,
  whereabouts,
)
from tests.studies.break_it_down import planted_masks, synthetic


@pytest.fixture(scope="module")
def path(tmp_path_factory):
  return planted_masks.write(tmp_path_factory.mktemp("planted") / "run")


@pytest.fixture(scope="module")
def findings(path):
  (found,) = conclude.load([path])
  return found


@pytest.fixture(scope="module")
def page(path):
  """Returns the HTML of the page, whose tables lie beside it."""
  report.build([path], path / "report")
  return (path / "report" / "index.html").read_text()


def words(text):
  """Returns HTML as plain text in single spaces."""
  text = re.sub(r"(?s)<svg.*?</svg>|<style.*?</style>", " ", text)
  plain = html.unescape(re.sub(r"<[^>]+>", " ", text))
  return re.sub(r"\s+", " ", plain)


def cells(text, *start):
  """Returns the cells of the rows of all tables that start with some."""
  rows = [
    [words(cell).strip() for cell in re.findall(r"<td>(.*?)</td>", line)]
    for line in re.findall(r"(?s)<tr>(.*?)</tr>", text)
  ]
  return [row for row in rows if row[: len(start)] == list(start)]


def test_planted_heads_stand_on_the_page_beside_their_controls(page):
  for compared, heads in (
    (places.MASKS, "100.0%"),
    (places.CUT, "100.0%"),
    (f"{places.NONSENSE} (control)", "0%"),
    (f"{places.REPEATED} (control)", "0%"),
  ):
    (row,) = cells(page, "trained from scratch", compared)
    # Two masks of either subroutine are compared.
    count = "4" if "two masks" in compared else "2"
    assert row[4].split() == [heads, "of", count]
    assert row[-1] == "2"
    (row,) = cells(page, "never trained (control)", compared)
    assert row[4].split() == ["0%", "of", count]
  text = words(page)
  assert (
    "Trained from scratch, cut between the subroutines: 0% of the matrices,"
    " 100.0% of the heads"
  ) in text
  assert (
    "in the control (cut between nonsense properties) 0% of the neu" in text
  )


def test_overlaps_stand_beside_chance_with_intervals(page):
  (row,) = cells(page, "trained from scratch", places.DIFFERENT)[:1]
  share, of_smaller, excess, noise, networks = row[2:]
  share, of_smaller, excess, noise = (
    cell.replace(markup.MINUS, "-").replace(markup.PLUS_MINUS, "+-")
    for cell in (share, of_smaller, excess, noise)
  )
  pattern = r"0\.\d\d \[-?0\.\d\d, \d\.\d\d\] random 0\.\d\d"
  assert re.fullmatch(pattern, share)
  assert re.fullmatch(pattern, of_smaller)
  assert re.fullmatch(r"-0\.\d\d \[-[01]\.\d\d, [+-]0\.\d\d\]", excess)
  assert re.fullmatch(r"\+-0\.0\d\d", noise)
  assert networks == "2"
  assert ("masks for different subroutines share") in words(page)
  assert "less than random masks of the same sizes" in words(page)
  assert "more than random masks of the same sizes" in words(page)


def test_networks_that_failed_are_left_out(path, tmp_path):
  results = pd.read_csv(path / "results.csv")
  is_bad = (results["regime"] == "scratch") & (results["base_seed"] == 0)
  results.loc[is_bad, "base_accuracy"] = 0.5
  other = planted_masks.write(tmp_path / "run")
  results.to_csv(other / "results.csv", index=False)
  (found,) = conclude.load([other])
  rows = whereabouts.working(found.evidence, found.evidence.anatomy)
  kept = rows[["regime", "base_seed"]].drop_duplicates()
  assert sorted(kept.itertuples(index=False, name=None)) == [
    ("random_init", 0),
    ("random_init", 1),
    ("scratch", 1),
  ]
  (row,) = cells(
    whereabouts.section(found.evidence), "trained from scratch", places.CUT
  )
  assert row[-1] == "1"
  assert "[" not in "".join(row)


def test_where_there_are_no_masks_only_the_densities_are_shown(tmp_path):
  bare = synthetic.write_workdir(tmp_path / "bare", complete=False)
  (found,) = conclude.load([bare])
  assert whereabouts.section(found.evidence) == ""
  more = synthetic.write_workdir(tmp_path / "more")
  (found,) = conclude.load([more])
  text = whereabouts.section(found.evidence)
  assert "Weights kept per matrix" in text
  assert "What masks share" not in text


def test_heads_are_drawn_with_their_owners(findings):
  heads = findings.evidence.anatomy
  heads = heads[heads["unit"] == "head"]
  text = style.svg(anatomy_figures.head_figure(heads))
  # Two networks with two heads each, in masks and in cuts.
  assert text.count("\u25cf") == 8
  assert "blue: subject, orange: verb" in text
  assert "<image" not in text


def test_neurons_of_both_sides_are_drawn(findings):
  figure = anatomy_figures.neuron_figure(findings.evidence.anatomy)
  titles = [axis.get_title(loc="left") for axis in figure.axes]
  assert titles == 2 * [
    "masks for the two\nsubroutines",
    "two masks for one\nsubroutine",
    "cut between the\nsubroutines",
    "cut between nonsense\nproperties",
  ]
  labels = [
    [text.get_text() for text in axis.get_legend().get_texts()]
    for axis in figure.axes[:4]
  ]
  assert labels == [
    ["subject", "verb"],
    ["one search", "another"],
    ["subject", "verb"],
    ["kept side", "other side"],
  ]


def test_tables_lie_beside_the_page_and_inside_of_it(page, path, findings):
  anatomy = pd.read_csv(path / "report" / "anatomy.csv")
  every = findings.evidence.anatomy
  assert set(anatomy["experiment"]) == {"sv_singular"}
  for unit in ("matrix", "head"):
    assert (anatomy["unit"] == unit).sum() == (every["unit"] == unit).sum()
  neurons = anatomy[anatomy["unit"] == "neuron"]
  assert neurons["belongs"].notna().all()
  is_owned = (every["unit"] == "neuron") & (every["belongs"] != "")
  assert len(neurons) == is_owned.sum()
  overlaps = pd.read_csv(path / "report" / "overlaps.csv")
  assert len(overlaps) == len(findings.evidence.overlaps)
  links = dict(
    re.findall(r'download="([^"]+)" href="data:[\w/]+;base64,([^"]+)"', page)
  )
  for name in ("results.csv", "cuts.csv"):
    assert base64.b64decode(links[name]) == (path / name).read_bytes()
  for name in ("verdicts.json", "overlaps.csv"):
    file = path / "report" / name
    assert base64.b64decode(links[name]) == file.read_bytes()


def test_methods_tell_the_numbers_of_the_run(path, page):
  text = words(page[page.index('id="methods"') : page.index('id="downloads"')])
  for part in (
    "the odd-one-out task sv_singular",
    "its subroutines subject and verb",
    "Networks were of the kind small (num heads 2)",
    "2 base networks trained from scratch and 2 base networks never trained",
    "This gave 16 masks, 2 per network and subroutine.",
    "random masks with as many weights in every matrix",
    "1 pair of nonsense properties",
    "at least 2 to 1",
    "arXiv:2301.10884",
    "arXiv:2010.02066",
    "JAX 0.0.test",
  ):
    assert part in text, part
  # The config of this directory does not say how masks were searched.
  assert "The relaxation was" not in text
  assert "None" not in text


def test_methods_tell_the_config(path, findings):
  search = {
    "relaxation": {"name": "continuous_sparsification", "tau": 1},
    "num_steps": 0,
    "num_epochs": 90,
    "batch_size": 64,
    "unit": "weight",
    "schedule": "geometric",
    "max_beta": 200.0,
  }
  cuts = {
    "relaxation": "gumbel_sigmoid",
    "num_steps": 160,
    "look_every": 20,
    "batch_size": 32,
    "learning_rates": [0.1],
  }
  training = {"num_steps": 0, "num_epochs": 4, "learning_rate": 1e-3}
  training["batch_size"] = 32
  (one,) = findings.evidence.workdirs
  config = {**one.config, "search": search, "cuts": cuts, "training": training}
  text = " ".join(methods.paragraphs(_with_config(findings.evidence, config)))
  for part in (
    "for at most 4 epochs with Adam (step size 0.001, batches of 32)",
    "over 1,000 weights (the matrices from layer_0 on, one mask element per",
    "The relaxation was continuous sparsification,",
    "(step size 0.01, initial logit 0.05, penalty of a kept weight 1e-08), for"
    " 90 epochs with batches of 64",
    "rose from 1 to 200 during the search (geometric)",
    "learned subject and those that it removes verb",
    "for 160 steps of Adam (step size 0.1, batches of 32), judged every 20",
    "with the initial weights of those trained from scratch",
  ):
    assert part in text, part
  without = {**config, "cuts": {**cuts, "num_steps": 0}}
  without["search"] = {**search, "relaxation": "gumbel_sigmoid"}
  text = " ".join(methods.paragraphs(_with_config(findings.evidence, without)))
  assert "cut in two by one mask" not in text
  assert "rose from 1" not in text


def _with_config(evidence, config):
  (one,) = evidence.workdirs
  changed = dataclasses.replace(one, config=config)
  return dataclasses.replace(evidence, workdirs=(changed,))
