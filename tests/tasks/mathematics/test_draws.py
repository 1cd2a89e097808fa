"""Random draws: the same for ever, of the right frequencies."""

import collections

import pytest

from structcomp_jax.tasks.mathematics.draws import Draws


def test_streams_are_named_and_never_change():
  numbers = [Draws("sort", "easy").whole(0, 999) for _ in range(2)]
  assert numbers == [747, 747]
  assert Draws("sort", "hard").whole(0, 999) == 381
  assert round(Draws("sort", "easy").uniform(1, 3), 6) == 2.460828


def test_whole_numbers_of_any_size_are_equally_frequent():
  draws = Draws("whole")
  counts = collections.Counter(draws.whole(-1, 1) for _ in range(3000))
  assert set(counts) == {-1, 0, 1}
  assert min(counts.values()) > 900
  assert max(draws.whole(0, 10**30) for _ in range(99)) > 9 * 10**29


def test_places_follow_their_weights():
  draws = Draws("place")
  counts = collections.Counter(draws.place((1, 0, 3)) for _ in range(4000))
  assert set(counts) == {0, 2}
  assert 850 < counts[0] < 1150


def test_shuffled_values_are_all_there_in_every_order():
  draws = Draws("shuffled")
  orders = collections.Counter(
    "".join(draws.shuffled("abc")) for _ in range(1200)
  )
  assert len(orders) == 6
  assert min(orders.values()) > 150


def test_shares_divide_a_total_at_random():
  draws = Draws("shares")
  found = [draws.shares(6.0, 3) for _ in range(2000)]
  for shares in found:
    assert sum(shares) == pytest.approx(6)
    assert min(shares) >= 0
  for number in range(3):
    mean = sum(shares[number] for shares in found) / len(found)
    assert mean == pytest.approx(2, abs=0.12)
  assert draws.shares(6.0, 1) == [6.0]
