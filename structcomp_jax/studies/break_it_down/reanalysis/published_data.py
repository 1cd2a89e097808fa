"""Everything that the published analysis made of the results, in one value."""

import dataclasses
import hashlib
import pathlib
from collections.abc import Mapping

import pandas as pd

from structcomp_jax.studies.break_it_down.reanalysis import (
  analysis_data,
  published_tests,
  release,
  searches,
)


@dataclasses.dataclass(frozen=True)
class Published:
  """The release, and what it computed from itself.

  Attributes:
    path: the result table.
    digest: SHA-256 of that file, hexadecimal.
    evaluations: see `release.read`.
    searches: one row per mask search, see `searches.of_release`.
    tables: {name: released table of task differences}.
    tests: every published test, see `published_tests.tests`.
  """

  path: pathlib.Path
  digest: str
  evaluations: pd.DataFrame
  searches: pd.DataFrame
  tables: Mapping[str, pd.DataFrame]
  tests: pd.DataFrame


def load(path: str | pathlib.Path) -> Published:
  """Reads a result table and repeats the published analysis.

  Raises:
    UserError: the table cannot be used; see `release.read`.
  """
  path = pathlib.Path(path)
  evaluations = release.read(path)
  of_release = searches.of_release(evaluations)
  tables = analysis_data.released(of_release)
  return Published(
    path=path,
    digest=hashlib.sha256(path.read_bytes()).hexdigest(),
    evaluations=evaluations,
    searches=of_release,
    tables=tables,
    tests=published_tests.tests(tables),
  )
