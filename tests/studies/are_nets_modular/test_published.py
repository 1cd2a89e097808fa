"""The published variants of Csordás et al. 2021: sizes, steps and penalties.

The numbers are those of the paper's code and of its sweep files.
"""

import pytest

from configs.arithmetic import add_mul, double_addition
from configs.mathematics import mathematics
from configs.scan import scan
from structcomp_jax import masks, trees
from structcomp_jax.pipeline.study import param_shapes
from structcomp_jax.studies import registry
from structcomp_jax.tasks.mathematics import MODULES

CONFIGS = {
  "add_mul": add_mul,
  "double_addition": double_addition,
  "scan": scan,
}
# {variant: (masked weights, beta)}
PUBLISHED = {
  "add_mul": {
    "": (12_124_000, 1e-4),
    "ff_big": (12_124_000, 1e-4),
    "ff_small": (260_800, 1e-4),
    "ff_medium": (1_969_600, 1e-4),
    "ff_huge": (48_248_000, 1e-4),
    "lstm": (834_560, 1e-4),
  },
  "double_addition": {
    "": (12_240_000, 4e-4),
    "ff_big": (12_240_000, 4e-4),
    "ff_big_copy_weight": (12_240_000, 4e-4),
    "ff_small": (2_016_000, 4e-4),
    "lstm_together": (878_592, 1e-4),
    "lstm_only_one_io": (878_592, 1e-4),
  },
  "scan": {
    "": (987_000, 3e-5),
    "lstm": (987_000, 3e-5),
    "lstm_split_only": (987_000, 3e-5),
    "transformer": (603_700, 6e-4),
    "transformer_split_only": (603_700, 6e-4),
  },
}
# The same steps, batches and norms for base networks and for masks.
SETTINGS = {
  "add_mul": (20_000, 128, 1.0),
  "double_addition": (20_000, 128, 1.0),
  "scan": (25_000, 256, 5.0),
}
SENSITIVITY = {"sensitivity": 1_969_600, "sensitivity_big": 12_124_000}
# Fewer steps and networks, but nothing else.
REDUCED = {
  "add_mul": ("ff_small_three", "lstm_reduced", "small"),
  "double_addition": (
    "ff_400_reduced",
    "copy_weight_reduced",
    "lstm_reduced",
    "small",
  ),
  "scan": ("lstm_reduced", "small"),
}
ALL = [(name, one) for name, them in PUBLISHED.items() for one in them]


def get_config(name, variant):
  return CONFIGS[name].get_config(variant).lock()


def num_masked(study):
  """Returns how many weights of the network masks choose from."""
  rules = study.mask_rules(study.mask_search.masked_from[0])
  return masks.select(param_shapes(study.network), rules).num_weights


def masked_paths(study):
  rules = study.mask_rules(0)
  return list(masks.select(param_shapes(study.network), rules).paths)


def assert_published(study, name, betas):
  steps, batch_size, clip_norm = SETTINGS[name]
  training, search = study.train_config(), study.search_config()
  for one in (training, search):
    assert one.num_steps == steps
    assert one.batch_size == batch_size
    assert one.clip_norm == clip_norm
    assert one.with_replacement
    assert one.look_every == 1000
  assert training.learning_rate == 1e-3
  assert training.keep == "last"
  assert search.relaxation == masks.get_relaxation("gumbel_sigmoid")
  assert search.relaxation.tau == 1
  assert search.num_mask_samples == 4
  assert search.learning_rates == (1e-2,)
  assert search.init_logits == (2.0,)
  assert search.clip_scope == "reference"
  assert search.patience == 0
  # The loss has beta / b for every logit.
  assert search.penalties == tuple(beta / batch_size for beta in betas)
  assert study.config.base_seeds == tuple(range(10))
  assert study.config.search.seeds == (0,)
  assert study.config.data.policy == "published"
  assert set(study.config.data.num_problems.values()) == {0}


@pytest.mark.parametrize(("name", "variant"), ALL)
def test_published_variants(name, variant):
  study = registry.make_study(get_config(name, variant))
  weights, beta = PUBLISHED[name][variant]
  assert num_masked(study) == weights
  assert_published(study, name, (beta,))


