"""Networks that several modules of tests look at."""

import pytest

from structcomp_jax.studies.planted.classes import every

EFFORT = every.Effort(
  num_networks=2, pool=3.0, num_problems=2000, num_tests=200, num_steps=2500
)


@pytest.fixture(scope="session")
def trained():
  """Two modular networks, which are trained."""
  return every.CLASSES["modular"](EFFORT, 0)
