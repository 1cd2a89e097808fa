"""The experiment with mathematics: what its tasks read, and its network."""

import jax
import numpy as np
import pytest

from configs.mathematics import mathematics as configs
from structcomp_jax import masks, trees
from structcomp_jax.pipeline.study import param_shapes
from structcomp_jax.studies import registry
from structcomp_jax.studies.are_nets_modular import mathematics
from structcomp_jax.tasks.mathematics import encode
from structcomp_jax.types import UserError

PROBLEMS = np.array(
  [
    ("1+2", "3", "easy"),
    ("Sort 5, -1.", "-1, 5", "hard"),
    ("7-8", "-1", "medium"),
    ("10-8", "2", "easy"),
  ],
  dtype=object,
)


def make(**data):
  config = configs.get_config("smoke")
  config.data.update({"question_length": 12, "answer_length": 7, **data})
  return mathematics.make(config)


@pytest.fixture(scope="module")
def domain():
  return make()


@pytest.mark.parametrize(
  ("task", "rows"),
  [("all", [0, 1, 2, 3]), ("easy", [0, 3]), ("medium", [2]), ("hard", [1])],
)
def test_every_level_is_a_task(domain, task, rows):
  found = domain.encode(task, PROBLEMS)
  np.testing.assert_array_equal(found["source"], encode(PROBLEMS[rows, 0], 12))
  np.testing.assert_array_equal(found["target"], encode(PROBLEMS[rows, 1], 7))


def test_networks_learn_the_levels_of_the_config_alone():
  domain = make(levels=("easy", "medium"))
  assert domain.tasks() == ["all", "easy", "medium"]
  assert domain.test_tasks == ("easy", "medium")
  assert len(domain.encode("all", PROBLEMS)["source"]) == 3
  # All levels are stored, unless there is one.
  assert domain.dataset_name("all") == "mathematics/add_or_sub"
  easy = make(levels=("easy",))
  assert easy.dataset_name("all") == "mathematics/add_or_sub.easy"
  assert easy.available("all")["test"] == 10_000
  assert domain.available("all")["test"] == 30_000


def test_a_level_without_problems_is_refused(domain):
  with pytest.raises(UserError, match=r"level medium; raise data\.num"):
    domain.encode("medium", PROBLEMS[:2])


def test_masks_and_tasks(domain):
  assert dict(domain.subroutines) == {"control": "all", "easy": "easy"}
  assert domain.tasks()[0] == "all"
  assert domain.outputs() == ("", ())
  assert domain.loss_draws


def test_an_archive_has_names_of_its_own():
  config = configs.get_config("smoke")
  config.runtime.data_dir = "somewhere"
  config.data.policy = "archive_published"
  config.experiment = "mathematics_sort"
  domain = mathematics.make(config)
  assert domain.dataset_name("all") == "mathematics/sort.archive_published"
  assert domain.data_dir == "somewhere"


def test_the_network_is_tied_forced_and_answers_with_its_own_characters():
  domain = make()
  network = domain.network
  assert network.always_forced
  assert network.model.config.ties_embeddings
  assert network.model.config.target_vocabulary == 96
  assert network.model.config.dropout == 0.1
  assert domain.frozen_network.model.config.dropout == 0
  params = jax.jit(network.init)(jax.random.key(0))
  batch = domain.encode("all", PROBLEMS)
  found = jax.jit(network.metrics_fn)(params, batch)
  assert found["accuracy"].tolist() == [0, 0, 0, 0]
  # Answers of the network are right by definition.
  said = network.model.apply({"params": params}, batch, 6, method="decode")
  target = np.full((4, 7), -1, np.int8)
  target[:, :6] = said
  found = jax.jit(network.metrics_fn)(params, {**batch, "target": target})
  assert found["accuracy"].tolist() == [1, 1, 1, 1]


def test_masks_have_all_weights_but_biases_and_the_table():
  study = registry.make_study(configs.get_config("smoke"))
  shapes = param_shapes(study.network)
  masked = masks.select(shapes, study.mask_rules(0)).paths
  left = set(trees.leaves_by_path(shapes)) - set(masked)
  assert "encoder_embedding/embedding" in left
  assert all(path.endswith(("bias", "embedding")) for path in left)
  assert not [path for path in left if "norm" in path]


def test_halves_leave_out_the_last_layers(domain):
  paths = [
    "encoder_layer_0/output/kernel",
    "decoder/layer_0/output/kernel",
  ]
  assert domain.halves(paths) == {"early": []}
  deeper = configs.get_config("")
  early = mathematics.make(deeper).halves(
    [*paths, "encoder_layer_5/output/kernel", "decoder/layer_5/query/kernel"]
  )
  assert early == {"early": paths}
