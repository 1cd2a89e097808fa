"""The released tables, computed again in another way from a made-up release."""

import numpy as np
import pandas as pd
import pytest

from structcomp_jax.studies.break_it_down.reanalysis import (
  analysis_data,
  release,
  searches,
)
from tests.studies.break_it_down.reanalysis import synthetic

# Mask task -> (own, target test, other test), as numbers of the release.
NUMBERS = {
  ("inside_contact", "inside"): (104, 107, 108),
  ("inside_contact", "contact"): (105, 108, 107),
  ("inside_count", "inside"): (110, 114, 113),
  ("inside_count", "number"): (111, 113, 114),
  ("sv_agr_singular", "subject"): (1, 4, 3),
  ("sv_agr_singular", "verb"): (2, 3, 4),
  ("sv_agr_plural", "subject"): (6, 9, 8),
  ("sv_agr_plural", "verb"): (7, 8, 9),
}


@pytest.fixture(scope="module")
def rows():
  table = synthetic.release()
  return table[table["row_type"] == "eval"]


@pytest.fixture(scope="module")
def table(rows):
  return searches.of_release(rows)


@pytest.fixture(scope="module")
def found(table):
  return analysis_data.released(table)


def difference(rows, search, ablation):
  """Returns target minus other of one search, both at least a quarter."""
  of_search = rows[(rows["search_id"] == search)]
  first = of_search.iloc[0]
  _, target, other = NUMBERS[first["experiment"], first["mask_task"]]
  accuracy = of_search[of_search["ablation"] == ablation].set_index(
    "eval_task"
  )["accuracy"]
  return max(accuracy[target], 0.25) - max(accuracy[other], 0.25)


def by_hand(rows, experiment, regime, left_out=()):
  """Returns (Base_Model, Ablation, Task, Performance) of one experiment."""
  part = rows[
    (rows["experiment"] == experiment)
    & (rows["regime"] == regime)
    & (rows["hparams_from"] == "scratch")
  ]
  lines = []
  for base in sorted(part["base_model"].unique()):
    number = sorted(part["base_model"].unique()).index(base)
    if number in left_out:
      continue
    for task in synthetic.TASKS[experiment]:
      of_task = part[(part["base_model"] == base) & (part["mask_task"] == task)]
      for flag, ablation in ((0, "none"), (1, "zero")):
        for search in sorted(of_task["search_id"].unique()):
          value = difference(rows, search, ablation)
          lines.append((number, flag, task.capitalize(), value))
  return lines


def lines_of(table):
  columns = ["Base_Model", "Ablation", "Task", "Performance"]
  return list(table[columns].itertuples(index=False, name=None))


def test_vision_tables_leave_out_what_was_typed_by_hand(rows, found):
  for regime in ("scratch", "pruned"):
    made = found[f"inside_contact-resnet50-{regime}"]
    # Number 2 of the pruned networks is not the one whose base had failed.
    assert lines_of(made) == by_hand(rows, "inside_contact", regime, (2,))
    assert list(made) == ["Base_Model", "Ablation", "Task", "Performance"]
    assert len(made) == 24
  made = found["inside_contact-resnet50-random_init"]
  assert lines_of(made) == by_hand(rows, "inside_contact", "random_init")
  assert len(made) == 36


def test_language_tables_hold_singular_before_plural(rows, found):
  made = found["sv_agr-bert_small-scratch"]
  singular = by_hand(rows, "sv_agr_singular", "scratch")
  plural = by_hand(rows, "sv_agr_plural", "scratch")
  assert lines_of(made) == singular + plural
  assert list(made["singular"]) == [1] * len(singular) + [0] * len(plural)


def test_only_what_was_released_has_a_table(found, table):
  assert len(analysis_data.RELEASED) == 18
  assert set(found) == {
    "sv_agr-bert_small-scratch",
    "sv_agr-bert_small-random_init",
    "inside_contact-resnet50-scratch",
    "inside_contact-resnet50-pruned",
    "inside_contact-resnet50-random_init",
    "inside_contact-resnet50-simclr",
  } | {f"{name}-wideresnet50-scratch" for name in ("inside_count",)}
  assert len(searches.groups(table)) == 10


def test_a_missing_directory_shifts_the_numbers(table):
  rows = table[
    (table["model"] == "wideresnet50") & (table["regime"] == "random_init")
  ]
  numbers = rows.groupby("base_seed")["base_model"].agg(list)
  assert set(numbers[synthetic.uuid("w")]) == {0}
  # Network x follows w at once, so its two directories get two numbers.
  assert sorted(set(numbers[synthetic.uuid("x")])) == [0, 1]
  assert sorted(set(numbers[synthetic.uuid("y")])) == [1, 2]
  whole = table[(table["model"] == "wideresnet50")].drop(rows.index)
  assert whole.groupby("base_model")["base_seed"].nunique().max() == 1


def test_files_hold_the_tables_to_the_last_bit(found, tmp_path):
  analysis_data.write(found, tmp_path)
  for name, table in found.items():
    stored = pd.read_csv(tmp_path / f"{name}.csv", dtype=str)
    assert list(stored) == list(table)
    for column in stored:
      convert = type(table[column].iloc[0])
      assert [convert(cell) for cell in stored[column]] == list(table[column])
    head = (tmp_path / f"{name}.csv").read_text().splitlines()[0]
    assert head.startswith("Base_Model,Ablation,Task,Performance")


def test_mask_tasks_have_the_numbers_of_the_release():
  for (experiment, task), (own, *_) in NUMBERS.items():
    assert release.mask_task_id(experiment, task) == own


def test_a_search_with_one_answer_to_everything_is_found(table):
  collapsed = table[table["collapsed"]]
  assert len(collapsed) == 1
  one = collapsed.iloc[0]
  experiment, regime, base, task, seed = synthetic.COLLAPSED
  assert (one["release_experiment"], one["regime"]) == (experiment, regime)
  assert (one["base_seed"][:8], one["task"]) == (base, task.capitalize())
  assert one["seed"] == seed
  np.testing.assert_allclose(one["d_sub"], 0)
