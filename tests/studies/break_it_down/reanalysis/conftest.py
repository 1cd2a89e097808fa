"""A made-up result table, read once."""

import pytest

from structcomp_jax.studies.break_it_down.reanalysis import published_data
from structcomp_jax.studies.break_it_down.reanalysis.points import every
from tests.studies.break_it_down.reanalysis import synthetic


@pytest.fixture(scope="session")
def results(tmp_path_factory):
  """The file of the made-up table."""
  path = tmp_path_factory.mktemp("release") / "results.csv.gz"
  synthetic.write(path)
  return path


@pytest.fixture(scope="session")
def published(results):
  """Everything that the published analysis makes of it."""
  return published_data.load(results)


@pytest.fixture(scope="session")
def points(published):
  """All points, by their label."""
  return {point.label: point for point in every.every(published)}
