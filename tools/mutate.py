"""Do the tests notice? Makes small wrong changes, one at a time.

    python -m tools.mutate                      # every change of the table
    python -m tools.mutate --layer=masks --match=threshold

A change is an entry of `tools/mutations/<layer>.toml`: a text that stands once
in a file, what to put in its place, and the tests that must fail then. Each is
made in a copy of the tree, never in the tree itself. Coverage says which lines
the tests run; this says of which lines they care what is in them.

What a run has found is kept in `--out`; the same command goes on from there,
and does again what changed in the meantime: the entry, the file or its tests.
"""

import argparse
import concurrent.futures
import dataclasses
import hashlib
import json
import os
import pathlib
import queue
import shutil
import subprocess
import sys
import tempfile
import tomllib

import tqdm

ROOT = pathlib.Path(__file__).parents[1]
TABLES = ROOT / "tools" / "mutations"
# Of the longest suite that an entry names, on a busy machine.
_SECONDS = 900
_PYTEST = (sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider")
# pytest's exit status: tests ran, and at least one failed.
_TESTS_FAILED = 1


@dataclasses.dataclass(frozen=True)
class Mutation:
  """One wrong change.

  Attributes:
    layer: the table it stands in.
    file: of the change, relative to the root.
    old: text that occurs once in it.
    new: what is put in its place.
    why: what is wrong afterwards.
    tests: files or folders of tests, one of which must fail.
  """

  layer: str
  file: str
  old: str
  new: str
  why: str
  tests: tuple[str, ...]

  def mutate(self, text: str) -> str:
    """Returns the content of the file with the change.

    Raises:
      ValueError: the text to replace does not stand there exactly once.
    """
    count = text.count(self.old)
    if count != 1:
      raise ValueError(
        f"{self.layer}: {self.why!r}: its text occurs {count} times in "
        f"{self.file}; mend the entry"
      )
    return text.replace(self.old, self.new)

  def digest(self) -> str:
    """Returns a hash of all that decides whether it is noticed."""
    digest = hashlib.sha256(repr(self).encode())
    for name in (self.file, *self.tests):
      path = ROOT / name
      files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
      for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def read_tables(directory: pathlib.Path = TABLES) -> list[Mutation]:
  """Returns all entries, checked against the files they change.

  Raises:
    ValueError: an entry fits no text, or names tests that do not exist.
  """
  mutations = []
  for table in sorted(directory.glob("*.toml")):
    content = tomllib.loads(table.read_text())
    for entry in content["mutation"]:
      tests = entry.pop("tests", content.get("tests"))
      mutations.append(Mutation(layer=table.stem, tests=tuple(tests), **entry))
  for mutation in mutations:
    mutation.mutate((ROOT / mutation.file).read_text())
    for name in mutation.tests:
      if not (ROOT / name).exists():
        raise ValueError(f"{mutation.layer}: there are no tests {name}")
  return mutations


def check_tests_pass(tree: pathlib.Path, mutations: list[Mutation]) -> None:
  """Ends the program where a test fails before anything was changed.

  It would fail afterwards, too, and seem to notice.
  """
  tests = sorted({name for mutation in mutations for name in mutation.tests})
  status = subprocess.run(
    [*_PYTEST, "-n", "auto", "--dist", "loadfile", *tests], cwd=tree
  ).returncode
  if status:
    sys.exit("these tests fail without any change; mend them first")


def run_tests(tree: pathlib.Path, mutation: Mutation) -> str:
  """Makes the change in a copy of the tree, and runs its tests.

  Returns:
    "noticed", "passed", or why it is neither.
  """
  path = tree / mutation.file
  before = path.read_text()
  path.write_text(mutation.mutate(before))
  try:
    status = subprocess.run(
      [*_PYTEST, "-p", "no:xdist", *mutation.tests],
      cwd=tree,
      env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
      stdout=subprocess.DEVNULL,
      stderr=subprocess.DEVNULL,
      timeout=_SECONDS,
    ).returncode
  except subprocess.TimeoutExpired:
    return "noticed"  # A loop without end is no result.
  finally:
    path.write_text(before)
  if status == 0:
    return "passed"
  return "noticed" if status == _TESTS_FAILED else f"pytest status {status}"


def copy_tree(directory: pathlib.Path) -> pathlib.Path:
  """Copies what git knows or would add, as it is in the working tree."""
  listed = subprocess.run(
    ["git", "ls-files", "-co", "--exclude-standard"],
    cwd=ROOT,
    check=True,
    capture_output=True,
    text=True,
  ).stdout
  for name in listed.splitlines():
    if (ROOT / name).is_file():
      target = directory / name
      target.parent.mkdir(parents=True, exist_ok=True)
      shutil.copy(ROOT / name, target)
  # Tests of scripts ask git for the commit.
  subprocess.run(["git", "init", "-q"], cwd=directory, check=True)
  return directory


def run_all(
  mutations: list[Mutation], out: pathlib.Path, num_jobs: int
) -> dict[str, str]:
  """Returns {digest: outcome}, those of `out` included; saves as it goes."""
  outcomes = json.loads(out.read_text()) if out.is_file() else {}
  todo = [one for one in mutations if one.digest() not in outcomes]
  with (
    tempfile.TemporaryDirectory() as directory,
    concurrent.futures.ThreadPoolExecutor(num_jobs) as pool,
    tqdm.tqdm(total=len(todo), desc="mutations") as progress,
  ):
    trees: queue.SimpleQueue[pathlib.Path] = queue.SimpleQueue()
    for index in range(num_jobs):
      tree = copy_tree(pathlib.Path(directory) / str(index))
      if todo and not index:
        check_tests_pass(tree, todo)
      trees.put(tree)

    def work(mutation: Mutation) -> tuple[Mutation, str]:
      own_tree = trees.get()
      try:
        return mutation, run_tests(own_tree, mutation)
      finally:
        trees.put(own_tree)

    for done in concurrent.futures.as_completed(
      [pool.submit(work, mutation) for mutation in todo]
    ):
      mutation, outcome = done.result()
      outcomes[mutation.digest()] = outcome
      out.parent.mkdir(parents=True, exist_ok=True)
      out.write_text(json.dumps(outcomes, indent=2) + "\n")
      progress.update()
      if outcome != "noticed":
        tqdm.tqdm.write(f"{outcome}: {mutation.file}: {mutation.why}")
  return outcomes


def summarise(mutations: list[Mutation], outcomes: dict[str, str]) -> str:
  """Returns what was noticed, by layer, and what was not."""
  lines = [f"{'layer':<12}{'changes':>8}{'noticed':>8}"]
  missed = []
  for layer in [*dict.fromkeys(one.layer for one in mutations), "all"]:
    mine = [one for one in mutations if layer in (one.layer, "all")]
    noticed = [one for one in mine if outcomes[one.digest()] == "noticed"]
    lines.append(f"{layer:<12}{len(mine):>8}{len(noticed):>8}")
    if layer != "all":
      missed += [one for one in mine if one not in noticed]
  for one in missed:
    lines.append(f"not noticed: {one.file}: {one.why}")
  return "\n".join(lines)


def main() -> None:
  """Prints the summary; exit status 1 where a change was not noticed."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--layer", help="only the table of this layer")
  parser.add_argument("--match", default="", help="only what has this text")
  parser.add_argument("--jobs", type=int, default=os.cpu_count())
  parser.add_argument(
    "--out", type=pathlib.Path, default=ROOT / "runs" / "mutations.json"
  )
  arguments = parser.parse_args()
  mutations = [
    one
    for one in read_tables()
    if arguments.layer in (None, one.layer)
    and arguments.match in f"{one.file} {one.why}"
  ]
  if not mutations:
    parser.error("no entry fits; see tools/mutations")
  outcomes = run_all(mutations, arguments.out, arguments.jobs)
  print(summarise(mutations, outcomes))
  sys.exit(any(outcomes[one.digest()] != "noticed" for one in mutations))


if __name__ == "__main__":
  main()
