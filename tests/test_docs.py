"""The pages are true: links, files, names, commands and configs exist.

Pages in docs/results and docs/notes tell what was run at an older commit; there
only links are checked.
"""

import importlib
import importlib.util
import pathlib
import re

import pytest

import structcomp_jax
from configs.common import language, vision
from configs.images import cifar10
from structcomp_jax.tasks import arithmetic
from structcomp_jax.tasks.odd_one_out import names
from tests.package import module_names

ROOT = pathlib.Path(__file__).parents[1]
# The package may be installed elsewhere than the files beside the tests.
PACKAGE = pathlib.Path(structcomp_jax.__file__).parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
OF_TODAY = [
  page
  for page in PAGES
  if page.parent not in (ROOT / "docs" / "results", ROOT / "docs" / "notes")
]

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"```.*?```", re.DOTALL)
_IN_BACKTICKS = re.compile(r"`([^`\n]+)`")
# A path with a folder, such as `engine/loop.py` or `launch/tpu_vm.sh`.
_FILE = re.compile(r"[\w.-]+(/[\w.-]+)+\.(py|sh|toml|json|csv|svg|html)")
# A folder, such as `structcomp_jax/engine` or `engine/`.
_FOLDER = re.compile(r"structcomp_jax(/\w+)+|(\w+/)+")
_COMMAND = re.compile(r"python -m ((?:launch|tools|benchmarks|examples)[.\w]*)")
_CONFIG = re.compile(r"(?<!/)(configs/[\w/]+\.py)(?::(\w+))?")
# Files and folders of a work directory, not of the repository.
_OF_A_WORKDIR = {
  "report/index.html",
  "report/verdicts.json",
  "added/",
  "permutations/",
}
# A name with a dot, such as `search.run` or `engine.plan.Machine`.
_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_OTHERS = ("jax.", "lax.", "optax.", "torch.")
_FILE_TYPES = {
  "csv", "html", "json", "jsonl", "lock", "md", "npy", "npz", "py",
  "safetensors", "toml",
}  # fmt: skip


def each(pages):
  """Returns the pages, and what they are called in the output of pytest."""
  return pytest.mark.parametrize(
    "page", pages, ids=lambda page: str(page.relative_to(ROOT))
  )


def anchors(page):
  """Returns the anchors of a page's headings, as GitHub makes them."""
  text = _CODE.sub("", page.read_text(encoding="utf-8"))
  headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
  return {
    re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
    for heading in headings
  }


def broken_links(page):
  """Returns the relative links of a page that lead nowhere."""
  text = _CODE.sub("", page.read_text(encoding="utf-8"))
  broken = []
  for link in _LINK.findall(text):
    if re.match(r"\w+:", link):
      continue
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    if not target.exists() or (anchor and anchor not in anchors(target)):
      broken.append(link)
  return broken


def exists(path):
  """Returns whether the repository, or the package, has a file or folder."""
  places = (ROOT, PACKAGE, PACKAGE.parent)
  return any((place / path).exists() for place in places)


def missing_paths(page):
  """Returns the files and folders in backticks that do not exist."""
  text = page.read_text(encoding="utf-8")
  return [
    path
    for path in _IN_BACKTICKS.findall(_CODE.sub("", text))
    if (_FILE.fullmatch(path) or _FOLDER.fullmatch(path))
    and path not in _OF_A_WORKDIR
    and not exists(path)
  ]


def modules():
  """Returns {last part of its name: modules} of the package."""
  found = {}
  for name in ["structcomp_jax", *module_names()]:
    found.setdefault(name.rpartition(".")[2], set()).add(name)
  return found


def config_fields():
  """Returns the dotted names of all fields of all configs, and of sections."""
  found = set()

  def add(fields, prefix):
    for name, value in fields.items():
      found.add(f"{prefix}{name}")
      if isinstance(value, dict):
        add(value, f"{prefix}{name}.")

  add(language.language_variant("sv_singular", "smoke").to_dict(), "")
  add(vision.vision_variant("inside_contact", "smoke").to_dict(), "")
  add(cifar10.get_config("smoke").to_dict(), "")
  return found


MODULES, FIELDS = modules(), config_fields()
DATA_SETS = {
  *(*names.SYNTAX.dataset_names, *names.SHAPES.dataset_names),
  *arithmetic.NAMES,
}


