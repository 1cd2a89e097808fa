"""The tables of some runs, as they must come out again.

    pytest tests/studies/break_it_down/test_golden.py \\
      tests/studies/are_nets_modular --store-golden

stores them anew: those of two smoke runs of the first study, and of experiments
on made-up problems of the second one. The bits of a run are the same within one
version of JAX, Flax and Optax on one kind of machine: other versions write or
compile other programs, other vector units add up in another order. Elsewhere
the tables are compared as `assert_close` says.
"""

import dataclasses
import json
import os
import pathlib
import platform
import re
import shutil
from importlib import metadata

import numpy as np
import pytest

from structcomp_jax.io import tables
from structcomp_jax.studies.break_it_down.columns import SCHEMAS

DIRECTORY = pathlib.Path(__file__).parent / "tables"
CONFIGS = {
  "sv_singular_smoke": "configs/language/sv_singular.py:smoke",
  "inside_contact_smoke": "configs/vision/inside_contact.py:smoke",
}
# Beside the tables of a run; others may have been stored elsewhere.
_MAKER = "maker.json"
TABLES = {f"{name}.csv": schema for name, schema in SCHEMAS.items()}
# Their versions decide what XLA compiles: a loss of Optax, say, is written
# another way in another version.
_WRITE_PROGRAMS = ("jax", "jaxlib", "flax", "optax")
# Chosen by rounding where two settings are equally good.
_CHOSEN = ("learning_rate", "penalty", "mask_init")
_COUNTS = (
  "l0",
  "kept",
  "control_kept",
  "lost",
  "both",
  "first_kept",
  "second_kept",
)
_SHARES = (
  "accuracy",
  "base_accuracy",
  "is_sum",
  "is_product",
  "kept_accuracy",
  "rest_accuracy",
)
# Follow from the masks, of which rounding turns a few bits.
_MEASURED = {"loss": 0.03, "margin": 0.1, "density": 0.03}


@dataclasses.dataclass(frozen=True)
class Maker:
  """What decides the bits of a run.

  Attributes:
    packages: those that write and compile programs, with their versions.
    machine: kind of processor, its vector units, its cores.
  """

  packages: str
  machine: str

  @classmethod
  def here(cls) -> "Maker":
    """Returns that of this process."""
    try:
      text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
      text = ""
    units = sorted(set(re.findall(r"\b(?:avx|fma|amx)\w*", text)))
    cores = f"{os.cpu_count()} cores"
    return cls(
      " ".join(f"{one}=={metadata.version(one)}" for one in _WRITE_PROGRAMS),
      " ".join([platform.machine(), cores, *units]),
    )

  @classmethod
  def stored(cls, name: str) -> "Maker":
    """Returns that of the stored tables of a run."""
    return cls(**json.loads((DIRECTORY / name / _MAKER).read_text()))


def check(
  found: pathlib.Path,
  name: str,
  schema: tables.Schema,
  request: pytest.FixtureRequest,
) -> None:
  """Asserts that a table is the stored one, or stores it if asked to.

  Args:
    found: the table.
    name: of the run.
    schema: of the table.
    request: of the test.
  """
  if request.config.getoption("--store-golden"):
    store(found, name)
  stored = Maker.stored(name)
  if Maker.here() == stored:
    assert found.read_bytes() == (DIRECTORY / name / found.name).read_bytes()
    return
  assert_close(found, name, schema)
  pytest.skip(
    f"close to the stored table; bytes are compared with {stored.packages} on "
    f"{stored.machine} alone"
  )


def assert_close(found: pathlib.Path, name: str, schema: tables.Schema) -> None:
  """Asserts that a table says the same as the stored one, about as much.

  Other bits make other masks: the same rows in the same order, accuracies
  that differ by 0.05 on average and 0.3 at most (of 7 to 64 problems), and
  3 % of kept weights.
  """
  new, old = (
    tables.read(path, schema) for path in (found, DIRECTORY / name / found.name)
  )
  assert list(new) == list(old)
  assert len(new) == len(old)
  for column in schema.columns:
    if column in _CHOSEN:
      continue
    if new[column].isna().all():
      assert old[column].isna().all(), column
    elif column in _SHARES:
      difference = (new[column] - old[column]).abs()
      assert difference.mean() < 0.05, column
      assert difference.max() <= 0.3, column
    elif column in _MEASURED:
      difference = (new[column] - old[column]).abs()
      assert difference.mean() < _MEASURED[column], column
    elif column in _COUNTS:
      size = old["l0_max" if column == "l0" else "size"]
      difference = (new[column] - old[column]).abs() / size
      assert np.nanmean(difference) < 0.03, column
    else:
      assert (new[column].fillna(-1) == old[column].fillna(-1)).all(), column


def store(found: pathlib.Path, name: str) -> None:
  """Takes a table as the one that must come out, and says who made it.

  A run says so for all of its tables, so store all of them together.
  """
  (DIRECTORY / name).mkdir(parents=True, exist_ok=True)
  shutil.copy(found, DIRECTORY / name / found.name)
  maker = json.dumps(dataclasses.asdict(Maker.here()), indent=2)
  (DIRECTORY / name / _MAKER).write_text(maker + "\n")
