"""Divisions of the commands: rules, sizes, order, and reading back."""

import collections
import importlib
import itertools

import numpy as np
import pytest

from structcomp_jax.tasks import datasets, scan
from structcomp_jax.tasks.scan import builder, grammar
from structcomp_jax.types import UserError

# {division: (training problems, distinct ones, test problems)}
_PUBLISHED = {
  "simple": (16_728, 16_728, 4182),
  "length": (16_990, 16_990, 3920),
  "jump": (14_670, 13_204, 7706),
  "turn_left": (21_890, 19_702, 1208),
}
# {division: (command that is shown alone, its copies)}
_COPIES = {"jump": ("jump", 1467), "turn_left": ("turn left", 2189)}
_SIZES = {"train": 40, "validation": 10, "test": 20}


def _commands(name, split):
  return scan.make_datasets(name)[split][:, 0].tolist()


def test_divisions_and_configs():
  assert tuple(_PUBLISHED) == scan.NAMES
  assert tuple(builder.Scan.builder_configs) == scan.NAMES
  assert builder.Scan.name == "scan"


def test_builder_lives_beside_the_one_that_tfds_has():
  """TFDS refuses a second builder of one name, unless it is not registered."""
  module = "tensorflow_datasets.datasets.scan.scan_dataset_builder"
  other = importlib.import_module(module).Builder
  assert other.name == builder.Scan.name


@pytest.mark.parametrize("name", scan.NAMES)
def test_sizes_are_the_published_ones(name):
  train, test = _commands(name, "train"), _commands(name, "test")
  assert (len(train), len(set(train)), len(test)) == _PUBLISHED[name]
  assert len(set(test)) == len(test)


@pytest.mark.parametrize("name", scan.NAMES)
def test_training_and_test_hold_every_command_once(name):
  train, test = set(_commands(name, "train")), set(_commands(name, "test"))
  assert train.isdisjoint(test)
  assert train | test == grammar.meanings().keys()


@pytest.mark.parametrize("name", scan.NAMES)
def test_only_the_command_that_is_shown_alone_has_copies(name):
  counts = collections.Counter(_commands(name, "train"))
  copies = {command: n for command, n in counts.items() if n > 1}
  assert copies == dict([_COPIES[name]] if name in _COPIES else [])


def test_length_holds_back_long_sequences():
  problems = scan.make_datasets("length")
  lengths = {
    split: [len(text.split()) for text in problems[split][:, 1]]
    for split in ("train", "test")
  }
  assert max(lengths["train"]) == 22
  assert (min(lengths["test"]), max(lengths["test"])) == (24, 48)


def test_jump_holds_back_all_but_jump_alone():
  assert all("jump" in c.split() for c in _commands("jump", "test"))
  train = {c for c in _commands("jump", "train") if "jump" in c}
  assert train == {"jump"}


def test_turn_left_holds_back_the_adjacent_words_alone():
  assert all("turn left" in c for c in _commands("turn_left", "test"))
  train = set(_commands("turn_left", "train"))
  assert {c for c in train if "turn left" in c} == {"turn left"}
  assert {"turn opposite left", "turn around left twice"} <= train


def test_simple_is_random_over_all_kinds_of_commands():
  test = _commands("simple", "test")
  share = 4182 / 20_910
  for word in scan.COMMAND_WORDS:
    with_word = [c for c in grammar.meanings() if word in c.split()]
    held_back = sum(word in c.split() for c in test)
    assert held_back / len(with_word) == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize("name", scan.NAMES)
def test_problems_say_what_their_commands_mean(name):
  for problems in scan.make_datasets(name).values():
    assert problems.shape[1:] == (2,)
    assert problems.dtype == object
    for command, actions in problems:
      assert type(command) is type(actions) is str
      assert tuple(actions.split(" ")) == grammar.meanings()[command]


@pytest.mark.parametrize("name", scan.NAMES)
def test_validation_is_a_random_thousand_of_test(name):
  validation, test = _commands(name, "validation"), _commands(name, "test")
  assert len(set(validation)) == len(validation) == 1000
  assert set(validation) <= set(test)
  assert validation != test[:1000]
  # Its problems come from all over the test split.
  places = [test.index(command) for command in validation]
  assert np.mean(places) == pytest.approx(len(test) / 2, rel=0.1)