@pytest.mark.parametrize("variant", SENSITIVITY)
def test_penalties_of_the_sensitivity_grid(variant):
  name = "add_mul"
  study = registry.make_study(get_config(name, variant))
  times = [
    *(1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12.5, 15, 17.5, 20, 25, 30),
    *(40, 50, 60, 70, 80, 90, 100),
  ]
  assert len(times) == 25
  betas = study.config.search.betas
  assert betas == pytest.approx([1e-5 * factor for factor in times])
  assert num_masked(study) == SENSITIVITY[variant]
  assert_published(study, name, betas)


def test_penalties_are_divided_by_the_batch_size_of_base_networks():
  """Whatever that of the search is (acceptance check 4)."""
  config = add_mul.get_config("smoke")
  config.training.batch_size, config.search.batch_size = 32, 64
  config.search.num_mask_samples, config.search.betas = 2, (0.32, 0.64)
  search = registry.make_study(config.lock()).search_config()
  assert search.penalties == pytest.approx((0.01, 0.02))
  assert search.batch_size == 64


def test_regimes_of_the_published_variants():
  def regimes(name, variant):
    return get_config(name, variant).regimes

  for name in CONFIGS:
    assert regimes(name, "") == ("scratch", "random_init")
  assert regimes("double_addition", "ff_big_copy_weight") == (
    "scratch",
    "copy_weight",
    "random_init",
  )
  for family in ("lstm", "transformer"):
    assert regimes("scan", f"{family}_split_only") == (
      "scratch",
      "only_jump",
      "only_length",
      "only_turn_left",
    )


@pytest.mark.parametrize("name", CONFIGS)
def test_every_variant_is_one_of_these(name):
  known = {*PUBLISHED[name], *REDUCED[name], "smoke"} - {""}
  if name == "add_mul":
    known |= set(SENSITIVITY)
  with pytest.raises(ValueError, match="unknown variant 'others'") as error:
    get_config(name, "others")
  listed = str(error.value).partition("choose one of ")[2]
  assert set(listed.split(", ")) == known


@pytest.mark.parametrize(
  ("name", "variant"),
  [(name, one) for name, them in REDUCED.items() for one in them],
)
def test_reduced_variants_mask_as_the_published_ones(name, variant):
  study = registry.make_study(get_config(name, variant))
  published = registry.make_study(get_config(name, ""))
  one, other = (made.search_config() for made in (study, published))
  for field in (
    "relaxation",
    "schedule",
    "learning_rates",
    "init_logits",
    "num_mask_samples",
    "clip_norm",
    "clip_scope",
    "with_replacement",
  ):
    assert getattr(one, field) == getattr(other, field), field
  family = study.config.model.family
  beta = {
    "add_mul": 1e-4,
    "double_addition": 4e-4 if family == "mlp" else 1e-4,
    "scan": 3e-5,
  }[name]
  assert study.mask_search.betas == (beta,)
  assert study.train_config().learning_rate == 1e-3


def test_what_is_never_masked():
  """Biases and embeddings; but scale and shift of norms are."""
  for variant in ("lstm", "transformer"):
    study = registry.make_study(get_config("scan", variant))
    shapes = param_shapes(study.network)
    masked = set(masks.select(shapes, study.mask_rules(0)).paths)
    for path in trees.leaves_by_path(shapes):
      *_, module, name = path.split("/")
      is_norm = module.endswith("norm") and name in ("scale", "bias")
      assert (path in masked) == (name == "kernel" or is_norm), path
    assert len(masked) == {"lstm": 9, "transformer": 70}[variant]


def early_of(name, variant):
  """Returns the first half of the masked leaves, sorted."""
  study = registry.make_study(get_config(name, variant))
  return sorted(study.domain.halves(masked_paths(study))["early"])


def test_early_halves_are_the_published_ones():
  layers = [f"layer_{number}/kernel" for number in range(3)]
  assert early_of("add_mul", "ff_big") == layers  # 3 of 5
  assert early_of("add_mul", "ff_small") == layers[:2]  # 2 of 4
  for variant in ("ff_big", "ff_small"):
    assert early_of("double_addition", variant) == layers[:2]  # 2 of 5
  assert early_of("double_addition", "lstm_together") == [
    "cell_0/input/kernel",
    "cell_0/recurrent/kernel",
  ]
  # Layers 0 and 1 of encoder and decoder, and the output.
  found = early_of("scan", "transformer")
  study = registry.make_study(get_config("scan", "transformer"))
  late = set(masked_paths(study)) - set(found)
  assert late == {path for path in masked_paths(study) if "layer_2/" in path}
  assert "decoder/output/kernel" in found


