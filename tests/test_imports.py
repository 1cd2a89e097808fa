"""A layer imports no higher one and no sibling; walled folders even less."""

import ast
import pathlib
import sys

import pytest

import structcomp_jax

PACKAGE = "structcomp_jax"
# The package may be installed elsewhere than the files beside the tests.
_BESIDE = pathlib.Path(__file__).parents[1]
ROOTS = {
  PACKAGE: pathlib.Path(structcomp_jax.__file__).parents[1],
  "launch": _BESIDE,
  "configs": _BESIDE,
}
EVERYTHING = None  # any third-party package that is not reserved

# Layer -> layers it may import, low to high. A layer may import itself.
_BASE = {"types", "trees", "varying", "settings", "engine"}
_LOW = _BASE | {"masks", "models", "tasks", "io"}
_LIBRARY = _LOW | {"search", "training", "evaluation"}
LAYERS = {
  "types": set(),
  "trees": {"types"},
  "varying": set(),
  "target": set(),
  "settings": {"types"},
  "engine": {"types", "trees", "varying", "settings"},
  "masks": {"types", "trees", "settings"},
  "models": {"types", "trees", "varying", "target"},
  "tasks": {"types", "trees"},
  "io": {"types", "trees"},
  "bridges": {"types", "trees"},
  "search": _BASE | {"masks"},
  "training": _BASE,
  "evaluation": _BASE | {"masks"},
  "probing": _BASE | {"masks"},
  "report": {"types", "trees", "masks", "io"},
  "structure": {"types", "report"},
  "pipeline": _LIBRARY | {"target"},
  "studies": _LIBRARY | {"report", "structure", "pipeline", "target"},
  "launch": {"types", "pipeline", "studies"},
  # Finds scripts and configs by their names alone.
  "console": set(),
  "__main__": {"console"},
  "configs": set(),
}

# Folder -> all that it may import of this package, beside itself.
_ODD_ONE_OUT = f"{PACKAGE}.tasks.odd_one_out"
WALLS = {
  # The judge of pictures must not know how they are drawn.
  f"{_ODD_ONE_OUT}.shapes.pixels": (
    f"{PACKAGE}.types",
    f"{_ODD_ONE_OUT}.names",
  ),
}

# Layer -> third-party packages it may import (the standard library is free).
_ARRAYS = {"jax", "jaxtyping", "chex", "numpy"}
THIRD_PARTY = {
  **dict.fromkeys(sorted(_BASE | {"target"}), _ARRAYS),
  "engine": _ARRAYS | {"flax.struct"},
  "masks": _ARRAYS,
  "search": _ARRAYS | {"optax", "flax.struct"},
  "probing": _ARRAYS | {"optax", "flax.struct"},
  "evaluation": _ARRAYS,
  "models": EVERYTHING,
  "tasks": EVERYTHING,
  "io": EVERYTHING,
  "bridges": _ARRAYS,  # and one library, which it imports by name
  "training": EVERYTHING,
  "report": EVERYTHING,
  "structure": {"numpy", "pandas", "scipy"},
  "pipeline": EVERYTHING,
  "studies": EVERYTHING,
  "launch": {"absl", "ml_collections", "jax"},
  "console": set(),
  "__main__": set(),
  "configs": {"ml_collections"},
}

# Package -> the only layers that may import it, whatever the table above.
RESERVED = {
  "absl.app": {"launch"},
  "absl.flags": {"launch"},
  "ml_collections": {"pipeline", "studies", "launch", "configs"},
  "orbax": {"io"},
  "flax.linen": {"models"},
  "flax.training": set(),  # deprecated by flax itself
  "matplotlib": {"report", "studies"},
  "jax._src": set(),
  "tensorflow": set(),
  "torch": {"models"},  # optional, to read published weights
}


def layer_of(path):
  """Returns the layer of a file given relative to the repository root."""
  parts = path.with_suffix("").parts
  return parts[1] if parts[0] == PACKAGE else parts[0]