def is_in_module(module, attributes):
  """Returns whether a module has an attribute, of an attribute, and so on."""
  value = importlib.import_module(module)
  for name in attributes:
    # Fields without a default are no attributes of their class.
    if name in getattr(value, "__dataclass_fields__", {}):
      return True
    if not hasattr(value, name):
      return False
    value = getattr(value, name)
  return True


def is_known(name):
  """Returns whether a dotted name is a config field or in some module."""
  name = name.removeprefix("config.")
  if name in FIELDS or name in DATA_SETS:
    return True
  if name.startswith(("launch.", "tools.", "benchmarks.")):
    return importlib.util.find_spec(name) is not None
  first, *rest = name.split(".")
  candidates = MODULES.get(first, set())
  for number, part in enumerate(rest):
    inner = {f"{one}.{part}" for one in candidates}
    inner &= MODULES.get(part, set())
    if not inner:
      return any(is_in_module(one, rest[number:]) for one in candidates)
    candidates = inner
  return bool(candidates)


def unknown_names(page):
  """Returns the dotted names in backticks that nothing has.

  Names of other packages, and what begins with a class, are left alone.
  """
  text = _CODE.sub("", page.read_text(encoding="utf-8"))
  return [
    name
    for name in _IN_BACKTICKS.findall(text)
    if _NAME.fullmatch(name)
    and name.rpartition(".")[2] not in _FILE_TYPES
    and not name.startswith(_OTHERS)
    and not name[0].isupper()
    and not is_known(name)
  ]


def missing_modules(page):
  """Returns the modules that commands of a page name and nobody has."""
  text = page.read_text(encoding="utf-8")
  return [
    name
    for name in _COMMAND.findall(text)
    if importlib.util.find_spec(name.rstrip(".")) is None
  ]


def bad_configs(page):
  """Returns the configs of a page that cannot be loaded."""
  bad = []
  for path, variant in _CONFIG.findall(page.read_text(encoding="utf-8")):
    if "/common/" in path or pathlib.Path(path).stem.isupper():
      continue
    if not (ROOT / path).is_file():
      bad.append(path)
      continue
    spec = importlib.util.spec_from_file_location("config_in_docs", ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    try:
      module.get_config(variant)
    except ValueError:
      bad.append(f"{path}:{variant}")
  return bad


@each(PAGES)
def test_links_lead_somewhere(page):
  assert broken_links(page) == []


@each(OF_TODAY)
def test_what_a_page_names_exists(page):
  assert missing_paths(page) == []
  assert unknown_names(page) == []
  assert missing_modules(page) == []
  assert bad_configs(page) == []


def test_every_page_is_linked_from_another_one():
  linked = {
    (page.parent / link.partition("#")[0]).resolve()
    for page in PAGES
    for link in _LINK.findall(page.read_text(encoding="utf-8"))
  }
  assert {page for page in PAGES if page.resolve() not in linked} == {
    ROOT / "README.md"
  }


def test_every_page_is_in_the_navigation_of_the_site():
  text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
  listed = re.findall(
    r"^ *- (?:[^#:\n]+: )?(\S+\.(?:md|py))$", text, re.MULTILINE
  )
  pages = [*(ROOT / "docs").rglob("*.md"), *(ROOT / "docs").rglob("*.py")]
  there = {str(page.relative_to(ROOT / "docs")) for page in pages}
  # The site makes this page itself, from the examples.
  assert {"examples.md", *there} - {*listed} == set()
  assert len(listed) == len({*listed})


@pytest.mark.parametrize(
  ("text", "check"),
  [
    ("see [it](nowhere.md)", broken_links),
    ("see [it](#nothing)", broken_links),
    ("in `engine/nothing.py`", missing_paths),
    ("in `structcomp_jax/nothing`", missing_paths),
    ("call `search.nothing`", unknown_names),
    ("set `search.nothing_of_a_config`", unknown_names),
    ("call `engine.plan.Nothing`", unknown_names),
    ("call `recipes.nothing`", unknown_names),
    ("run python -m tools.nothing now", missing_modules),
    ("--config=configs/language/nothing.py:small", bad_configs),
    ("--config=configs/language/sv_singular.py:nothing", bad_configs),
  ],
)
def test_the_checks_find_what_is_wrong(tmp_path, text, check):
  page = tmp_path / "page.md"
  page.write_text(f"# Title\n\n{text}\n")
  assert len(check(page)) == 1
