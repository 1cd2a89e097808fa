"""A network in a file is what was written, and its parts are what they say."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from structcomp_jax import masks
from structcomp_jax.studies.planted import outside, problems, recovery
from structcomp_jax.studies.planted.classes.planted import Effort
from structcomp_jax.studies.planted.network import accuracy, nested
from structcomp_jax.studies.planted.networks.encoder import Encoder
from structcomp_jax.studies.planted.problems import ITEMS, Pair
from structcomp_jax.types import UserError
from tests.studies.planted import compiled
from tests.studies.planted.conftest import embed
from tools import tracr_network

PAIR = Pair((0, 1, 2), (3, 4, 5))


@pytest.fixture
def path(tmp_path):
  """Returns the file of the compiled network."""
  leaves, known = tracr_network.convert(compiled.model(), [0, 1, 2], 1, PAIR)
  outside.write(tmp_path / "parity.npz", leaves, known)
  return tmp_path / "parity.npz"


def right(planted, task, params=None):
  tests = problems.sets(PAIR, {"test": 200}, 5)["test"][task]
  params = planted.params if params is None else params
  return np.asarray(accuracy(planted.network, params, tests))


def test_the_compiled_network_tells_both_properties():
  leaves, known = tracr_network.convert(compiled.model(), [0, 1, 2], 1, PAIR)
  network = Encoder(1, len(compiled.LABELS), 3, 2, 10, 4, read=known["read"])
  leaves = {name: np.float32(leaf) for name, leaf in leaves.items()}
  outputs = embed(network, nested(leaves))
  a, b = PAIR.holds(ITEMS).T
  np.testing.assert_allclose(
    outputs, np.stack([a, ~a, b, ~b], axis=-1), atol=1e-3
  )


def test_copies_work_and_have_orders_of_their_own(path):
  planted = outside.copies(path, Effort(3), seed=0)
  assert planted.num_networks == 3 and planted.pair == PAIR
  first = planted.params["attended_0"]["kernel"]
  assert not np.allclose(first[0], first[1], atol=0.2)
  np.testing.assert_array_equal(
    np.sort(first[0], None), np.sort(first[1], None)
  )
  for task in ("odd_A", "odd_B"):
    assert (right(planted, task) > 0.9).all()


def test_the_known_cut_does_one_subroutine_in_each_half(path):
  planted = outside.read(path, 2, seed=0)
  # What no part owns would be missing in the half that is the block alone.
  block = masks.complement(dict(planted.truth["B"]))
  planted = dataclasses.replace(planted, truth={"A": block})
  tests = problems.sets(PAIR, {"test": 200}, 5)["test"]
  cut = recovery.known_cut(planted, {"A": tests["odd_A"], "B": tests["odd_B"]})
  assert cut.shape == (2, 2, 2)
  (a_alone, a_without), (b_alone, _) = cut.mean(axis=0)
  assert a_alone > 0.8 and a_without < 0.6 and b_alone < 0.6


def test_each_part_does_its_subroutine(path):
  planted = outside.read(path, 3, seed=0)
  for own, other in (("A", "B"), ("B", "A")):
    # What no part owns (here: constants) stays.
    without = masks.complement(dict(planted.truth[other]))
    kept = jax.vmap(masks.merge)(planted.params, without)
    assert (right(planted, f"odd_{own}", kept) > 0.8).all()
    assert (right(planted, f"odd_{other}", kept) < 0.6).all()
  # One head and four units; of the output three coordinates.
  width = len(compiled.LABELS)
  for path, count in (
    ("value_0/kernel", width * compiled.HEAD_SIZE),
    ("outer_0/kernel", width * 4),
    ("output/kernel", 3 * 4),
  ):
    of_row = planted.truth["A"][path].reshape(3, -1).sum(axis=1)
    assert of_row.tolist() == [count] * 3
  both = masks.logical_and(dict(planted.truth["A"]), dict(planted.truth["B"]))
  assert not any(leaf.any() for leaf in both.values())


def test_heads_and_units_belong_to_what_they_alone_write():
  _, known = tracr_network.convert(compiled.model(), [0, 1, 2], 1, PAIR)
  places = compiled.PLACES
  assert known == {
    "read": 1,
    "properties": {"A": [0, 1, 2], "B": [3, 4, 5]},
    "parts": {
      "A": {
        "stream": [places["A_sum"] + at for at in range(3)],
        "heads_0": [0],
        "units_0": [0, 1, 2, 3],
      },
      "B": {
        "stream": [places["B_sum"] + at for at in range(3)],
        "heads_0": [1],
        "units_0": [4, 5, 6, 7],
      },
    },
  }


def test_a_model_without_such_names_or_with_biases_is_refused():
  model = compiled.model()
  model.params["transformer/layer_0/attn/key"]["b"][0] = 1
  with pytest.raises(UserError, match="attn/key has a bias"):
    tracr_network.convert(model, [0, 1, 2], 1, PAIR)
  model.residual_labels = [name.replace("A_", "a_") for name in compiled.LABELS]
  with pytest.raises(UserError, match="starts with 'A_'; name the var"):
    tracr_network.convert(model, [0, 1, 2], 1, PAIR)


def test_the_tool_writes_what_a_function_returns(tmp_path, monkeypatch):
  out = tmp_path / "parity.npz"
  monkeypatch.setattr(
    "sys.argv", ["tool", f"--model={compiled.__name__}:model", f"--out={out}"]
  )
  tracr_network.main()
  planted = outside.read(out, 2, seed=0)
  assert planted.pair == PAIR and (right(planted, "odd_A") > 0.9).all()
  monkeypatch.setattr("sys.argv", ["tool", "--model=no:thing", f"--out={out}"])
  with pytest.raises(SystemExit, match="--model=no:thing cannot be called"):
    tracr_network.main()


def test_what_tracr_compiles_works_and_falls_into_two_parts():
  pytest.importorskip("tracr", reason="pip install tracr-pypi")
  from tools import tracr_parities

  model = tracr_parities.model()
  encoder = model.input_encoder
  first, minus, plus = encoder.encode([encoder.bos_token, -1, 1])
  leaves, known = tracr_network.convert(model, [minus, plus, first], 1, PAIR)
  layers = range(model.model_config.num_layers)
  network = Encoder(
    len(layers),
    len(model.residual_labels),
    model.model_config.num_heads,
    model.model_config.key_size,
    model.model_config.mlp_hidden_size,
    4,
    read=1,
  )
  leaves = {name: np.float32(leaf) for name, leaf in leaves.items()}
  a, b = PAIR.holds(ITEMS).T
  np.testing.assert_allclose(
    embed(network, nested(leaves)),
    np.stack([~a, a, ~b, b], axis=-1),
    atol=1e-4,
  )
  for part in ("A", "B"):
    assert sum(len(known["parts"][part][f"heads_{one}"]) for one in layers) == 1


def change(path, **known):
  """Changes what is known of a network."""
  file = path.with_suffix(".json")
  file.write_text(json.dumps(json.loads(file.read_text()) | known))


def test_files_that_are_no_network_are_refused(path, tmp_path):
  with pytest.raises(UserError, match="do not hold a network"):
    outside.read(tmp_path / "none.npz", 1, 0)
  change(path, parts={"A": {"heads_1": [0]}})
  with pytest.raises(UserError, match=r"part A names \[0\] of heads_1, but"):
    outside.read(path, 1, 0)
  change(path, parts={"B": {"heads_0": [7]}})
  with pytest.raises(UserError, match=r"part B names \[7\] of heads_0, but"):
    outside.read(path, 1, 0)
  leaves = dict(np.load(path))
  np.savez(path, **leaves | {"outer_0/bias": np.zeros(3)})
  with pytest.raises(UserError, match=r"outer_0/bias has shape \(3,\), not"):
    outside.read(path, 1, 0)
  del leaves["query_0/kernel"]
  np.savez(path, **leaves)
  with pytest.raises(UserError, match="no first layer of an encoder"):
    outside.read(path, 1, 0)
  path.with_suffix(".json").write_text("{}")
  with pytest.raises(UserError, match="lacks 'read'; it must say"):
    outside.read(path, 1, 0)