def test_layers_are_counted_not_spelled():
  config = add_mul.get_config("ff_big")
  config.model.sizes.hidden_sizes = (8,) * 12
  study = registry.make_study(config.lock())
  early = study.domain.halves(masked_paths(study))["early"]
  assert early == [f"layer_{number}/kernel" for number in range(7)]


@pytest.mark.parametrize(
  ("name", "size", "total"), [("add_mul", 3, 5), ("scan", 5, 9)]
)
def test_other_halves_are_random(name, size, total):
  study = registry.make_study(get_config(name, "lstm"))
  paths = masked_paths(study)
  assert len(paths) == total
  halves = study.domain.halves(paths)
  assert [len(half) for half in halves.values()] == 5 * [size]


@pytest.mark.parametrize(
  ("name", "variant", "ends"),
  [
    ("add_mul", "ff_big", ("layer_0/kernel", "output/kernel")),
    ("double_addition", "ff_big", ("layer_0/kernel", "output/kernel")),
    (
      "double_addition",
      "lstm_together",
      ("cell_0/input/kernel", "output/kernel"),
    ),
    ("scan", "lstm", ()),
  ],
)
def test_ends_are_what_the_inverse_test_leaves_out(name, variant, ends):
  study = registry.make_study(get_config(name, variant))
  first, last = study.domain.ends()
  assert (*first, *last) == ends
  assert set(ends) <= set(masked_paths(study))


def test_dropout_is_that_of_the_published_networks():
  for variant, rate in (("lstm", 0.5), ("transformer", 0.1)):
    domain = registry.make_study(get_config("scan", variant)).domain
    assert domain.network.model.config.dropout == rate
    assert domain.frozen_network.model.config.dropout == 0


# {variant: (steps and batch of networks, of masks, mask rate, beta, warm-up)}
MATHEMATICS = {
  "": ((30_000, 256), (30_000, 256), 3e-2, 2e-5, 0),
  "add_or_sub": ((30_000, 256), (30_000, 256), 3e-2, 2e-5, 0),
  "linear_1d": ((200_000, 512), (50_000, 400), 2e-2, 1e-6, 5000),
  "differentiate": ((40_000, 128), (40_000, 128), 3e-2, 1e-5, 0),
  "sort": ((30_000, 256), (30_000, 256), 3e-2, 3e-6, 0),
  "collect": ((200_000, 128), (50_000, 256), 2e-2, 1e-6, 5000),
}


@pytest.mark.parametrize("variant", MATHEMATICS)
def test_published_variants_of_mathematics(variant):
  study = registry.make_study(mathematics.get_config(variant).lock())
  trained, searched, rate, beta, warmup = MATHEMATICS[variant]
  assert num_masked(study) == 44_070_912
  training, search = study.train_config(), study.search_config()
  assert (training.num_steps, training.batch_size) == trained
  assert (search.num_steps, search.batch_size) == searched
  assert search.learning_rates == (rate,)
  # Divided by the batch of the networks, whatever that of the masks is.
  assert search.penalties == (beta / trained[1],)
  assert search.num_mask_samples == 8
  assert search.clip_scope == "reference"
  assert training.clip_norm == search.clip_norm == 0.1
  assert training.learning_rate == 1e-4
  assert (training.b2, training.epsilon) == (0.995, 1e-9)
  assert (training.warmup_steps, training.cooldown_steps) == (warmup, 0)
  assert study.config.base_seeds == (0, 1, 2, 3, 4)
  assert study.config.model.sizes.dropout == 0.1
  assert set(study.config.data.num_problems.values()) == {0}
  assert study.subroutines == ("control", "easy")
  assert study.test_tasks == ("easy", "medium", "hard")
  # No generated question is longer than what the network reads.
  domain = study.domain
  longest = domain_module(study).longest
  assert tuple(length - 1 for length in domain.lengths) == longest


def domain_module(study):
  return MODULES[study.domain.dataset]
