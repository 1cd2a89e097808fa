"""A vision config that cannot run is refused before any work."""

import pytest

from configs.common.vision import vision_variant
from structcomp_jax.recipes import experiment
from structcomp_jax.types import UserError

ALL_REGIMES = ("scratch", "simclr", "pruned", "random_init")


@pytest.mark.parametrize(
  ("field", "value", "message"),
  [
    ("model.image_size", 50, "image_size of 50; choose a divisor of 128"),
    ("model.image_size", 0, "image_size of 0; choose a divisor of 128"),
    ("model.family", "vit", r"model\.sizes does not describe a vit"),
    ("model.resize", "foo", r"model\.resize 'foo' .* area, darkest"),
    ("model.sizes.stage_widths", (8,), "differ in length"),
    ("search.masked_from", ("stage_9",), "search: masked_from 'stage_9'"),
    ("search.cache_gigabytes", -1.0, "cache_gigabytes -1.0 is negative"),
    ("pruning.masked_from", "foo", "pruning: masked_from 'foo'"),
    ("regimes", ("pruned",), "add scratch to regimes"),
    ("regimes", ("lm_pretrained",), "'lm_pretrained' is unknown"),
    ("simclr.tau", 0.0, "simclr: tau 0.0"),
    ("simclr.tasks", ("foo",), r"simclr\.tasks 'foo' is unknown"),
    ("simclr.tasks", (), r"simclr\.tasks is empty"),
    ("simclr.batch_size", 100_000, r"simclr\.batch_size 100000 is more than"),
    ("simclr.batch_size", 0, r"simclr\.batch_size 0 is not usable"),
    ("training.sweep.batch_sizes", (16,), "has only one of learning_rates"),
    ("training.pretrained_batch_size", 65, "pretrained_batch_size 65 is more"),
  ],
)
def test_refused(field, value, message, tmp_path):
  config = vision_variant("inside_contact", "smoke")
  config.regimes = ALL_REGIMES
  *sections, name = field.split(".")
  section = config
  for one in sections:
    section = section[one]
  section[name] = value
  with pytest.raises(UserError, match=message):
    experiment.load(config, tmp_path)


@pytest.mark.parametrize(
  ("pair", "message"),
  [((-1.0, 16), "learning_rate -1.0"), ((1e-3, 65), "batch_sizes 65 is more")],
)
def test_sweep_that_cannot_run_is_refused(pair, message, tmp_path):
  config = vision_variant("inside_contact", "smoke")
  rate, size = pair
  config.training.sweep = {"learning_rates": (rate,), "batch_sizes": (size,)}
  with pytest.raises(UserError, match=message):
    experiment.load(config, tmp_path)
