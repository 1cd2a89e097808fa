"""The pages lead somewhere: links, files, modules and configs they name exist.

Pages in docs/results and docs/notes tell what was run at an older commit; there
only links are checked.
"""

import importlib.util
import pathlib
import re

import pytest

import structcomp_jax

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
_CONFIG = re.compile(r"(configs/[\w/]+\.py)(?::(\w+))?")
# Of a work directory, of a test, of somebody's disk: not of this repository.
_ELSEWHERE = (
  "WORKDIR/", "report/", "masks/seed_", "base/", "evaluation/seed_", "cache/",
  "data/", "grid/", "checkpoint/", "incomplete", "run/", "process_", "runs/",
)  # fmt: skip


def names(pages):
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
    and not path.startswith(_ELSEWHERE)
    and not exists(path)
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
    if "/common/" in path or path == "configs/NAME.py":
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


@names(PAGES)
def test_links_lead_somewhere(page):
  assert broken_links(page) == []


@names(OF_TODAY)
def test_what_a_page_names_exists(page):
  assert missing_paths(page) == []
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


@pytest.mark.parametrize(
  ("text", "check"),
  [
    ("see [it](nowhere.md)", broken_links),
    ("see [it](#nothing)", broken_links),
    ("in `engine/nothing.py`", missing_paths),
    ("in `structcomp_jax/nothing`", missing_paths),
    ("run python -m tools.nothing now", missing_modules),
    ("--config=configs/language/nothing.py:small", bad_configs),
    ("--config=configs/language/sv_singular.py:nothing", bad_configs),
  ],
)
def test_the_checks_find_what_is_wrong(tmp_path, text, check):
  page = tmp_path / "page.md"
  page.write_text(f"# Title\n\n{text}\n")
  assert len(check(page)) == 1
