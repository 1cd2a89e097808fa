"""Programs of tests are compiled quickly, and no others."""

import jax
import pytest
from jax._src import compiler

from tests import quick_compiler

NAME = "jax_disable_most_optimizations"


def options(**more):
  """Returns the options of a program that is compiled now."""
  made = compiler.get_compile_options(1, 1, **more)
  return dict(made.env_option_overrides)


@pytest.fixture(autouse=True, scope="module")
def installed():
  """Skips the module where programs cannot be compiled quickly."""
  if options() != quick_compiler.OPTIONS:
    pytest.skip("this JAX cannot be told to")


def test_a_program_keeps_its_own_options():
  own = {"xla_cpu_enable_fast_math": True}
  assert options(env_options_overrides=own) == own | quick_compiler.OPTIONS
  other = dict.fromkeys(quick_compiler.OPTIONS, True)
  assert options(env_options_overrides=other) == other


def test_optimised_programs_are_those_of_users():
  before = jax.config.read(NAME)
  jax.config.update(NAME, False)
  try:
    assert options() == {}
  finally:
    jax.config.update(NAME, before)


def test_it_is_off_where_tables_were_stored_so(usual_compiler):
  assert options() == {}


def test_unknown_options_are_not_used(monkeypatch):
  assert quick_compiler._is_option_known()
  monkeypatch.setitem(quick_compiler.OPTIONS, "xla_there_is_no_such", 1)
  assert not quick_compiler._is_option_known()
