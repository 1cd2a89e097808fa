"""The tests of reports hold their level; the simulations ask those tests."""

import dataclasses

import numpy as np
import pytest

from structcomp_jax.report import markup
from structcomp_jax.types import UserError
from tools import null_designs, null_simulations
from tools.null_designs import Design, group

THREE = group(range(3))
UNEQUAL = {"masks": (1, 3, 9)}
# Design, method of the test, degrees of freedom where the design has them.
DESIGNS = [
  (Design("one group", group(range(4), **UNEQUAL)), "networks", 3),
  (Design("pairs", group((2, 0, 1), **UNEQUAL), THREE), "pairs", 2),
  (Design("some pairs", group(range(5)), group((1, 7, 3))), "pairs", 1),
  (Design("one pair", THREE, group((0, 8, 9, 10))), "welch", None),
  (Design("apart", group((0, 1), **UNEQUAL), group((7, 8, 9))), "welch", None),
]  # fmt: skip


@pytest.mark.parametrize(("design", "method", "freedom"), DESIGNS)
def test_many_data_sets_are_tested_as_reports_test_one(design, method, freedom):
  values = design.draw(20, np.random.default_rng(0))
  tested, numbers = design.test(values)
  for place in range(20):
    one = design.estimate([of_one[place] for of_one in values])
    assert one.method == method
    np.testing.assert_allclose(tested.value[place], one.value)
    np.testing.assert_allclose(tested.p[place], one.p_t)
    assert (tested.low[place], tested.high[place]) == pytest.approx(
      one.interval
    )
    if method == "welch":
      assert numbers.shape == (20, 0)
    else:
      assert one.freedom == freedom
      np.testing.assert_allclose(numbers[place].mean(), one.value)


def test_published_statistics_are_of_the_same_values():
  design = Design("pairs", group(range(3), **UNEQUAL), THREE)
  values = [one[0] for one in design.draw(1, np.random.default_rng(0))]
  found = design.published(values)
  assert found.method == "published"
  assert found.value == pytest.approx(values[0].mean() - values[1].mean())
  assert found.num_clusters == 6
  alone = dataclasses.replace(design, second=None)
  assert alone.published(values).value == pytest.approx(values[0].mean())


def test_draws_have_the_stated_spread_and_correlation():
  many = (1_000,)
  design = Design(
    "",
    group(range(2), masks=many, spread=(1.0, 3.0)),
    group((1, 5), masks=many, spread=(2.0,)),
    correlation=0.5,
  )
  values = design.draw(3_000, np.random.default_rng(0))
  first, second = (
    one.to_numpy().reshape(-1, 2) for one in design.network_means(values)
  )
  np.testing.assert_allclose(first.std(axis=0), [1.0, 3.0], rtol=0.06)
  np.testing.assert_allclose(second.std(axis=0), [2.0, 2.0], rtol=0.06)
  together = np.corrcoef(np.hstack([first, second]).T)
  expected = np.eye(4)
  expected[1, 2] = expected[2, 1] = 0.5
  np.testing.assert_allclose(together, expected, atol=0.08)
  noise = values[0][:, :5] - values[0][:, 5:10]
  assert noise.std() == pytest.approx(2**0.5, rel=0.05)


LEVEL_DESIGNS = [
  one
  for one in null_designs.designs()
  if one.words
  in (
    "3 networks, 3 masks each",
    "5 networks, 1, 3, 9, ... masks",
    "3 + 3, pairs",
    "3 + 3, pairs, correlation -0.5",
    "5 + 5, pairs, 1, 3, 9, ... masks",
    "10 + 10, pairs, spread 1 and 3",
    "10 + 10, no pairs, spread 1 and 3",
    "2 + 3, two pairs",
  )
]


@pytest.mark.parametrize("design", LEVEL_DESIGNS, ids=lambda one: one.words)
def test_a_true_null_is_rejected_5_percent_of_the_time(design):
  """Within four standard errors of the binomial distribution."""
  count = 20_000
  draws = np.random.default_rng(1)
  tested, _ = design.test(design.draw(count, draws))
  error = (0.05 * 0.95 / count) ** 0.5
  assert np.mean(tested.p < 0.05) == pytest.approx(0.05, abs=4 * error)
  missed = (tested.low > 0) | (tested.high < 0)
  assert np.mean(missed) == np.mean(tested.p < 0.05)


def test_the_published_difference_is_wrong_too_often():
  (design,) = (one for one in null_designs.designs() if one.words == (
    "2 + 2, pairs, 1, 3, 9, ... masks"
  ))  # fmt: skip
  found = null_simulations.rates(design, 200, 200, seed=0)
  # More than four standard errors above 5 %.
  assert found.published_t > 0.05 + 4 * (0.05 * 0.95 / 200) ** 0.5
  assert found.published_z > found.published_t
  assert found.method == "pairs"
  assert found.signs == 0.0


def test_sign_flips_of_many_networks_hold_their_level():
  found = null_simulations.rates(
    Design("", group(range(7))), simulations=1_000, calls=1_000, seed=0
  )
  # Multiples of 2 / 2^7 are possible; three of them are below 0.05.
  error = (0.05 * 0.95 / 1_000) ** 0.5
  assert found.signs == pytest.approx(3 / 64, abs=4 * error)


@pytest.fixture
def root(tmp_path):
  """A repository with the page."""
  page = tmp_path / null_simulations.PAGE
  page.parent.mkdir(parents=True)
  page.write_text(
    "before\n<!-- simulations -->\nold\n<!-- /simulations -->\nafter\n"
  )
  return tmp_path


def test_the_page_gets_a_row_for_every_design(root, monkeypatch, capsys):
  few = [Design("first one", THREE), Design("second", THREE, group((4, 5)))]
  monkeypatch.setattr(null_simulations, "designs", lambda: few)
  null_simulations.update(
    root, lambda: null_simulations.simulate(simulations=50, calls=5, seed=3)
  )
  text = (root / null_simulations.PAGE).read_text()
  assert text.startswith("before\n") and text.endswith("after\n")
  assert "old" not in text
  first, second = (
    next(line for line in text.splitlines() if line.startswith(f"| {name} |"))
    for name in ("first one", "second")
  )
  assert first.split(" | ")[1] == "networks"
  assert second.split(" | ")[1:4:2] == ["welch", markup.DASH]
  assert "--simulations=50 --calls=5 --seed=3`, commit " in text
  assert "3.08 points" in text
  assert first in capsys.readouterr().out


def test_a_page_without_a_place_is_refused_before_anything_is_drawn(root):
  (root / null_simulations.PAGE).write_text("nothing\n")

  def never():
    raise AssertionError("it was simulated")

  with pytest.raises(UserError, match="there is no place for the simulations"):
    null_simulations.update(root, never)
