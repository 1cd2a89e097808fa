"""From a config to an experiment: sizes of the data sets."""

import pytest

from configs.common.language import language_variant
from structcomp_jax.studies import registry
from structcomp_jax.tasks.odd_one_out import syntax


@pytest.mark.parametrize("policy", syntax.POLICIES)
def test_no_task_is_asked_for_more_problems_than_it_has(policy):
  config = language_variant("sv_singular", "small")
  config.data.policy = policy
  config.data.num_problems.test = 500
  study = registry.make_study(config)
  problems = syntax.make_datasets("sv_singular", policy)
  for task in study.test_tasks:
    sizes = study.datasets[task].sizes
    has = {split: len(found) for split, found in problems[task].items()}
    assert sizes == {**has, "test": min(500, has["test"])}
  assert study.datasets["base"].sizes["test"] == 500
  assert "train" not in study.datasets["odd_subject"].sizes


def test_every_sentence_fits():
  config = language_variant("anaphora_plural", "smoke")
  domain = registry.make_study(config).domain
  problems = syntax.make_datasets("anaphora_plural", "published")
  longest = max(
    len(sentence.split())
    for splits in problems.values()
    for split in splits.values()
    for sentence in split.ravel()
  )
  assert domain.length == longest + 2  # [CLS] and [SEP]
