"""Curves take the best density; what is restored is half of a mask."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import masks, trees
from structcomp_jax.studies.planted import removal
from structcomp_jax.studies.planted.asking import Search
from structcomp_jax.studies.planted.network import Loss, accuracy
from tests.studies.planted.conftest import EFFORT

SHORT = Search("continuous_sparsification", num_samples=1, num_steps=8)


@pytest.fixture(scope="module")
def sets(trained):
  return EFFORT.sets(trained.pair, 8)


def test_the_best_density_of_the_worse_subroutine_counts(
  trained, sets, monkeypatch
):
  # (D_sub, -D_abl) of A and of B in one network, penalty by penalty.
  numbers = {
    0.0: [[0.9, 0.2], [0.1, 0.2]],
    1.0: [[0.5, 0.6], [0.4, 0.3]],
    2.0: [[0.3, 0.7], [0.8, 0.9]],
  }
  monkeypatch.setattr(
    removal, "one_mask_each", lambda search, *rest: search.penalty
  )
  monkeypatch.setattr(
    removal,
    "differences",
    lambda network, params, both, tests: np.array(numbers[both])[..., None],
  )
  statistic = removal.Curves(SHORT, penalties=tuple(numbers))
  found = statistic.scores(trained.network, trained.params, sets, seed=0)
  # Of A 0.4 at the second penalty, of B 0.7 at the third.
  assert found == {statistic.names[0]: pytest.approx([0.4])}


def right(planted, mask, sets, task):
  kept = jax.vmap(masks.merge)(planted.params, mask)
  problems = sets["test"][f"odd_{task}"]
  return np.asarray(accuracy(planted.network, kept, problems))


def test_what_is_restored_is_added_to_what_was_left(trained, sets, monkeypatch):
  both = [dict(trained.truth[name]) for name in ("A", "B")]
  monkeypatch.setattr(removal, "one_mask_each", lambda *rest: both)
  monkeypatch.setattr(removal, "random_half", lambda mask, key: mask)
  monkeypatch.setattr(
    removal,
    "half_that_matters",
    lambda network, params, mask, data: jax.tree.map(jnp.zeros_like, mask),
  )
  found = removal.Restored(SHORT).scores(
    trained.network, trained.params, sets, seed=0
  )
  whole, none = (found[name] for name in removal.Restored.names)
  full = jax.tree.map(jnp.ones_like, both[0])
  a = right(trained, full, sets, "A") - right(trained, full, sets, "B")
  np.testing.assert_allclose(whole, np.minimum(-a, a), atol=1e-6)
  # Nothing restored: the other block alone.
  left = [masks.complement(mask) for mask in both]
  a = right(trained, left[0], sets, "A") - right(trained, left[0], sets, "B")
  b = right(trained, left[1], sets, "B") - right(trained, left[1], sets, "A")
  np.testing.assert_allclose(none, np.minimum(-a, -b), atol=1e-6)
  assert (none > 0.4).all()


def test_a_random_half_is_a_half_of_the_mask(trained):
  mask = dict(trained.truth["A"])
  half = removal.random_half(mask, jax.random.key(0))
  other = removal.random_half(mask, jax.random.key(1))
  assert all((half[path] <= mask[path]).all() for path in mask)
  assert 0.4 < masks.total_kept(half) / masks.total_kept(mask) < 0.6
  assert any((half[path] != other[path]).any() for path in mask)


def test_the_half_that_matters_has_the_largest_effects(trained, sets):
  mask = dict(trained.truth["A"])
  data = sets["train"]["A"]
  half = removal.half_that_matters(trained.network, trained.params, mask, data)
  row = trees.row(trained.params, 1)
  of_row = {path: leaf[1] for path, leaf in mask.items()}
  ablated = masks.merge(row, masks.complement(of_row))
  gradient = jax.grad(Loss(trained.network))(ablated, data)
  gradient = trees.leaves_by_path(gradient)
  effects = np.concatenate(
    [
      np.abs(np.asarray(leaf * gradient[path]))[np.asarray(of_row[path])]
      for path, leaf in trees.leaves_by_path(row).items()
      if path in of_row
    ]
  )
  chosen = np.concatenate(
    [np.asarray(half[path][1])[np.asarray(of_row[path])] for path in of_row]
  )
  assert all((half[path] <= mask[path]).all() for path in mask)
  assert chosen.sum() == pytest.approx(len(chosen) / 2, abs=1)
  assert effects[chosen].min() >= effects[~chosen].max()
