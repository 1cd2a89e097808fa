"""One suite over every relaxation, then what is special to each."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import masks
from structcomp_jax.masks import noise
from structcomp_jax.types import UserError

LOGITS = (-200.0, -5.0, -2.0, -0.3, 0.0, 0.3, 2.0, 5.0, 200.0)
BETA = 3.0
NUM_SAMPLES = 2**16
# `expected_size` is the mean of these amounts. The L0 norm counts every mask
# that is not zero; a deterministic mask is never zero, so its values count.
KEPT_AMOUNT = {
  "continuous_sparsification": lambda sample: sample,
  "gumbel_sigmoid": lambda sample: sample > 0,
  "hard_concrete": lambda sample: sample > 0,
}
every_relaxation = pytest.mark.parametrize("name", sorted(masks.RELAXATIONS))


@pytest.fixture(params=[False, True], ids=["plain", "jit"])
def maybe_jit(request):
  """Runs a test with and without compilation."""
  return jax.jit if request.param else lambda fn: fn


def logits_array():
  return jnp.asarray(LOGITS, jnp.float32)


def draw_many(setting):
  """Returns samples [NUM_SAMPLES, len(LOGITS)] of one leaf."""
  relaxation = masks.get_relaxation(setting)
  return jax.vmap(
    lambda key: relaxation.sample(logits_array(), beta=BETA, key=key)
  )(jax.random.split(jax.random.key(1), NUM_SAMPLES))


def give_bits(monkeypatch, bits):
  """Replaces the random bits, of which samples take the upper 23."""
  monkeypatch.setattr(
    noise,
    "bits",
    lambda key, shape: jnp.broadcast_to(jnp.asarray(bits, jnp.uint32), shape),
  )


def test_table_of_kept_amounts_is_complete():
  assert set(KEPT_AMOUNT) == set(masks.RELAXATIONS)


@every_relaxation
def test_sample_is_float32_in_unit_interval(name, maybe_jit):
  relaxation = masks.get_relaxation(name)
  sample = maybe_jit(
    lambda logits, key: relaxation.sample(logits, beta=BETA, key=key)
  )(logits_array(), jax.random.key(0))
  assert sample.dtype == jnp.float32
  assert sample.shape == (len(LOGITS),)
  assert bool(jnp.all((sample >= 0) & (sample <= 1)))


@every_relaxation
@pytest.mark.parametrize("function", ["sample", "expected_size", "penalty"])
def test_gradients_are_finite_at_dead_logits(name, function, maybe_jit):
  relaxation = masks.get_relaxation(name)
  kwargs = {"beta": BETA}
  if function == "sample":
    kwargs["key"] = jax.random.key(0)

  def total(logits):
    return jnp.sum(getattr(relaxation, function)(logits, **kwargs))

  gradient = maybe_jit(jax.grad(total))(logits_array())
  chex.assert_tree_all_finite(gradient)
  assert bool(jnp.all(gradient >= 0))


@every_relaxation
@pytest.mark.parametrize("word", [0, 0xFFFFFFFF])
def test_extreme_random_bits_stay_finite(name, word, monkeypatch):
  give_bits(monkeypatch, word)
  relaxation = masks.get_relaxation(name)

  def total(logits):
    sample = relaxation.sample(logits, beta=BETA, key=jax.random.key(0))
    return jnp.sum(sample), sample

  gradient, sample = jax.grad(total, has_aux=True)(logits_array())
  chex.assert_tree_all_finite((gradient, sample))


@every_relaxation
def test_expected_size_matches_monte_carlo(name):
  relaxation = masks.get_relaxation(name)
  expected = relaxation.expected_size(logits_array(), beta=BETA)
  mean = jnp.mean(
    KEPT_AMOUNT[name](draw_many(name)).astype(jnp.float32), axis=0
  )
  np.testing.assert_allclose(mean, expected, atol=0.01)


@every_relaxation
def test_same_key_gives_same_mask(name):
  relaxation = masks.get_relaxation(name)
  logits = {"a": jnp.zeros(64), "b": jnp.zeros(64)}
  first = masks.sample(relaxation, logits, beta=1.0, key=jax.random.key(3))
  swapped = dict(reversed(logits.items()))
  again = masks.sample(relaxation, swapped, beta=1.0, key=jax.random.key(3))
  chex.assert_trees_all_equal(first, again)


@every_relaxation
def test_hard_masks_are_bits(name, maybe_jit):
  relaxation = masks.get_relaxation(name)
  leaves = {"a": logits_array(), "b": logits_array().reshape(3, 3)}
  hard = maybe_jit(lambda leaves: masks.binarize(leaves, relaxation))(leaves)
  for path, leaf in leaves.items():
    assert hard[path].dtype == jnp.bool_
    np.testing.assert_array_equal(hard[path], relaxation.harden(leaf))
    assert hard[path].shape == leaf.shape


@every_relaxation
def test_equal_settings_are_equal_values(name):
  relaxation = masks.get_relaxation(name)
  parameters = dataclasses.asdict(relaxation)
  again = masks.get_relaxation({"name": name, **parameters})
  assert again == relaxation
  assert again is not relaxation
  assert hash(again) == hash(relaxation)
  assert masks.get_relaxation(relaxation) is relaxation
  assert [name] == [
    other
    for other in masks.RELAXATIONS
    if masks.get_relaxation(other) == relaxation
  ]
  for field in parameters:
    with pytest.raises(dataclasses.FrozenInstanceError):
      setattr(relaxation, field, 1.0)


@pytest.mark.parametrize("name", ["gumbel_sigmoid", "hard_concrete"])
def test_noise_differs_between_leaves_and_keys(name):
  relaxation = masks.get_relaxation(name)
  logits = {"a": jnp.zeros(64), "b": jnp.zeros(64)}
  first = masks.sample(relaxation, logits, beta=1.0, key=jax.random.key(3))
  other = masks.sample(relaxation, logits, beta=1.0, key=jax.random.key(4))
  assert not bool(jnp.all(first["a"] == first["b"]))
  assert not bool(jnp.all(first["a"] == other["a"]))


@every_relaxation
@pytest.mark.parametrize("function", [masks.expected_size, masks.penalty])
def test_totals_count_weights(name, function, spec, maybe_jit):
  """A neuron's logit counts once for each weight that it covers."""
  relaxation = masks.get_relaxation(name)
  mask_logits = masks.init(spec, 0.7)
  total = maybe_jit(
    lambda logits: function(relaxation, logits, spec, beta=BETA)
  )(mask_logits)
  of_leaf = getattr(relaxation, function.__name__)
  expected = sum(
    leaf.num_weights
    * float(jnp.mean(of_leaf(mask_logits[leaf.path], beta=BETA)))
    for leaf in spec.leaves
  )
  assert total.shape == ()
  np.testing.assert_allclose(total, expected, rtol=1e-6)


