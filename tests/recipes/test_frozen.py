"""Features of a frozen network stand in for the data."""

import chex
import jax
import numpy as np
import pytest

from configs.common.language import language_variant
from configs.common.vision import vision_variant
from structcomp_jax import trees
from structcomp_jax.recipes import experiment, frozen, prepare_data

CONFIGS = {
  "vision": (vision_variant("inside_contact", "smoke"), "stage_2", "inside"),
  "language": (language_variant("sv_singular", "smoke"), 0, "subject"),
}


@pytest.fixture(scope="module", params=CONFIGS)
def case(request, tmp_path_factory):
  config, masked_from, task = CONFIGS[request.param]
  config.data.num_problems = {"train": 64, "validation": 16, "test": 16}
  loaded = experiment.load(config, tmp_path_factory.mktemp(request.param))
  name = loaded.domain.dataset_name
  for role in ("base", task):
    prepare_data.build(name(role), loaded.data_dir, loaded.num_problems(role))
  params = jax.jit(loaded.network.init)(jax.random.key(0))
  return loaded, params, masked_from, task


def with_budget(case, gigabytes):
  loaded, params, *_ = case
  config = loaded.config.copy_and_resolve_references()
  config.search.cache_gigabytes = gigabytes
  return frozen.FrozenNetwork(
    experiment.load(config, loaded.paths.workdir), params
  )


def test_cached_features_give_the_same_metrics_and_gradient(case):
  loaded, params, masked_from, task = case
  paths = loaded.mask_spec(params, masked_from).paths
  found = []
  for gigabytes in (0.0, 1.0):
    frozen_network = with_budget(case, gigabytes)
    problems = frozen_network.problems(masked_from, task, "validation")
    network = frozen_network.network(masked_from)
    metrics = jax.jit(network.metrics_fn)(params, problems)
    gradient = jax.jit(jax.grad(network.loss_fn))(params, problems)
    leaves = trees.leaves_by_path(gradient)
    found.append((metrics, {path: leaves[path] for path in paths}))
  plain, cached = found
  # The prefix is compiled on its own and rounds on its own.
  chex.assert_trees_all_close(plain, cached, atol=1e-5)
  assert any(np.any(leaf) for leaf in cached[1].values())


def test_features_larger_than_the_budget_are_not_kept(case):
  _, _, masked_from, task = case
  network = with_budget(case, 1e-6)
  assert network.problems(masked_from, task, "validation").keys() == (
    network.experiment.load(task, "validation").keys()
  )
  assert network.network(masked_from) is network.experiment.network


def test_features_are_computed_once(case):
  _, _, masked_from, task = case
  network = with_budget(case, 1.0)
  first = network.problems(masked_from, task, "validation")
  assert network.problems(masked_from, task, "validation") is first
