"""From a config to an experiment: sizes of the data sets."""

import pytest

from configs.common.language import language_variant
from structcomp_jax.pipeline import experiment
from structcomp_jax.tasks.odd_one_out import syntax


@pytest.mark.parametrize("policy", syntax.POLICIES)
def test_no_task_is_asked_for_more_problems_than_it_has(policy, tmp_path):
  config = language_variant("sv_singular", "small")
  config.data.policy = policy
  config.data.num_problems.test = 500
  loaded = experiment.load(config, tmp_path)
  problems = syntax.make_datasets("sv_singular", policy)
  for task in loaded.test_tasks:
    sizes = loaded.num_problems(task)
    has = {split: len(found) for split, found in problems[task].items()}
    assert sizes == {**has, "test": min(500, has["test"])}
  assert loaded.num_problems("base")["test"] == 500
  assert "train" not in loaded.num_problems("odd_subject")


def test_every_sentence_fits(tmp_path):
  config = language_variant("anaphora_plural", "smoke")
  domain = experiment.load(config, tmp_path).domain
  problems = syntax.make_datasets("anaphora_plural", "published")
  longest = max(
    len(sentence.split())
    for splits in problems.values()
    for split in splits.values()
    for sentence in split.ravel()
  )
  assert domain.length == longest + 2  # [CLS] and [SEP]