@every_relaxation
def test_vmap_over_candidates_matches_single_runs(name, spec):
  relaxation = masks.get_relaxation(name)
  starts = jnp.asarray([-0.05, 0.1])
  keys = jax.random.split(jax.random.key(5), 2)

  @jax.jit
  def one(start, key):
    mask_logits = masks.init(spec, start)
    sample = masks.sample(relaxation, mask_logits, beta=BETA, key=key)
    return sample, masks.penalty(relaxation, mask_logits, spec, beta=BETA)

  stacked = jax.vmap(one)(starts, keys)
  for index in range(2):
    alone = one(starts[index], keys[index])
    row = jax.tree.map(lambda leaf, k=index: leaf[k], stacked)
    chex.assert_trees_all_close(row, alone, rtol=1e-6)


def test_continuous_sparsification_by_hand():
  relaxation = masks.get_relaxation("continuous_sparsification")
  logits = jnp.asarray([-1.0, 0.0, 1.0])
  sample = relaxation.sample(logits, beta=2.0, key=jax.random.key(0))
  np.testing.assert_allclose(sample, [0.119203, 0.5, 0.880797], rtol=1e-5)
  gradient = jax.grad(lambda s: relaxation.penalty(s, beta=200.0))
  np.testing.assert_allclose(gradient(jnp.float32(0)), 50.0)  # beta / 4


def test_continuous_sparsification_hardens_to_the_threshold():
  relaxation = masks.get_relaxation("continuous_sparsification")
  logits = {"leaf": jnp.asarray([-0.05, 0.05])}
  soft = masks.sample(relaxation, logits, beta=2000.0, key=jax.random.key(0))
  hard = masks.binarize(logits, relaxation)["leaf"].astype(jnp.float32)
  np.testing.assert_allclose(soft["leaf"], hard, atol=1e-6)


def test_gumbel_sample_is_a_bit_with_probability_sigmoid():
  samples = draw_many("gumbel_sigmoid")
  assert set(np.unique(samples)) == {0.0, 1.0}
  np.testing.assert_allclose(
    jnp.mean(samples, axis=0), jax.nn.sigmoid(logits_array()), atol=0.01
  )


@pytest.mark.parametrize(
  ("logit", "expected"),
  [(2.0, 0.1133), (-2.0, 0.1133), (0.0, 1 / 6), (-5.0, 0.0209)],
)
def test_gumbel_mean_slope(logit, expected):
  """The slope is E[s (1 - s)] for logistic noise, here as it was measured."""
  relaxation = masks.get_relaxation("gumbel_sigmoid")
  slope = jax.grad(
    lambda logits: jnp.sum(
      relaxation.sample(logits, beta=1.0, key=jax.random.key(2))
    )
  )(jnp.full(NUM_SAMPLES, logit))
  assert bool(jnp.all((slope > 0) & (slope <= 0.2501)))
  np.testing.assert_allclose(jnp.mean(slope), expected, atol=1.5e-3)


