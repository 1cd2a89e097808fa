"""verdicts.json holds what every study says, and only what JSON has."""

import json

import numpy as np
import pytest

from structcomp_jax.report import verdicts

VERDICT = {
  "experiment": "scan",
  "model": "lstm",
  "regime": "scratch",
  "label": "mixed",
  "sentence": "Some do.",
  "statistics": [{"mean": np.float32(0.1), "p_t": float("nan"), "n": (1, 2)}],
}


def test_values_become_json():
  (found,) = json.loads(verdicts.to_json([VERDICT]))
  assert found["statistics"] == [{"mean": 0.1, "p_t": None, "n": [1, 2]}]
  assert {**found, "statistics": 0} == {**VERDICT, "statistics": 0}
  assert json.loads(verdicts.to_json([])) == []


@pytest.mark.parametrize("key", verdicts.KEYS)
def test_a_verdict_without_a_key_is_refused(key):
  without = {name: VERDICT[name] for name in VERDICT if name != key}
  with pytest.raises(ValueError, match=f"no {key}"):
    verdicts.to_json([VERDICT, without])