@pytest.mark.parametrize("name", scan.NAMES)
def test_problems_are_shuffled(name):
  order = {c: place for place, c in enumerate(grammar.meanings())}
  for split in ("train", "test"):
    places = [order[command] for command in _commands(name, split)]
    assert abs(np.corrcoef(places, range(len(places)))[0, 1]) < 0.05


@pytest.mark.parametrize("name", _COPIES)
def test_copies_lie_all_over_the_training_split(name):
  alone, count = _COPIES[name]
  train = np.array(_commands(name, "train"))
  quarters = [(part == alone).sum() for part in np.array_split(train, 4)]
  assert all(abs(found - count / 4) < 0.2 * count / 4 for found in quarters)


def test_divisions_are_fixed():
  made = {name: scan.make_datasets(name) for name in scan.NAMES}
  scan.make_datasets.cache_clear()
  for name, problems in made.items():
    again = scan.make_datasets(name)
    assert again is not problems
    for split, rows in problems.items():
      assert rows.tolist() == again[split].tolist()


@pytest.mark.parametrize("name", scan.NAMES)
def test_round_trip_keeps_the_first_problems_in_order(tmp_path, name):
  stored = datasets.prepare(f"scan/{name}", tmp_path, _SIZES)
  assert stored.info.metadata["separation"] == scan.separation(name)
  assert "choose nothing" in stored.info.description
  for split, count in _SIZES.items():
    loaded = datasets.load(f"scan/{name}", tmp_path, split)
    assert (loaded.shape, loaded.dtype) == ((count, 2), np.dtype(object))
    assert loaded.tolist() == scan.make_datasets(name)[split][:count].tolist()


def test_whole_data_set_round_trip(tmp_path):
  stored = datasets.prepare("scan/turn_left", tmp_path)
  assert stored.split_sizes == {"train": 21_890, "validation": 1000} | {
    "test": 1208
  }
  loaded = datasets.load("scan/turn_left", tmp_path, "train")
  made = scan.make_datasets("turn_left")["train"]
  assert loaded.tolist() == made.tolist()


def test_plain_tfds_reads_the_files(tmp_path):
  import tensorflow_datasets as tfds

  datasets.prepare("scan/jump", tmp_path, _SIZES)
  stored = tfds.builder_from_directory(tmp_path / "scan" / "jump" / "1.0.0")
  (example,) = stored.as_data_source("test[:1]")
  made = scan.make_datasets("jump")["test"][0]
  assert [text.decode() for text in example["texts"]] == made.tolist()


def test_separation_counts_commands_of_two_training_splits():
  lines = scan.separation()
  assert [line.partition(":")[0] for line in lines] == list(scan.NAMES)
  assert lines[2:3] == scan.separation("jump")
  trained = set(_commands("simple", "train"))
  for name, line in zip(scan.NAMES, lines, strict=True):
    test = _commands(name, "test")
    seen = sum(command in trained for command in test)
    assert line == (
      f"{name}: {seen} of {len(test)} test commands are in the training split"
      " of simple, 0 in its own; validation is a part of test"
    )
    # The official division of simple: 3152/3920, 6218/7706, 948/1208.
    expected = 0 if name == "simple" else 0.8
    assert seen / len(test) == pytest.approx(expected, abs=0.02)


def test_separation_says_what_is_in_its_own_training(monkeypatch):
  problems = {
    "train": np.array([["walk", "I_WALK"], ["run", "I_RUN"]], object),
    "test": np.array([["run", "I_RUN"], ["look", "I_LOOK"]], object),
  }
  monkeypatch.setattr(scan.splits, "make_datasets", lambda name: problems)
  (line,) = scan.separation("length")
  assert "1 of 2 test commands are in the training split of simple" in line
  assert "simple, 1 in its own" in line


@pytest.mark.parametrize("call", [scan.make_datasets, scan.separation])
def test_unknown_divisions_are_refused(call):
  with pytest.raises(UserError, match="'addprim'; use one of simple, length"):
    call("addprim")


def test_words_of_the_divisions():
  """No word is missing from the training split of any division."""
  for name, split in itertools.product(scan.NAMES, ("train", "test")):
    words = {word for c in _commands(name, split) for word in c.split()}
    assert words == set(scan.COMMAND_WORDS)
