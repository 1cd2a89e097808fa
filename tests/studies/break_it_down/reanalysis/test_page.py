"""The page shows every search, and is the same every time."""

import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from structcomp_jax.report import style
from structcomp_jax.studies.break_it_down.reanalysis import (
  figures,
  page,
  run,
  searches,
)
from tests.studies.break_it_down.reanalysis import synthetic


@pytest.fixture(scope="module")
def groups(published):
  return {
    searches.group_name(group): rows
    for group, rows in searches.groups(published.searches).items()
  }


def heights(axis):
  """Returns the heights of all points of a panel."""
  offsets = [np.asarray(one.get_offsets()) for one in axis.collections]
  return np.sort(np.concatenate(offsets)[:, 1])


def test_a_group_has_d_and_both_accuracies_of_every_search(groups):
  rows = groups["sv_agr-bert_small-scratch"]
  axes = figures.group_figure(rows).axes
  columns = [
    ("d_sub", "d_abl"),
    ("subnetwork_target", "subnetwork_other"),
    ("ablated_target", "ablated_other"),
  ]
  for place, pair in enumerate(columns):
    for axis, task in zip(
      axes[2 * place : 2 * place + 2], ("Subject", "Verb"), strict=True
    ):
      of_task = rows[rows["task"] == task]
      expected = np.sort(np.concatenate([of_task[name] for name in pair]))
      np.testing.assert_allclose(heights(axis), expected)
  assert axes[0].get_ylim() == (-1, 1)
  # Accuracies are not clamped.
  assert axes[2].get_ylim() == (0, 1.1)
  assert heights(axes[5]).min() < 0.25


def test_failed_networks_are_grey_and_plural_ones_have_another_edge(groups):
  axis = figures.group_figure(groups["inside_contact-resnet50-scratch"]).axes[0]
  colours = [tuple(one.get_facecolor()[0, :3]) for one in axis.collections]
  # Base networks 0, 1 and 2 of D_sub, then of D_abl.
  assert [colour == to_rgb(style.GREY) for colour in colours] == [
    False, False, True, False, False, True,
  ]  # fmt: skip
  axis = figures.group_figure(groups["sv_agr-bert_small-scratch"]).axes[0]
  edges = {
    tuple(edge[:3]) for one in axis.collections for edge in one.get_edgecolor()
  }
  assert len(edges) == 2


def test_heatmap_columns_are_numbered_without_failed_networks(groups):
  rows = groups["inside_contact-resnet50-scratch"]
  columns = figures.heatmap_columns(rows)
  assert list(columns) == [
    f"inside_contact {task} {number}"
    for task in ("contact", "inside")
    for number in (1, 2)
  ]
  of_second = rows[
    (rows["base_seed"] == synthetic.uuid("a")) & (rows["task"] == "Inside")
  ].sort_values("candidate")
  assert columns["inside_contact inside 2"] == [
    *of_second["d_abl"],
    *of_second["d_sub"],
  ]
  # The published heatmap skips one more there.
  simclr = figures.heatmap_columns(groups["inside_contact-resnet50-simclr"])
  assert len(simclr) == 4


def test_heatmaps_show_trained_networks(published):
  found = figures.published_heatmaps(published.searches)
  assert list(found) == [
    "Vision, trained from scratch",
    "Language, trained from scratch",
    "Vision, pretrained by SimCLR",
    "Language, pretrained",
  ]
  assert all(
    "random_init" not in set(rows["regime"]) for rows in found.values()
  )
  mesh = figures.heatmap_figure(found["Language, pretrained"]).axes[0]
  assert mesh.collections[0].get_array().shape == (6, 6)
  assert mesh.collections[0].get_clim() == (-0.75, 0.75)


def test_sizes_show_every_search_in_the_colour_of_its_stage(published):
  rows = published.searches
  rows = rows[(rows["regime"] == "scratch") & (rows["model"] == "resnet50")]
  figure = figures.sizes_figure(rows)
  np.testing.assert_allclose(heights(figure.axes[0]), np.sort(rows["l0"]))
  colours = figure.axes[0].collections[0].get_facecolor()[:, :3]
  stages = rows["masked_from"].tolist()
  assert len({(*colour,) for colour in colours}) == 2
  for stage in set(stages):
    of_stage = {
      (*colour,)
      for colour, one in zip(colours, stages, strict=True)
      if one == stage
    }
    assert len(of_stage) == 1


