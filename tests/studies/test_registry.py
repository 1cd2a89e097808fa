"""A page over several work directories is written by the study they are of."""

import json

import pytest

from structcomp_jax.studies import registry
from structcomp_jax.types import UserError


@pytest.fixture
def workdirs(tmp_path, monkeypatch):
  """Makes work directories of experiments, and studies that note a report."""
  written = []

  def entry(name):
    return registry.Entry(
      make=None, report=lambda workdirs, out: written.append((name, workdirs))
    )

  first, second = entry("first"), entry("second")
  monkeypatch.setattr(
    registry, "STUDIES", {"a": first, "b": first, "c": second}
  )

  def make(*experiments):
    paths = [tmp_path / f"{number}" for number in range(len(experiments))]
    for path, experiment in zip(paths, experiments, strict=True):
      path.mkdir(exist_ok=True)
      content = json.dumps({"experiment": experiment})
      (path / "config.json").write_text(content)
    return paths

  return make, written


def test_every_study_writes_its_own_page(workdirs):
  make, written = workdirs
  for experiments, name in ((("a", "b"), "first"), (("c",), "second")):
    paths = make(*experiments)
    registry.report_together(paths, "page.html")
    assert written.pop() == (name, paths)


def test_different_studies_do_not_share_a_page(workdirs):
  make, written = workdirs
  with pytest.raises(UserError, match=r"a, b, c, .*; report each study"):
    registry.report_together(make("a", "b", "a", "c"), "page.html")
  assert not written


def test_other_directories_are_refused(workdirs, tmp_path):
  make, written = workdirs
  with pytest.raises(UserError, match=r"'d' is unknown; choose from a, b, c"):
    registry.report_together(make("d"), "page.html")
  with pytest.raises(UserError, match=r"no work directory .*nowhere"):
    registry.report_together([tmp_path / "nowhere"], "page.html")
  assert not written
