"""What a work directory keeps of its runs."""

import json
import types

import pytest

from structcomp_jax.pipeline import session


def test_steps_that_were_interrupted_count(tmp_path, monkeypatch):
  work = types.SimpleNamespace(paths=types.SimpleNamespace(workdir=tmp_path))
  clock = iter([0.0, 5.0, 100.0, 102.0])
  monkeypatch.setattr(session.time, "monotonic", lambda: next(clock))
  with pytest.raises(KeyboardInterrupt), session.timed(work, "search"):
    raise KeyboardInterrupt
  with session.timed(work, "search"):
    pass
  assert json.loads((tmp_path / "timings.json").read_text()) == {"search": 7.0}
