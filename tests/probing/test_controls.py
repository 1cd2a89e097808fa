"""Control labels: a function of the type and of the seed alone."""

import jax
import numpy as np
import pytest

from structcomp_jax import probing
from structcomp_jax.types import UserError

SHARES = (0.5, 0.3, 0.2)
TYPES = np.arange(3000)


def labels_of(types, seed=0, shares=SHARES):
  return probing.control_labels(types, shares, key=jax.random.key(seed))


def test_a_label_depends_on_its_type_alone():
  every = labels_of(TYPES)
  order = np.random.default_rng(0).permutation(3000)
  np.testing.assert_array_equal(labels_of(TYPES[order]), every[order])
  np.testing.assert_array_equal(labels_of([7, 7, 2999]), every[[7, 7, 2999]])


def test_other_seeds_draw_other_labels():
  np.testing.assert_array_equal(labels_of(TYPES), labels_of(TYPES))
  agree = np.mean(labels_of(TYPES) == labels_of(TYPES, seed=1))
  assert agree == pytest.approx(0.5**2 + 0.3**2 + 0.2**2, abs=0.04)


def test_labels_are_drawn_as_often_as_in_the_task():
  counts = np.bincount(labels_of(TYPES), minlength=3) / 3000
  np.testing.assert_allclose(counts, SHARES, atol=0.03)


def test_keys_are_checked():
  with pytest.raises(UserError, match="make one typed key"):
    probing.control_labels([0], SHARES, key=0)


@pytest.mark.parametrize(
  "values",
  [
    np.array(["cat", "dog", "cat", "cow"]),
    np.array(["cat", "dog", "cat", "cow"], object),
    np.array([3, 1, 3, 2]),
    np.array([[1, 2], [2, 1], [1, 2], [1, 1]]),
    np.array([[True], [False], [True], [False]])[[0, 1, 0, 1]],
  ],
  ids=str,
)
def test_equal_values_have_one_number_in_every_split(values):
  ids = probing.type_ids(values)
  assert ids.dtype == np.int32
  assert ids.min() >= 0
  assert ids[0] == ids[2] != ids[1]
  np.testing.assert_array_equal(probing.type_ids(values[2:]), ids[2:])


def test_the_width_of_integers_does_not_matter():
  values = np.arange(5)
  np.testing.assert_array_equal(
    probing.type_ids(values), probing.type_ids(values.astype(np.uint8))
  )


@pytest.mark.parametrize("values", [np.ones(2), 3])
def test_other_types_are_refused(values):
  with pytest.raises(UserError, match="give texts"):
    probing.type_ids(values)