def imported_names(source, path):
  """Yields (line, dotted name) of all imports, also those inside functions."""
  for node in ast.walk(ast.parse(source)):
    if isinstance(node, ast.Import):
      for alias in node.names:
        yield node.lineno, alias.name
    elif isinstance(node, ast.ImportFrom):
      parents = path.parts[: len(path.parts) - node.level]
      module = ".".join((parents if node.level else ()) + (node.module or "",))
      for alias in node.names:
        yield node.lineno, f"{module.rstrip('.')}.{alias.name}"


def within(name, package):
  """Returns whether a dotted name is `package` or lies inside it."""
  return name == package or name.startswith(f"{package}.")


def is_allowed(name, layer):
  """Returns whether a file of `layer` may import `name`."""
  first, _, rest = name.partition(".")
  if first == PACKAGE:
    target = rest.partition(".")[0]
    return target in LAYERS[layer] | {layer, "__version__"}
  if first == "configs":
    return layer == "configs" and within(name, "configs.common")
  if first in ("launch", "tests", "benchmarks"):
    return layer == first
  if first in sys.stdlib_module_names:
    return True
  if any(
    within(name, package) and layer not in layers
    for package, layers in RESERVED.items()
  ):
    return False
  allowed = THIRD_PARTY[layer]
  return allowed is EVERYTHING or any(within(name, item) for item in allowed)


def passes_walls(name, path):
  """Returns whether no wall keeps a file from importing `name`."""
  folder = ".".join(path.parts[:-1])
  return not within(name, PACKAGE) or all(
    any(within(name, item) for item in (walled, *allowed))
    for walled, allowed in WALLS.items()
    if within(folder, walled)
  )


def violations(source, path):
  """Returns one line per import that the tables forbid."""
  layer = layer_of(path)
  return [
    f"{path}:{line}: {layer} must not import {name}"
    for line, name in imported_names(source, path)
    if not (is_allowed(name, layer) and passes_walls(name, path))
  ]


def source_files():
  """Returns all checked files, relative to their root."""
  files = [
    file.relative_to(root)
    for folder, root in ROOTS.items()
    for file in sorted((root / folder).rglob("*.py"))
  ]
  return [file for file in files if file.parts != (PACKAGE, "__init__.py")]


def test_every_file_belongs_to_a_known_layer():
  unknown = [file for file in source_files() if layer_of(file) not in LAYERS]
  assert not unknown, f"give {unknown} a row in LAYERS and in the design"
  assert {layer_of(file) for file in source_files()} >= {"masks", "trees"}


def test_walled_folders_exist():
  folders = {".".join(file.parts[:-1]) for file in source_files()}
  assert folders >= WALLS.keys()


@pytest.mark.parametrize("path", source_files(), ids=str)
def test_imports_follow_the_layers(path):
  if layer_of(path) not in LAYERS:
    pytest.skip("reported by test_every_file_belongs_to_a_known_layer")
  source = (ROOTS[path.parts[0]] / path).read_text(encoding="utf-8")
  problems = violations(source, path)
  assert not problems, "\n".join(problems)


PIXELS = "structcomp_jax/tasks/odd_one_out/shapes/pixels/a.py"


@pytest.mark.parametrize(
  ("file", "source"),
  [
    ("structcomp_jax/masks/a.py", "from structcomp_jax import search"),
    ("structcomp_jax/masks/a.py", "import structcomp_jax.search.step"),
    ("structcomp_jax/masks/a.py", "from ..search import step"),
    ("structcomp_jax/masks/a.py", "from .. import search"),
    ("structcomp_jax/masks/a.py", "import structcomp_jax"),
    ("structcomp_jax/masks/a.py", "import optax"),
    ("structcomp_jax/masks/a.py", "def f():\n  import flax.linen"),
    ("structcomp_jax/search/a.py", "from flax import linen"),
    ("structcomp_jax/search/a.py", "from structcomp_jax import evaluation"),
    ("structcomp_jax/models/a.py", "from structcomp_jax import tasks"),
    ("structcomp_jax/tasks/a.py", "from structcomp_jax.masks import merge"),
    ("structcomp_jax/training/a.py", "from structcomp_jax import report"),
    ("structcomp_jax/training/a.py", "import orbax.checkpoint as ocp"),
    ("structcomp_jax/pipeline/a.py", "from absl import flags"),
    ("structcomp_jax/pipeline/a.py", "from structcomp_jax import studies"),
    ("structcomp_jax/report/a.py", "from structcomp_jax import pipeline"),
    ("structcomp_jax/report/a.py", "from structcomp_jax import structure"),
    ("structcomp_jax/structure/a.py", "from structcomp_jax import studies"),
    ("structcomp_jax/engine/a.py", "from structcomp_jax import masks"),
    ("structcomp_jax/types.py", "from structcomp_jax import trees"),
    (PIXELS, "from structcomp_jax.tasks.odd_one_out import shapes"),
    (PIXELS, "from structcomp_jax.tasks.odd_one_out.shapes import drawing"),
    (PIXELS, "from .. import drawing"),
    (PIXELS, "from structcomp_jax.tasks import datasets"),
    (PIXELS, "from structcomp_jax import trees"),
    ("launch/a.py", "from structcomp_jax import masks"),
    ("configs/a.py", "import jax"),
    ("configs/a.py", "from configs import other"),
    ("configs/a.py", "from structcomp_jax import types"),
  ],
)
def test_checker_finds_forbidden_imports(file, source):
  assert len(violations(source, pathlib.Path(file))) == 1


