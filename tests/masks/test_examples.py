"""The examples in the docstrings of structcomp_jax.masks are true."""

import doctest
import importlib
import pkgutil

import pytest

from structcomp_jax import masks

MODULES = [module.name for module in pkgutil.iter_modules(masks.__path__)]
WITHOUT_EXAMPLE = {"leaf_keys", "packed"}


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name):
  module = importlib.import_module(f"structcomp_jax.masks.{name}")
  result = doctest.testmod(module)
  assert result.failed == 0
  assert (result.attempted > 0) != (name in WITHOUT_EXAMPLE)


def test_public_names_exist_and_have_docstrings():
  for name in masks.__all__:
    public = getattr(masks, name)
    if callable(public) and not isinstance(public, type(masks.Fill)):
      assert public.__doc__, name
