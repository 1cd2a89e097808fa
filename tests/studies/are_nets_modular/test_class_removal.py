"""Class removal and stability: drops by hand, and what is concluded."""

import types

import numpy as np
import pandas as pd
import pytest

from structcomp_jax.studies.are_nets_modular.findings import (
  accuracies,
  class_drops,
  class_removal,
  stability,
)

CLASSES = ("cat", "dog", "fox")
SEEDS = (0, 1, 2)


def results(drop, other, seeds=(0, 1), control=0.8, noise=0.01):
  """Rows of networks whose masks lose one class and some of the next one."""
  rows = []

  def add(base, seed, subroutine, values):
    for test, accuracy in zip(CLASSES, values, strict=True):
      rows.append(
        {
          "regime": "scratch",
          "base_seed": base,
          "subroutine": subroutine,
          "mask_seed": seed,
          "candidate": seed,
          "ablation": "none",
          "test_task": test,
          "accuracy": accuracy,
        }
      )

  for base in SEEDS:
    for seed in seeds:
      whole = control * (1 - noise * seed)
      add(base, seed, "control", [whole] * 3)
      for index, name in enumerate(CLASSES):
        values = [whole] * 3
        values[index] *= 1 - drop - 0.001 * base
        values[(index + 1) % 3] *= 1 - other
        add(base, seed, f"without_{name}", values)
  return pd.DataFrame(rows)


def evidence(table):
  return types.SimpleNamespace(
    experiment="cifar10",
    model="toy",
    results=table,
    tests=CLASSES,
    masked_regimes=["scratch"],
    subtasks=tuple(f"without_{name}" for name in CLASSES),
  )


def test_drops_are_relative_to_the_control_of_the_same_seed():
  masks = accuracies.wide(results(0.9, 0.05))
  table = class_drops.removals(masks, CLASSES)
  assert len(table) == len(SEEDS) * 2 * len(CLASSES)
  row = table[(table["removed"] == "dog") & (table["base_seed"] == 2)].iloc[0]
  assert row["target"] == pytest.approx(0.902)
  assert (row["others"], row["worst"]) == (pytest.approx(0.05), "fox")
  assert row["ratio"] == pytest.approx(0.05 / 0.902)


def test_others_that_gain_are_no_loss():
  rows = results(0.9, 0.0)
  gains = (rows["subroutine"] != "control") & (rows["accuracy"] > 0.5)
  rows.loc[gains, "accuracy"] = 0.9
  table = class_drops.removals(accuracies.wide(rows), CLASSES)
  assert not table["others"].any()


def test_two_control_masks_tell_what_a_seed_changes():
  masks = accuracies.wide(results(0.9, 0.05, noise=0.02))
  floor = class_drops.between_controls(masks, CLASSES)
  assert len(floor) == len(SEEDS)
  # One direction loses 2 %, the other one nothing.
  np.testing.assert_allclose(floor, 0.01)
  alone = accuracies.wide(results(0.9, 0.05, seeds=(0,)))
  assert not len(class_drops.between_controls(alone, CLASSES))


@pytest.mark.parametrize(
  ("drop", "other", "label"),
  [
    (0.9, 0.05, class_removal.ALONE),
    (0.9, 0.3, class_removal.LOST),
    (0.02, 0.0, class_removal.KEPT),
    (0.4, 0.3, class_removal.UNCLEAR),
  ],
)
def test_labels(drop, other, label):
  found = class_removal.judge(evidence(results(drop, other)), "scratch")
  assert found.label.removeprefix("probably ") == label
  assert found.numbers["published_axis"] == [0.0, 0.10]
  assert "two control masks" in found.floor


def test_a_control_mask_that_fails_stops_the_verdict():
  table = results(0.9, 0.05, control=0.4)
  found = class_removal.judge(evidence(table), "scratch")
  assert found.label == "cannot be told"
  assert "accuracy below 0.5" in found.sentence


def test_changes_of_answers_are_against_the_control():
  rows = []
  for base in SEEDS:
    for name, right in (("control", 0.9), ("without_cat", 0.1 + 0.1 * base)):
      rows += [
        {
          "regime": "scratch",
          "base_seed": base,
          "subroutine": name,
          "mask_seed": 0,
          "true": "cat",
          "predicted": predicted,
          "share": share,
        }
        for predicted, share in (("cat", right), ("dog", 1 - right))
      ]
  found = class_drops.confusion_differences(pd.DataFrame(rows))
  changes = found.set_index("predicted")["change_mean"]
  assert changes["cat"] == pytest.approx(0.2 - 0.9)
  assert changes["dog"] == pytest.approx(0.9 - 0.2)


def test_recalibrated_statistics_stand_beside_running_ones():
  running, other = results(0.9, 0.05), results(0.5, 0.2, control=0.6)
  assert class_drops.by_statistics(evidence(running)).empty
  both = pd.concat([running, other.assign(ablation="none_recalibrated")])
  found = class_drops.by_statistics(evidence(both)).set_index("statistics")
  first, second = found.loc["running"], found.iloc[1]
  assert first["target_mean"] == pytest.approx(0.901)
  assert second["target_mean"] == pytest.approx(0.501)
  assert second["others_mean"] == pytest.approx(0.2)
  assert first["accuracy_mean"] == pytest.approx(0.8 * 0.995)
  assert second["accuracy_mean"] == pytest.approx(0.6 * 0.995)


def pairs(same, different):
  """Rows of overlaps.csv of two subtasks of pairs, two seeds each."""
  masks = [(name, seed) for name in ("a_and_b", "c_and_d") for seed in (0, 1)]
  return pd.DataFrame(
    [
      {
        "regime": "scratch",
        "base_seed": base,
        "first": masks[i][0],
        "first_seed": masks[i][1],
        "second": masks[j][0],
        "second_seed": masks[j][1],
        "beta": 1.0,
        "leaf": "conv_0/kernel",
        "size": 1000,
        "first_kept": 200,
        "second_kept": 200,
        "both": (same if masks[i][0] == masks[j][0] else different) + base,
      }
      for base in SEEDS
      for i in range(4)
      for j in range(i + 1, 4)
    ]
  )


@pytest.mark.parametrize(
  ("same", "different", "label"),
  [
    (150, 60, stability.AGREE),
    (150, 149, stability.UNSPECIFIC),
    (40, 40, stability.CHANCE),
  ],
)
def test_stability_is_beside_chance_and_other_classes(same, different, label):
  one = evidence(results(0.9, 0.05))
  one.subtasks = ("a_and_b", "c_and_d")
  one.overlaps = pairs(same, different)
  found = stability.judge(one, "scratch")
  assert found.label.removeprefix("probably ") == label
  assert found.numbers["num_values"] == 2 * len(SEEDS)
  expected = np.mean([(same + s) / (400 - same - s) for s in SEEDS])
  assert found.numbers["iou_mean"] == pytest.approx(expected)
  by_leaf = stability.by_leaf(one).set_index(["kind", "leaf"])
  for leaf in ("", "conv_0/kernel"):
    row = by_leaf.loc["same subtask", leaf]
    assert row["num_values"] == 2 * len(SEEDS)
    assert row["iou_mean"] == pytest.approx(expected)
    assert row["random_iou"] == pytest.approx(40 / 360)
    assert by_leaf.loc["different subtasks", leaf]["num_values"] == 12