@pytest.fixture(scope="module")
def written(results, tmp_path_factory):
  out = tmp_path_factory.mktemp("reanalysis")
  run.reanalyse(results, out, out / "main.md")
  return out


def test_everything_is_written(written, published, points):
  html = (written / "index.html").read_text()
  names = [name for point in points.values() for name in point.tables]
  for name in names:
    stored = pd.read_csv(written / "points" / f"{name}.csv")
    assert len(stored)
    assert f"points/{name}.csv" in html
  assert {file.stem for file in (written / "points").iterdir()} == set(names)
  tables = {file.stem for file in (written / "analysis_data").iterdir()}
  assert tables == set(published.tables)
  stored = pd.read_csv(written / "statistics.csv")
  np.testing.assert_allclose(stored["p"], published.tests["p"])
  assert (written / "verdicts.json").is_file()
  assert published.digest in html


def test_settings_are_not_rounded_away():
  rows = pd.DataFrame(
    {"learning_rate": [1e-4], "p_t": [2e-5], "l0": [1234567.0], "d": [0.12345]}
  )
  html = page.frame_table(rows)
  for cell in ("0.0001", "2.0e-05", "1,234,567", "0.123"):
    assert f"<td>{cell}</td>" in html


def test_the_page_has_every_sentence_figure_and_test(
  written, published, points
):
  html = (written / "index.html").read_text()
  for point in points.values():
    assert point.title in html
    assert point.change.replace("'", "&#x27;").replace(">", "&gt;") in html
  num_groups = len(searches.groups(published.searches))
  heatmaps = figures.published_heatmaps(published.searches)
  assert html.count("<svg") == num_groups + len(heatmaps) + 1
  for name in published.tables:
    assert f"analysis_data/{name}.csv" in html
  assert "from 213 mask searches and 3510 evaluations" in html


def test_the_markdown_page_has_the_sentences_and_means(written, points):
  text = (written / "main.md").read_text()
  for point in points.values():
    assert f"| {point.label} | {point.title} | {point.done}" in text
    assert point.change in text
  for _, row in points["t"].tables["t_means"].iterrows():
    assert f"| {row['table']} | {row['task']} | {row['difference']} |" in text
  assert "| inside_count | wideresnet50 | scratch |" in text


@pytest.fixture
def undrawn(monkeypatch):
  """Leaves out what Matplotlib draws, which takes most of the time."""
  monkeypatch.setattr(style, "svg", lambda figure: "<svg></svg>")


def test_the_same_table_gives_the_same_bytes(
  written, results, undrawn, tmp_path
):
  run.reanalyse(results, tmp_path, tmp_path / "main.md")
  for file in written.rglob("*.*"):
    if file.is_file():
      before = re.sub(
        rb"(?s)<svg.*?</svg>\n?", b"<svg></svg>", file.read_bytes()
      )
      other = tmp_path / file.relative_to(written)
      assert other.read_bytes() == before, file.name


def test_the_same_table_gives_the_same_figures(published, groups):
  group = groups["sv_agr-bert_small-scratch"]
  heatmap = figures.published_heatmaps(published.searches)[
    "Language, pretrained"
  ]
  for draw, rows in (
    (figures.group_figure, group),
    (figures.heatmap_figure, heatmap),
    (figures.sizes_figure, group),
  ):
    assert style.svg(draw(rows)) == style.svg(draw(rows))


def reanalyse_part(directory, keep):
  """Makes the page of a part of the table."""
  table = synthetic.release()
  table[keep(table)].to_csv(directory / "part.csv", index=False)
  run.reanalyse(directory / "part.csv", directory / "out")
  assert (directory / "out" / "index.html").is_file()


@pytest.mark.parametrize(
  "keep",
  [
    lambda table: table["regime"] == "random_init",
    lambda table: table["base_model"] == synthetic.uuid("x"),
    lambda table: table["search_id"] == table["search_id"][0],
  ],
  ids=["untrained", "one base", "one search"],
)
def test_a_part_of_the_table_gives_a_page_too(tmp_path, keep):
  reanalyse_part(tmp_path, keep)


@pytest.mark.parametrize(
  "keep",
  [
    lambda table: table["model"] == "bert_small",
    lambda table: table["regime"] == "scratch",
    lambda table: table["ablation"] != "random",
  ],
  ids=["language", "scratch", "no fill"],
)
def test_a_large_part_has_figures_of_the_whole(undrawn, tmp_path, keep):
  """They are made, but not drawn again."""
  reanalyse_part(tmp_path, keep)
