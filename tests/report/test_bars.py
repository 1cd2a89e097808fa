"""Bars stand at means of base networks, whose points can be seen."""

import math

import pandas as pd
import pytest
from matplotlib.figure import Figure

from structcomp_jax.report import bars


def test_networks_are_averaged_and_gaps_left_out():
  rows = pd.DataFrame(
    {"base_seed": [0, 0, 1, 2], "v": [1.0, 0.0, 0.25, math.nan]}
  )
  assert bars.by_network(rows, "v") == {0: 0.5, 1: 0.25}
  assert bars.by_network(rows[:0], "v") == {}


def test_bars_points_and_marks():
  axis = Figure().subplots()
  bars.grouped(
    axis,
    ["first", "second"],
    {"a": [{0: 1.0, 1: 0.5}, {}], "b": [{0: 0.25}, {4: 0.5}]},
    {"a": "#000000", "b": "#ffffff"},
    marks={"b": [math.nan, 0.1]},
  )
  heights = [patch.get_height() for patch in axis.patches]
  assert heights == pytest.approx([0.75, 0.25, 0.5])
  # Side by side, inside the space of their group.
  left, right, last = (
    patch.get_x() + patch.get_width() / 2 for patch in axis.patches
  )
  assert -0.5 < left < 0 < right < 0.5
  assert last == pytest.approx(1 + right)
  (lines,) = [one for one in axis.collections if hasattr(one, "get_segments")]
  (segment,) = lines.get_segments()
  assert segment[0][1] == 0.1
  assert segment[0][0] < last < segment[1][0]
  points = [
    one.get_offsets()[0].tolist()
    for one in axis.collections
    if one is not lines
  ]
  assert sorted(y for _, y in points) == [0.25, 0.5, 0.5, 1.0]
  assert [label.get_text() for label in axis.get_xticklabels()] == [
    "first",
    "second",
  ]
