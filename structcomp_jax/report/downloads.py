"""Tables inside a page, as links that save them: the page stays one file."""

import base64
import gzip
from collections.abc import Mapping, Sequence

from structcomp_jax.report import markup
from structcomp_jax.report.markup import escape
from structcomp_jax.report.workdir import Workdir

# A file above the first size is compressed; one that is still above the second
# size is not carried inside of the page, which a browser must read whole.
_PLAIN_BYTES = 200_000
_MOST_BYTES = 1_000_000
_TYPES = {"csv": "text/csv", "json": "application/json"}


def section(files: Mapping[str, bytes]) -> str:
  """Returns links to save files, and names those that are too large.

  Args:
    files: {name: content}; names end in `.csv` or `.json`.
  """
  items = [_item(name, content) for name, content in files.items()]
  listed = "".join(f"<li>{item}</li>" for item in items)
  return f"<ul>{listed}</ul>" if listed else ""


def of_workdirs(workdirs: Sequence[Workdir]) -> dict[str, bytes]:
  """Returns {name: content} of the tables of work directories.

  Names begin with the name of the directory where there are several of them.

  Raises:
    OSError: a table has gone since it was read.
  """
  found: dict[str, bytes] = {}
  for number, one in enumerate(workdirs, start=1):
    prefix = f"{number}_{one.path.name}_" if len(workdirs) > 1 else ""
    for name in one.tables:
      path = one.paths.table(name)
      found[f"{prefix}{path.name}"] = path.read_bytes()
  return found


def _item(name: str, content: bytes) -> str:
  size = _size(len(content))
  if len(content) <= _PLAIN_BYTES:
    kind = _TYPES[name.rpartition(".")[2]]
    return f"{_link(name, kind, content)} ({size})"
  # Without the time, equal tables make equal pages.
  packed = gzip.compress(content, mtime=0)
  if len(packed) <= _MOST_BYTES:
    link = _link(f"{name}.gz", "application/gzip", packed)
    return f"{link} ({size}, compressed to {_size(len(packed))})"
  return (
    f"{escape(name)} ({size}) is too large to be carried inside of this page;"
    " take the file itself"
  )


def _link(name: str, kind: str, content: bytes) -> str:
  data = base64.b64encode(content).decode()
  return (
    f'<a download="{escape(name)}" href="data:{kind};base64,{data}">'
    f"{escape(name)}</a>"
  )


def _size(num_bytes: int) -> str:
  """Returns a number of bytes in words.

  >>> _size(900), _size(1_536_000)
  ('1 kB', '1.5 MB')
  """
  if num_bytes < 1_000_000:
    return f"{max(1, round(num_bytes / 1000))} kB"
  return f"{markup.number(num_bytes / 1e6, 1)} MB"
