"""The pages of the reference name what exists, and miss no public package."""

import importlib
import pathlib
import pkgutil
import re

import pytest

from tests.package import module_names

ROOT = pathlib.Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs" / "reference").glob("*.md"))
NAMED = [
  name
  for page in PAGES
  for name in re.findall(
    r"^::: (\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE
  )
]
# What users call; the others are for those who change the library.
PUBLIC = (
  "evaluation",
  "masks",
  "models.pretrained",
  "probing",
  "search",
  "structure",
  "training",
)
# Parts that nobody calls from outside.
_INNER = {
  "structcomp_jax.models.pretrained.json_files",
  "structcomp_jax.models.pretrained.layouts",
}


def is_module(name):
  try:
    importlib.import_module(name)
  except ModuleNotFoundError:
    return False
  return True


@pytest.mark.parametrize("name", NAMED)
def test_what_a_page_documents_exists(name):
  module, _, attribute = name.rpartition(".")
  assert is_module(name) or hasattr(importlib.import_module(module), attribute)


def test_nothing_is_documented_twice():
  assert len(NAMED) == len(set(NAMED))


def exports():
  """Returns (package, name) of what packages export."""
  return [
    (package, name)
    for package in module_names()
    for name in getattr(importlib.import_module(package), "__all__", ())
  ]


@pytest.mark.parametrize(("package", "name"), exports())
def test_what_a_package_exports_is_documented(package, name):
  assert package in NAMED
  # A function hides the module that it is called after; the site shows the
  # module, so that the function needs a line of its own.
  if is_module(f"{package}.{name}"):
    function = f"{package}.{name}.{name}"
    assert {f"{package}.{name}", function} & set(NAMED)


@pytest.mark.parametrize("package", PUBLIC)
def test_modules_of_packages_without_exports_are_documented(package):
  package = importlib.import_module(f"structcomp_jax.{package}")
  if not hasattr(package, "__all__"):
    modules = {
      module.name
      for module in pkgutil.iter_modules(
        package.__path__, f"{package.__name__}."
      )
    }
    assert modules - _INNER <= set(NAMED)


def test_every_page_of_the_reference_is_in_the_index():
  index = (PAGES[0].parent / "README.md").read_text(encoding="utf-8")
  for page in PAGES:
    assert page.name == "README.md" or f"]({page.name})" in index