@pytest.mark.parametrize(
  ("file", "source"),
  [
    ("structcomp_jax/masks/a.py", "from structcomp_jax import trees, types"),
    ("structcomp_jax/masks/a.py", "from structcomp_jax.masks import select"),
    ("structcomp_jax/masks/a.py", "from . import select"),
    ("structcomp_jax/search/a.py", "import flax.struct\nimport optax"),
    ("structcomp_jax/search/a.py", "from flax import struct"),
    ("structcomp_jax/models/a.py", "import flax.linen as nn"),
    ("structcomp_jax/io/a.py", "from structcomp_jax import __version__"),
    ("structcomp_jax/pipeline/a.py", "from structcomp_jax import training"),
    ("structcomp_jax/tasks/a.py", "from absl import logging"),
    (PIXELS, "import cv2\nfrom structcomp_jax.types import UserError"),
    (PIXELS, "from structcomp_jax.tasks.odd_one_out.names import SHAPES"),
    (PIXELS, "from . import regions"),
    (PIXELS.replace("pixels/", ""), "from .pixels import judge"),
    (
      "launch/a.py",
      "from absl import app\nfrom structcomp_jax import pipeline",
    ),
    ("configs/a.py", "import ml_collections\nfrom configs import common"),
  ],
)
def test_checker_accepts_allowed_imports(file, source):
  assert violations(source, pathlib.Path(file)) == []


def imported_modules(path):
  """Returns the modules of the package that a file imports."""
  source = (ROOTS[path.parts[0]] / path).read_text(encoding="utf-8")
  modules = {".".join(file.with_suffix("").parts) for file in source_files()}
  found = set()
  for _, name in imported_names(source, path):
    # The name of a module, or else of something inside one.
    parent = name.rpartition(".")[0]
    found |= {name, f"{name}.__init__"} & modules or (
      {parent, f"{parent}.__init__"} & modules
    )
  return found


def test_no_module_imports_itself_by_way_of_others():
  graph = {
    ".".join(file.with_suffix("").parts): imported_modules(file)
    for file in source_files()
  }
  while True:  # Take away what imports nothing that is left.
    free = {name for name, found in graph.items() if not found & graph.keys()}
    if not free:
      break
    graph = {name: found for name, found in graph.items() if name not in free}
  assert not graph, f"these modules import each other: {sorted(graph)}"


STUDIES = sorted(
  file.parts[2]
  for file in source_files()
  if file.parts[:2] == (PACKAGE, "studies") and file.parts[3:] == ("study.py",)
)


@pytest.mark.parametrize("study", STUDIES)
def test_studies_do_not_know_each_other(study):
  others = [f"{PACKAGE}.studies.{other}" for other in STUDIES if other != study]
  for file in source_files():
    if file.parts[:3] == (PACKAGE, "studies", study):
      source = (ROOTS[PACKAGE] / file).read_text(encoding="utf-8")
      for line, name in imported_names(source, file):
        assert not any(within(name, other) for other in others), (file, line)
