"""The examples in the docstrings are true, and public functions have one."""

import doctest
import importlib
import inspect

import pytest

from structcomp_jax import evaluation, masks, probing, search
from tests.package import module_names

MODULES = module_names()
# Here every public function has an example; a package stands for its modules.
WITH_EXAMPLES = (
  "structcomp_jax.engine.batching",
  "structcomp_jax.evaluation",
  "structcomp_jax.engine.parallel",
  "structcomp_jax.probing",
  "structcomp_jax.search",
  "structcomp_jax.trees",
)


def within(module, packages):
  """Returns whether a module is one of some packages, or lies inside one."""
  return f"{module}.".startswith(tuple(f"{name}." for name in packages))


def public_functions():
  """Returns (module, name) of all functions that need an example."""
  return [
    (module, name)
    for module in MODULES
    if within(module, WITH_EXAMPLES)
    for name, function in vars(importlib.import_module(module)).items()
    if inspect.isfunction(function)
    and function.__module__ == module
    and not name.startswith("_")
  ]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name):
  assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize(("module", "name"), public_functions())
def test_public_functions_have_an_example(module, name):
  function = getattr(importlib.import_module(module), name)
  assert doctest.DocTestParser().get_examples(function.__doc__ or "")


def test_what_needs_examples_exists():
  assert set(WITH_EXAMPLES) <= set(MODULES)


@pytest.mark.parametrize(
  "name", [name for name in MODULES if within(name, ["structcomp_jax.masks"])]
)
def test_modules_of_masks_have_an_example(name):
  finder = doctest.DocTestFinder(exclude_empty=True)
  found = finder.find(importlib.import_module(name))
  assert any(one.examples for one in found) != name.endswith("masks")


@pytest.mark.parametrize("package", [masks, search, evaluation, probing])
def test_public_names_exist_and_have_docstrings(package):
  for name in package.__all__:
    public = getattr(package, name)
    if inspect.isroutine(public) or inspect.isclass(public):
      assert public.__doc__, name
