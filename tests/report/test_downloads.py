"""Links of a page give back the bytes of the tables."""

import base64
import gzip
import pathlib
import re

import numpy as np

from structcomp_jax.report import downloads

LINK = re.compile(
  r'<a download="([^"]+)" href="data:([\w/]+);base64,([\w+/=]+)">([^<]+)</a>'
)


def links(html):
  """Returns {name of the file: (type, content)}."""
  found = {}
  for name, kind, data, words in LINK.findall(html):
    assert name == words
    found[name] = (kind, base64.b64decode(data))
  return found


def noise(num_bytes):
  return np.random.default_rng(0).bytes(num_bytes)


def test_links_carry_the_files_themselves():
  files = {"results.csv": b"a,b\n1,\xc3\xa9\n", "verdicts.json": b"[]\n"}
  found = links(downloads.section(files))
  assert found == {
    "results.csv": ("text/csv", files["results.csv"]),
    "verdicts.json": ("application/json", b"[]\n"),
  }


def test_large_files_are_compressed_and_the_same_every_time():
  content = b"0.123456789,\n" * 50_000
  html = downloads.section({"big.csv": content})
  kind, packed = links(html)["big.csv.gz"]
  assert kind == "application/gzip"
  assert gzip.decompress(packed) == content
  # The time of compression, in the header of the format.
  assert packed[4:8] == bytes(4)
  assert len(html) < len(content) / 50
  assert "650 kB, compressed to 1 kB" in html
  assert downloads.section({"big.csv": content}) == html


def test_what_would_swell_the_page_is_named_alone():
  html = downloads.section({"huge.csv": noise(2_000_000)})
  assert links(html) == {}
  assert "huge.csv (2.0 MB) is too large" in html
  assert len(html) < 300


def test_nothing_to_save_is_nothing():
  assert downloads.section({}) == ""


class _Workdir:
  """As much of a `report.workdir.Workdir` as is asked for."""

  def __init__(self, path, names):
    self.path, self.tables, self.paths = path, dict.fromkeys(names), self

  def table(self, name):
    return self.path / f"{name}.csv"


def _workdir(path: pathlib.Path, **tables):
  path.mkdir()
  for name, text in tables.items():
    (path / f"{name}.csv").write_text(text)
  return _Workdir(path, tables)


def test_tables_of_work_directories(tmp_path):
  one = _workdir(tmp_path / "one", results="a\n1\n", cuts="b\n")
  assert downloads.of_workdirs([one]) == {
    "results.csv": b"a\n1\n",
    "cuts.csv": b"b\n",
  }
  two = _workdir(tmp_path / "two", results="a\n2\n")
  assert downloads.of_workdirs([one, two]) == {
    "1_one_results.csv": b"a\n1\n",
    "1_one_cuts.csv": b"b\n",
    "2_two_results.csv": b"a\n2\n",
  }
