"""The experiment that several files of tests look at."""

import pytest

from structcomp_jax.pipeline import workplace

from . import toy


@pytest.fixture(autouse=True, scope="package")
def made_up_data():
  """Lets all experiments read the problems of `toy`."""
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(workplace.datasets, "load", toy.load_problems)
    yield


@pytest.fixture(scope="package")
def work(made_up_data, tmp_path_factory):
  """Double addition after all steps; leave its files as they are."""
  return toy.take_steps(
    toy.make_double_addition(tmp_path_factory.mktemp("double_addition"))
  )
