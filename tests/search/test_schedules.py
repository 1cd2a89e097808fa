"""Beta over a search, against values worked out by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax.search import schedules
from structcomp_jax.types import UserError


def betas(name, steps_per_epoch, num_epochs, max_beta):
  """Returns beta at every step of a run."""
  schedule = schedules.get_schedule(name)
  num_steps = steps_per_epoch * num_epochs
  steps = jnp.arange(num_steps)
  return np.asarray(schedule(steps, steps_per_epoch, num_steps, max_beta))


def test_geometric_by_hand():
  # Five steps from 1 to 16: a factor of 2 each.
  np.testing.assert_allclose(
    betas("geometric", 5, 1, 16.0), [1, 2, 4, 8, 16], rtol=1e-6
  )


def test_geometric_grows_from_1_to_200_by_one_factor():
  values = betas("geometric", 7, 90, 200.0)
  assert values[0] == 1.0
  assert values[-1] == pytest.approx(200.0, rel=1e-5)
  np.testing.assert_allclose(
    values[1:] / values[:-1], 200 ** (1 / 629), rtol=1e-5
  )


def test_per_epoch_is_one_tick_ahead_and_constant_within_an_epoch():
  values = betas("per_epoch", 4, 90, 200.0).reshape(90, 4)
  assert (values == values[:, :1]).all()
  np.testing.assert_allclose(
    values[:, 0], [200 ** (epoch / 90) for epoch in range(1, 91)], rtol=1e-5
  )
  assert values[0, 0] == pytest.approx(1.0606, abs=1e-4)
  assert values[-1, 0] == pytest.approx(200.0, rel=1e-5)


def test_schedules_end_with_a_plan_that_counts_steps():
  # Ten steps are two epochs and a half.
  for name, last in (("geometric", 100.0), ("per_epoch", 100.0)):
    schedule = schedules.get_schedule(name)
    assert float(schedule(9, 4, 10, 100.0)) == pytest.approx(last, rel=1e-5)
  assert float(schedules.get_schedule("per_epoch")(0, 4, 10, 1e3)) == (
    pytest.approx(10.0, rel=1e-5)
  )


def test_constant_stays_at_its_maximum():
  assert (betas("constant", 3, 2, 7.0) == 7.0).all()


@pytest.mark.parametrize("name", sorted(schedules.SCHEDULES))
def test_every_schedule_is_a_finite_float_that_never_falls(name):
  for shape in ((1, 1), (3, 2)):
    values = betas(name, *shape, 200.0)
    assert values.dtype == np.float32
    assert np.isfinite(values).all()
    assert (np.diff(values) >= 0).all()
    assert values[-1] <= 200.01


@pytest.mark.parametrize("name", ["linear", "published"])
def test_unknown_schedule_lists_the_known(name):
  with pytest.raises(
    UserError,
    match=f"unknown schedule '{name}'; choose one of geometric, per_epoch, ",
  ):
    schedules.get_schedule(name)
