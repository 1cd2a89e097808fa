"""What the language domain tells the encoder about its sentences."""

import pytest

from configs.language import sv_singular
from structcomp_jax.studies.break_it_down import language


@pytest.mark.parametrize(
  ("variant", "data_devices", "packs"),
  [("bert_small", 1, True), ("bert_small", 2, False), ("small", 1, False)],
)
def test_padding_is_skipped_where_that_pays(variant, data_devices, packs):
  config = sv_singular.get_config(variant)
  config.runtime.data_devices = data_devices
  made = language.make(config)
  tokens = made.network.model.tokens_per_sentence
  assert (tokens is not None) == packs
  if packs:  # [CLS], at least five words, [SEP].
    assert 7 < tokens < made.length
