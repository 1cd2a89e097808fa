"""Tables on which a verdict is easily absurd, and what a sensible one is."""

import numpy as np
import pytest

from tests.studies.break_it_down import hand_made
from tests.studies.break_it_down.hand_made import answer, both, rows

NOT_LEARNED = {"own": 0.4, "ablated": ((0.25, 0.25),) * 3, "subnetwork": 0.1}


def untrained(*ablated, **kwargs):
  return both("random_init", ablated, **kwargs)


@pytest.mark.parametrize(
  ("networks", "label"),
  [
    ((-0.50, -0.45, -0.55), "modular by ablation"),
    # One network carries all, or one does not have it.
    ((-0.001, -0.001, -0.74), "undecided"),
    ((-0.001, -0.70, -0.70), "undecided"),
    ((0.0, -0.70, -0.70), "undecided"),
    ((0.003, -0.70, -0.70), "undecided"),
    # Ten may err, and three may not: three tell less.
    ((*[-0.6] * 9, 0.01), "modular by ablation"),
    ((-0.6, -0.6, 0.01), "undecided"),
    # At the smallest effect worth a claim, however it is rounded.
    (((0.75, 0.8),) * 3, "undecided"),
    (((0.5, 0.55),) * 3, "undecided"),
    (((0.55, 0.6),) * 3, "undecided"),
    (((0.4, 0.45),) * 3, "undecided"),
    ((-0.0501,) * 3, "undecided"),
    ((-0.0499,) * 3, "undecided"),
    # Two networks: only if they agree.
    ((-0.50, -0.45), "modular by ablation"),
    ((-0.70, -0.20), "undecided"),
    # Nothing is left that could show an effect.
    (((0.2999, 0.2999),) * 3, "undecided"),
    (((0.3, 0.3),) * 3, "undecided"),
    # The rest can do the same; or it lost all it could do, in equal parts.
    (((0.9, 0.9),) * 3, "redundant"),
    (((0.5, 0.5),) * 5, "not modular"),
    # Three networks and 300 problems do not tell 0 from 0.05.
    (((0.5, 0.5),) * 3, "undecided"),
    ((0.6,) * 3, "opposite effect"),
    # Means are over networks, not over masks.
    ((-0.6, -0.02, -0.02), "undecided"),
  ],
)
def test_label(networks, label):
  one = answer(both(ablated=networks))
  assert one.label == label


@pytest.mark.parametrize(
  ("first", "second"),
  [
    ((-0.001, -0.70, -0.70), (0.0, -0.70, -0.70)),
    ((0.0, -0.70, -0.70), (0.003, -0.70, -0.70)),
    (((0.75, 0.8),) * 3, ((0.55, 0.6),) * 3),
    (((0.5, 0.55),) * 3, ((0.4, 0.45),) * 3),
    ((-0.0501,) * 3, (-0.0499,) * 3),
  ],
)
def test_a_small_change_moves_the_probability_little(first, second):
  first, second = (
    answer(both(ablated=one)).numbers.probability for one in (first, second)
  )
  assert first == pytest.approx(second, abs=0.01)


def test_the_smallest_effect_is_as_probable_as_not():
  found = answer(both(ablated=((0.75, 0.8),) * 3)).numbers
  assert found.probability == pytest.approx(0.5)


def test_an_untrained_control_that_failed_is_not_passed():
  failed = both("random_init", **NOT_LEARNED)
  one = answer(both(), failed)
  assert one.label == "undecided"
  assert "of the random-init control did not learn" in one.sentence
  assert one.numbers.control < 0.01
  # Nor is one whose ablated networks compute nothing.
  collapsed = both("random_init", ((0.25, 0.25),) * 3)
  one = answer(both(), collapsed)
  assert one.label == "undecided"
  assert "of the random-init control leaves networks" in one.sentence


def test_trained_networks_must_exceed_untrained_ones_by_more_than_a_little():
  near = answer(both(ablated=(-0.55,) * 3), untrained(*[-0.5] * 3))
  assert near.label == "undecided"
  assert near.numbers.probability == pytest.approx(0.5)
  far = answer(both(ablated=(-0.75,) * 3), untrained(*[-0.5] * 3))
  assert far.label == "modular by ablation"


def test_one_untrained_network_moves_the_probability_but_not_over_an_edge():
  below, above = (
    answer(both(), untrained(0.5, 0.5, last)) for last in (-0.55, -0.49)
  )
  assert below.label == above.label == "undecided"
  assert below.numbers.probability == pytest.approx(
    above.numbers.probability, abs=0.05
  )


def test_networks_that_lack_masks_are_named_and_do_not_count():
  trained = both()
  lacking = trained[
    ~(
      (trained["base_seed"].eq(2) & trained["subroutine"].eq("verb"))
      | (trained["base_seed"].eq(1) & trained["subroutine"].eq("subject"))
    )
  ]
  one = answer(lacking)
  assert one.label == "undecided"
  assert "Fewer than two working base networks with masks of" in one.sentence
  assert "left out, no masks for 'verb': base seed 2" in one.notes
  assert "left out, no masks for 'subject': base seed 1" in one.notes
  # One network that lacks masks leaves two.
  one = answer(trained[trained.index != trained.index[-1]])
  assert {effect.num_networks for effect in one.effects} == {2}


def test_two_networks_are_less_sure_than_three():
  spread = 0.05
  two, three = (
    answer(both(ablated=tuple(-0.4 + spread * np.array(places)))).numbers
    for places in ((-1, 1), (-1, 0, 1))
  )
  assert two.probability < three.probability - 0.02


@pytest.mark.parametrize("counts", [(1, 1, 1), (1, 5, 2), (9, 1, 1)])
def test_numbers_of_masks_do_not_matter(counts):
  networks = (-0.6, -0.02, -0.02)
  repeated = tuple(
    [value] * count for value, count in zip(networks, counts, strict=True)
  )
  one = answer(both(ablated=repeated))
  assert one.label == "undecided"
  expected = answer(both(ablated=networks)).numbers.probability
  assert one.numbers.probability == pytest.approx(expected)


def test_a_rounding_error_of_own_accuracy_decides_nothing():
  exact, rounded = (
    answer(both(own=own)) for own in (0.9, float(np.float32(0.9)) - 1e-7)
  )
  assert exact.label == rounded.label == "undecided"
  assert "Whether the masks learned" in exact.sentence
  assert exact.numbers.informative == pytest.approx(0.5, abs=1e-3)
  assert rounded.numbers.informative == pytest.approx(0.5, abs=1e-3)


def test_own_accuracy_that_is_missing_is_not_passed():
  trained = both()
  trained.loc[0, "subnetwork_own"] = np.nan
  one = answer(trained)
  assert one.label == "undecided"
  assert "is missing" in one.sentence
  assert one.numbers.informative == 0.0


def test_networks_that_agree_exactly_are_not_certain():
  """The floor: so many problems tell an accuracy only so well."""
  many, few = (
    answer(both(ablated=((0.4, 0.5),) * 3, num_problems=count)).numbers
    for count in (30_000, 300)
  )
  assert few.probability < 0.95 < many.probability


def test_the_other_subroutine_alone_can_be_modular():
  trained = [
    rows(name="subject", ablated=(-0.6,) * 5),
    rows(name="verb", ablated=((0.5, 0.5),) * 5),
  ]
  one = answer(hand_made.joined(*trained))
  assert one.label == "not modular"
  assert "'subject' subnetwork costs 'subject' more than" in one.sentence
  assert "'verb' subnetwork costs 'verb' not more than" in one.sentence
