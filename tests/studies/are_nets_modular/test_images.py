"""Pictures: what every mask learns, and whose output layer it has."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs.images import cifar10
from structcomp_jax import trees
from structcomp_jax.studies import registry
from structcomp_jax.studies.are_nets_modular import gradient_cosine, images
from structcomp_jax.tasks.images import sources
from structcomp_jax.types import UserError


def study_of(variant, **changes):
  config = cifar10.get_config(variant)
  config.update(changes)
  return registry.make_study(config.copy_and_resolve_references())


@pytest.fixture(scope="module")
def train():
  return sources.digits_splits()["train"]


def test_masks_of_a_class_learn_all_others(train):
  domain = study_of("digits").domain
  fewest = min((train[:, 0] != number).sum() for number in range(10))
  for number, name in enumerate(domain.classes):
    batch = domain.encode(f"without_{name}", train)
    assert set(batch["label"]) == set(range(10)) - {number}
    # All as many, the first ones, so that one program serves them.
    assert len(batch["label"]) == fewest
    rows = train[train[:, 0] != number][:fewest]
    np.testing.assert_array_equal(
      batch["images"].reshape(len(rows), -1), rows[:, 1:]
    )


def test_the_control_learns_everything(train):
  domain = study_of("digits").domain
  batch = domain.encode(domain.subroutines["control"], train)
  assert len(batch["label"]) == len(train)


def test_masks_of_a_pair_learn_both_classes(train):
  domain = study_of("digits_stability").domain
  names = [name for name in domain.subroutines if name != "control"]
  assert len(names) == 10
  for name in names:
    first, second = name.split("_and_")
    batch = domain.encode(name, train)
    assert {domain.classes[label] for label in batch["label"]} == {
      first, second,
    }  # fmt: skip


def test_tests_are_the_classes(train):
  domain = study_of("digits").domain
  counts = [
    len(domain.encode(name, train)["label"]) for name in domain.test_tasks
  ]
  assert counts == np.bincount(train[:, 0]).tolist()


def test_pairs_are_distinct_and_follow_the_seed():
  classes = ["a", "b", "c", "d"]
  pairs = images.class_pairs(classes, 6, 0)
  assert len(set(pairs)) == 6
  assert images.class_pairs(classes, 3, 0) == pairs[:3]
  assert images.class_pairs(classes, 6, 1) != pairs
  with pytest.raises(UserError, match="num_pairs 7"):
    images.class_pairs(classes, 7, 0)


@pytest.mark.parametrize(
  ("variant", "count"),
  [("no_dropout", 390_986), ("dropout", 390_986), ("resnet110", 1_730_714)],
)
def test_masked_weights_are_the_published_ones(variant, count):
  study = study_of(variant)
  from structcomp_jax import masks
  from structcomp_jax.pipeline.study import param_shapes

  spec = masks.select(param_shapes(study.network), study.mask_rules(0))
  assert spec.num_weights == count
  assert not any("mean" in path or "variance" in path for path in spec.paths)


def test_settings_of_the_residual_network_are_published():
  study = study_of("resnet110")
  training = study.train_config()
  assert (training.optimizer, training.learning_rate) == ("sgd", 0.1)
  assert (training.num_steps, training.drops) == (64_000, (32_000, 48_000))
  assert (training.momentum, training.weight_decay) == (0.9, 1e-4)
  config = study.search_config()
  assert (config.num_steps, config.batch_size) == (30_000, 256)
  # Divided by the batch size of the weights.
  assert config.penalties == (pytest.approx(2e-5 / 128),)


def network_and_batch(variant="smoke_batch_norm"):
  study = study_of(variant)
  params = study.network.init(jax.random.key(0))
  records = sources.digits_splits()["train"][:32]
  batch = study.domain.encode("all", records)
  return study, params, {k: jnp.asarray(v) for k, v in batch.items()}


def test_training_moves_statistics_and_searches_do_not():
  study, params, batch = network_and_batch()
  network = study.network
  loss, moved = network.moving_loss(params, batch)
  assert np.isfinite(loss)
  paths = {path for path in trees.leaves_by_path(params)
           if path.rpartition("/")[2] in ("mean", "variance")}  # fmt: skip
  assert set(moved) == paths
  _, updated = network.apply(
    params, network._inputs(batch["images"]), mutable=["statistics"]
  )
  for path, value in trees.leaves_by_path(updated["statistics"]).items():
    old = trees.leaves_by_path(params)[path]
    np.testing.assert_allclose(moved[path], 0.9 * old + 0.1 * value, rtol=1e-5)
  gradient = trees.leaves_by_path(
    jax.grad(study.frozen_network.loss)(params, batch)
  )
  # A frozen network normalises by them, so its loss depends on them.
  assert any(gradient[path].any() for path in paths)


def test_recalibrated_statistics_are_those_of_the_batches():
  study, params, batch = network_and_batch()
  network = study.network
  batches = {name: value.reshape(4, 8, *value.shape[1:])
             for name, value in batch.items()}  # fmt: skip
  found = trees.leaves_by_path(network.recalibrated(params, batches))
  parts = []
  for index in range(4):
    _, updated = network.apply(
      params,
      network._inputs(batches["images"][index]),
      mutable=["statistics"],
    )
    parts.append(trees.leaves_by_path(updated["statistics"]))
  for path, leaf in trees.leaves_by_path(params).items():
    expected = leaf
    if path in parts[0]:
      expected = np.mean([part[path] for part in parts], axis=0)
    np.testing.assert_allclose(found[path], expected, rtol=1e-4, atol=1e-5)


def test_pictures_are_moved_and_mirrored_at_random():
  study, params, batch = network_and_batch()
  import dataclasses

  network = dataclasses.replace(study.network, augments=True)
  keys = jax.random.split(jax.random.key(1), 32)
  one = network.loss(params, {**batch, "key": keys})
  other = network.loss(params, {**batch, "key": keys[::-1]})
  assert one != other
  # Nothing is drawn without a key.
  assert network.loss(params, batch) == study.network.loss(params, batch)


def test_cosines_by_hand():
  whole = {"a": np.array([1.0, 2.0, 3.0]), "b": np.array([1.0])}
  masked = {"a": np.array([2.0, 9.0, -1.0]), "b": np.array([4.0])}
  kept = {"a": np.array([True, False, True]), "b": np.array([True])}
  found = gradient_cosine.cosines(whole, masked, kept)
  assert found["a"] == pytest.approx(-1 / np.sqrt(10 * 5))
  assert found["b"] == pytest.approx(1.0)
  assert found[""] == pytest.approx((-1 + 4) / np.sqrt(11 * 21))
  nothing = {path: np.zeros_like(leaf) for path, leaf in kept.items()}
  assert np.isnan(gradient_cosine.cosines(whole, masked, nothing)[""])


def test_masks_are_put_on_from_the_top():
  mask = {"one/k": np.zeros(2, bool), "two/k": np.zeros(1, bool)}
  stages = ("one", "two")
  for num_masked, expected in ((0, [2, 1]), (1, [2, 0]), (2, [0, 0])):
    found = gradient_cosine.from_the_top(mask, stages, num_masked)
    assert [int(leaf.sum()) for leaf in found.values()] == expected


def test_gradient_without_a_mask_is_that_of_the_network():
  study, params, batch = network_and_batch("smoke")
  batches = {name: value.reshape(2, 16, *value.shape[1:])
             for name, value in batch.items()}  # fmt: skip
  leaves = trees.leaves_by_path(params)
  mask = {path: np.arange(leaf.size).reshape(leaf.shape) % 2 == 0
          for path, leaf in leaves.items()}  # fmt: skip
  found = gradient_cosine.by_depth(
    study.frozen_network.loss_fn, params, mask, study.network.stages, batches
  )
  assert len(found) == len(study.network.stages) + 1
  assert found[0][""] == pytest.approx(1.0)
  assert found[-1][""] < 0.999