@pytest.mark.parametrize("tau", [0.1, 0.5, 1.0, 2.0])
def test_gumbel_slope_by_hand(tau, monkeypatch):
  bits = np.linspace(0, 2**32 - 1, 99).astype(np.uint32)[:, None]
  u = (bits >> 9) * 2.0**-23 + 2.0**-24
  logits = np.asarray(LOGITS)[None].astype(np.float64)
  relaxed = (logits + np.log(u / (1 - u))) / tau
  s = 1 / (1 + np.exp(np.clip(-relaxed, -700, 700)))
  give_bits(monkeypatch, bits)
  relaxation = masks.get_relaxation({"name": "gumbel_sigmoid", "tau": tau})

  def total(logits):
    sample = relaxation.sample(logits, beta=BETA, key=jax.random.key(0))
    return jnp.sum(sample), sample

  slope, sample = jax.grad(total, has_aux=True)(
    jnp.asarray(np.broadcast_to(logits, s.shape), jnp.float32)
  )
  np.testing.assert_allclose(slope, s * (1 - s) / tau, rtol=1e-3, atol=1e-6)
  # Not where a logit of 0 meets noise that is 0 but for rounding.
  decided = np.abs(s - 0.5) > 1e-5
  np.testing.assert_array_equal(sample[decided], (s > 0.5)[decided])


def test_gumbel_penalty_is_the_raw_logit():
  relaxation = masks.get_relaxation("gumbel_sigmoid")
  np.testing.assert_array_equal(
    relaxation.penalty(logits_array(), beta=BETA), logits_array()
  )


def test_hard_concrete_reaches_both_ends():
  """At logit 0 each end has sigmoid(tau log(-gamma / zeta)) = 0.168."""
  samples = np.asarray(draw_many("hard_concrete"))[:, LOGITS.index(0.0)]
  np.testing.assert_allclose(np.mean(samples == 0), 0.168164, atol=0.006)
  np.testing.assert_allclose(np.mean(samples == 1), 0.168164, atol=0.006)


def test_hard_concrete_reaches_both_ends_with_other_parameters():
  """P(m = 0) = sigmoid(tau log(-gamma / zeta) - l) of any parameters."""
  setting = {"name": "hard_concrete", "tau": 0.4, "gamma": -0.3, "zeta": 1.2}
  samples = np.asarray(draw_many(setting))
  # At logit 0.3: tau log(0.3 / 1.2) = -0.5545; tau log(0.2 / 1.3) = -0.7487.
  column = samples[:, LOGITS.index(0.3)]
  np.testing.assert_allclose(np.mean(column == 0), 0.298507, atol=0.006)
  np.testing.assert_allclose(np.mean(column == 1), 0.389678, atol=0.006)
  size = masks.get_relaxation(setting).expected_size(logits_array(), beta=BETA)
  np.testing.assert_allclose(np.mean(samples > 0, axis=0), size, atol=0.01)


@pytest.mark.parametrize(
  ("setting", "message"),
  [
    ("gumbel", r"unknown relaxation 'gumbel'; use one of .*hard_concrete"),
    ({"name": "gumbel", "tau": 1.0}, r"unknown relaxation 'gumbel'; use one"),
    ({"name": ["gumbel"]}, r"unknown relaxation \['gumbel'\]; use one of"),
    (
      {"tau": 1.0},
      r"unknown relaxation {'tau': 1\.0}; .* mapping of its",
    ),
    (3, r"unknown relaxation 3; use one of"),
    (None, r"unknown relaxation None; use one of"),
    (
      {"name": "hard_concrete", "beta": 1.0},
      r"hard_concrete: .*'beta'; its parameters are tau, gamma, zeta",
    ),
    (
      {"name": "continuous_sparsification", "tau": 1.0},
      r"continuous_sparsification: .*'tau'; its parameters are none",
    ),
    (
      {"name": "hard_concrete", "tau": 0.0},
      r"relaxation hard_concrete: tau 0\.0 must be a finite number above 0$",
    ),
    ({"name": "hard_concrete", "gamma": 0}, r"gamma 0 must be .* below 0$"),
    ({"name": "hard_concrete", "zeta": 1}, r"zeta 1 must be .* above 1$"),
    ({"name": "gumbel_sigmoid", "tau": "low"}, r"tau 'low' must be a finite"),
    ({"name": "gumbel_sigmoid", "tau": -1}, r"tau -1 must be .* above 0"),
    ({"name": "gumbel_sigmoid", "tau": float("nan")}, r"tau nan must be"),
    ({"name": "gumbel_sigmoid", "tau": float("inf")}, r"tau inf must be"),
  ],
)
def test_settings_of_no_relaxation_are_refused_in_one_line(setting, message):
  with pytest.raises(UserError, match=message) as caught:
    masks.get_relaxation(setting)
  assert "\n" not in str(caught.value)
