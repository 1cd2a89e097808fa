"""The rules that choose a setting of the mask grid."""

import pytest

from structcomp_jax.studies.break_it_down import selection
from structcomp_jax.types import UserError


def setting(name, own, removed=1, target=0.25, other=0.25, finite=True):
  return {
    "learning_rate": name,
    "own_accuracy": own,
    "own_loss": 0.0,
    "removed": removed,
    "ablated_target": target,
    "ablated_other": other,
    "finite": finite,
  }


def best(rule, *rows):
  return selection.best_row(list(rows), rule)["learning_rate"]


def test_own_task_takes_the_most_accurate():
  rows = setting("a", 0.95, other=1.0), setting("b", 0.99, removed=0)
  assert best("own_task", *rows) == "b"
  assert best("own_task", *reversed(rows)) == "b"


def test_own_task_takes_the_smallest_of_equally_accurate_ones():
  rows = [setting("a", 1, removed=1), setting("b", 0.995, removed=2)]
  assert best("own_task", *rows) == "b"
  assert best("own_task", *rows, setting("c", 1, removed=2)) == "b"


def test_published_takes_the_largest_effect_of_the_ablation():
  rows = setting("a", 1.0, target=0.3, other=0.9), setting("b", 0.9, other=1.0)
  assert best("published", *rows) == "b"


def test_published_counts_less_than_chance_as_chance():
  rows = setting("a", 0.9, target=0.0, other=0.8), setting("b", 1, other=0.8)
  # Equal scores; the second is more accurate.
  assert best("published", *rows) == "b"
  assert best("published", setting("a", 1), setting("b", 1, other=0.1)) == "a"


def test_published_leaves_out_masks_that_did_not_learn():
  learned = setting("a", 0.9, target=1.0, other=0.25)
  assert best("published", learned, setting("b", 0.89, other=1.0)) == "a"
  # Where none learned, the most accurate one.
  assert best("published", setting("a", 0.5), setting("b", 0.6)) == "b"


@pytest.mark.parametrize("rule", ["own_task", "published"])
def test_not_finite_is_never_chosen(rule):
  rows = setting("a", 1.0, other=1.0, finite=False), setting("b", 0.1)
  assert best(rule, *rows) == "b"
  with pytest.raises(UserError, match="lower the learning rates"):
    best(rule, setting("a", 1.0, finite=False))
