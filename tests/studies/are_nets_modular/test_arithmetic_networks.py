"""Networks that calculate: what they read when, and how answers are judged.

Compared with `by_hand`, and with gradients that must be zero.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs.arithmetic import add_mul as add_mul_config
from configs.arithmetic import double_addition as double_addition_config
from structcomp_jax import masks, trees
from structcomp_jax.pipeline.study import param_shapes
from structcomp_jax.studies.are_nets_modular import arithmetic, study
from structcomp_jax.studies.are_nets_modular import (
  arithmetic_networks as networks,
)
from structcomp_jax.types import UserError

from . import by_hand

MLP = {"sizes": {"hidden_sizes": (7, 6)}}
LSTM = {"hidden_size": 5, "num_layers": 1}
MODES = tuple(networks.MODES)
# Some problems, one of which has an answer that is right by chance below.
PROBLEMS = np.array(
  [[67, 36, 0, 59], [5, 50, 99, 1], [10, 2, 33, 33], [0, 0, 98, 97]], np.uint8
)
ADD_MUL = np.array(
  [[67, 36, 0], [67, 36, 1], [2, 2, 1], [2, 2, 0], [90, 80, 1]], np.uint8
)


def config_of(get_config, **model):
  """Returns a small config."""
  config = get_config("smoke")
  config.model = {"name": "tiny", "family": "mlp"} | model
  config.regimes = ("scratch",)
  return config


def double_addition_config_of(mode):
  model = {"family": "lstm", "mode": mode, "sizes": LSTM} if mode else MLP
  return config_of(double_addition_config.get_config, **model)


def double_addition(mode=""):
  return arithmetic.make(double_addition_config_of(mode))


def add_mul(family="mlp"):
  model = {"family": "lstm", "sizes": LSTM} if family == "lstm" else MLP
  return arithmetic.make(config_of(add_mul_config.get_config, **model))


def weights_of(network):
  """Returns random weights, large enough to tell inputs apart."""
  generator = np.random.default_rng(0)
  return jax.tree.map(
    lambda leaf: generator.normal(size=leaf.shape), param_shapes(network)
  )


def on_device(params):
  return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), params)


@functools.partial(jax.jit, static_argnums=0)
def judged(network, params, batch):
  """Returns the metrics of every problem, the loss and its gradient."""
  loss, gradient = jax.value_and_grad(network.loss_fn)(params, batch)
  return network.metrics_fn(params, batch), loss, gradient


def gradient_of(network, params, batch):
  return jax.device_get(judged(network, params, batch)[2])


def assert_judged(network, params, batch, expected):
  """Asserts loss and accuracy of every problem, and of the whole batch."""
  found, loss, _ = judged(network, on_device(params), batch)
  losses, right = zip(*expected, strict=True)
  np.testing.assert_allclose(found["loss"], losses, rtol=2e-5)
  np.testing.assert_array_equal(found["accuracy"], right)
  np.testing.assert_allclose(loss, np.mean(losses), rtol=2e-5)


def sums_of(row):
  return (int(row[0]) + int(row[1])) % 100, (int(row[2]) + int(row[3])) % 100


@pytest.mark.parametrize("mode", ["", *MODES])
@pytest.mark.parametrize("task", ["all", "pair_1", "pair_2.alone"])
def test_double_addition_is_what_the_paper_reads_and_asks(mode, task):
  domain = double_addition(mode)
  params = weights_of(domain.network)
  expected = []
  for row in PROBLEMS:
    pairs = [tuple(row[:2]), tuple(row[2:])]
    sums = list(sums_of(row))
    if task == "pair_1":  # Both pairs are there, one is asked for.
      sums[1] = None
    elif task == "pair_2.alone":
      sums[0], pairs[0] = None, None
    logits = by_hand.double_addition(params, mode, pairs)
    expected.append(by_hand.judge(logits, sums))
  batch = domain.encode(task, PROBLEMS)
  assert_judged(domain.network, params, batch, expected)


@pytest.mark.parametrize("family", ["mlp", "lstm"])
def test_add_mul_is_what_the_paper_reads_and_asks(family):
  domain = add_mul(family)
  params = weights_of(domain.network)
  expected = []
  for a, b, operation in ADD_MUL.astype(int):
    result = (a * b if operation else a + b) % 100
    logits = by_hand.add_mul(params, family == "lstm", a, b, operation)
    expected.append(by_hand.judge(logits, [result]))
  batch = domain.encode("all", ADD_MUL)
  assert_judged(domain.network, params, batch, expected)


# Answers.


def says(*digits):
  """Returns logits of one problem whose likeliest digits are these."""
  return np.eye(10, dtype=np.float32)[list(digits)] * 5


def test_an_answer_is_right_if_all_digits_that_count_are():
  logits = np.stack([says(3, 0, 9, 5)] * 5)
  targets = np.array(
    [[3, 0, 9, 5], [3, 0, 9, 6], [3, 0, -1, -1], [4, 0, -1, -1], [-1, -1, 9, 5]]
  )
  found = networks.metrics_of(logits, targets)
  assert found["accuracy"].tolist() == [1, 0, 1, 0, 1]
  right, wrong = (np.log(np.exp(5) + 9) - value for value in (5, 0))
  np.testing.assert_allclose(
    found["loss"],
    [
      right,
      (3 * right + wrong) / 4,
      right,
      (right + wrong) / 2,
      right,
    ],
    rtol=1e-5,
  )


def test_answers_are_told_apart_as_sum_and_product():
  domain = add_mul()

  class Says(networks.AddMulNetwork):
    def apply(self, params, inputs, **options):
      return params["says"]

  network = Says(domain.network.model)
  batch = domain.encode("all", ADD_MUL)
  # The sum, the product, both (they are equal), one digit wrong, neither.
  answers = [says(3, 0), says(2, 1), says(4, 0), says(4, 1), says(7, 7)]
  found = jax.jit(network.metrics)(
    {"says": np.stack(answers).reshape(5, 20)}, batch
  )
  assert found["is_sum"].tolist() == [1, 0, 1, 0, 0]
  assert found["is_product"].tolist() == [0, 1, 1, 0, 0]
  assert found["accuracy"].tolist() == [1, 1, 1, 0, 0]


# Restriction (acceptance check 8).

# Where the pairs have ports of their own.
OWN_INPUTS = ("", "together", "only_one", "only_one_io", "same_output")
OWN_OUTPUTS = ("", "together", "only_one", "only_one_io", "same_input")


def input_kernel(tree):
  leaves = trees.leaves_by_path(tree)
  return np.asarray(
    leaves["layer_0/kernel" if "layer_0" in tree else "cell_0/input/kernel"]
  )


PORTS = {
  "inputs": {"pair_1": slice(0, 40), "pair_2": slice(40, 80)},
  "outputs": {"pair_1": slice(0, 20), "pair_2": slice(20, 40)},
}


def ports_of(mode, gradient):
  """Returns {port: {pair: the gradient of its weights}}, if pairs have own."""
  found = {}
  if mode in OWN_INPUTS:
    kernel = input_kernel(gradient)
    found["inputs"] = {
      pair: kernel[rows] for pair, rows in PORTS["inputs"].items()
    }
  if mode in OWN_OUTPUTS:
    output = gradient["output"]
    both = np.concatenate([output["kernel"], output["bias"][None]])
    found["outputs"] = {
      pair: both[:, columns] for pair, columns in PORTS["outputs"].items()
    }
  return found


@pytest.mark.parametrize("mode", ["", *MODES])
def test_a_pair_alone_leaves_the_ports_of_the_other_one_untouched(mode):
  domain = double_addition(mode)
  params = on_device(weights_of(domain.network))

  def ports(task):
    batch = domain.encode(task, PROBLEMS)
    return ports_of(mode, gradient_of(domain.network, params, batch))

  for own, other in (("pair_1", "pair_2"), ("pair_2", "pair_1")):
    for of_pairs in ports(f"{own}.alone").values():
      assert of_pairs[own].any()
      assert not of_pairs[other].any()
    # Where only the answer is restricted, the other pair is still read.
    tested = ports(own)
    if mode in ("together", "same_output"):
      assert tested["inputs"][other].any()
    if mode in OWN_OUTPUTS:
      assert not tested["outputs"][other].any()
  for of_pairs in ports("all").values():
    assert of_pairs["pair_1"].any()
    assert of_pairs["pair_2"].any()


# Copied weights.


def exchanged(problems):
  return problems[:, [2, 3, 0, 1]]


@functools.partial(jax.jit, static_argnums=0)
def answers(network, params, batch):
  """Returns f32[problems, 2 pairs, 20]."""
  return network._answers(network.apply(params, network._inputs(batch)))


def answers_of(domain, params, problems):
  return np.asarray(
    answers(domain.network, params, domain.encode("all", problems))
  )


def test_copied_networks_answer_exchanged_pairs_bit_for_bit():
  domain = double_addition()
  params = on_device(weights_of(domain.network))
  before = jax.tree.map(np.array, params)
  copied = domain.copied(params)
  generator = np.random.default_rng(1)
  problems = generator.integers(0, 100, (50, 4)).astype(np.uint8)
  one, other = (
    answers_of(domain, copied, numbers)
    for numbers in (problems, exchanged(problems))
  )
  np.testing.assert_array_equal(one, other[:, ::-1])
  # Not so before; and those of pair 2 are the ones that stay.
  old = answers_of(domain, params, problems)
  assert (old != answers_of(domain, params, exchanged(problems))[:, ::-1]).any()
  np.testing.assert_array_equal(one[:, 1], old[:, 1])
  jax.tree.map(np.testing.assert_array_equal, params, before)
  for path in ("layer_1/kernel", "layer_1/bias", "layer_0/bias"):
    np.testing.assert_array_equal(
      trees.leaves_by_path(copied)[path], trees.leaves_by_path(params)[path]
    )


@pytest.mark.parametrize(
  "domain", [double_addition("together"), add_mul(), add_mul("lstm")]
)
def test_other_networks_have_nothing_to_copy(domain):
  assert domain.copied(weights_of(domain.network)) is None


# Values.


@pytest.mark.parametrize(
  "domain",
  [
    *(lambda mode=mode: double_addition(mode) for mode in ("", "together")),
    *(lambda family=family: add_mul(family) for family in ("mlp", "lstm")),
  ],
)
def test_equal_configs_make_equal_networks(domain):
  one, other = domain().network, domain().network
  assert one is not other
  for get in (
    lambda network: network,
    lambda network: network.loss_fn,
    lambda network: network.metrics_fn,
    lambda network: network.from_stage("output"),
    lambda network: network.in_dtype("bfloat16").loss_fn,
  ):
    assert get(one) == get(other)
    assert hash(get(one)) == hash(get(other))
  assert one != one.in_dtype("bfloat16")
  assert one != one.from_stage("output")


def test_modes_make_different_networks():
  found = [double_addition(mode).network for mode in ("", *MODES)]
  assert len(set(found)) == len(found)
  assert add_mul().network != add_mul("lstm").network


@pytest.mark.parametrize(
  "domain",
  [double_addition("only_one_io"), add_mul(), add_mul("lstm")],
  ids=["double addition", "mlp", "lstm"],
)
def test_features_go_on_where_they_were_taken(domain):
  network = domain.network
  params = on_device(weights_of(network))
  problems = PROBLEMS if domain.experiment == "double_addition" else ADD_MUL
  batch = domain.encode("all", problems)
  whole, _, _ = judged(network, params, batch)
  features = jax.jit(network.features_before, static_argnums=2)(
    params, batch, "output"
  )
  found, _, _ = judged(network.from_stage("output"), params, features)
  assert set(found) == set(whole)
  for name, values in whole.items():
    np.testing.assert_allclose(found[name], values, rtol=1e-5)


def test_two_passes_have_no_features():
  network = double_addition().network
  params = weights_of(network)
  batch = double_addition().encode("all", PROBLEMS)
  with pytest.raises(UserError, match=r"two passes.*; mask from layer_0"):
    network.features_before(params, batch, "output")


@pytest.mark.parametrize("mode", ["", "together"])
def test_masks_of_ones_change_no_bit_and_their_inverses_keep_nothing(mode):
  """Acceptance check 2, with the leaves that this study masks."""
  made_of = study.make(double_addition_config_of(mode))
  params = on_device(weights_of(made_of.network))
  spec = masks.select(params, made_of.mask_rules(0))
  assert set(spec.paths) == {
    path for path in trees.leaves_by_path(params) if path.endswith("kernel")
  }

  @jax.jit
  def make():
    logits = masks.init(spec, 300.0)
    sampled = masks.sample(
      masks.get_relaxation("gumbel_sigmoid"),
      logits,
      beta=1.0,
      key=jax.random.key(1),
    )
    hard = masks.binarize(logits)
    made = [masks.merge(params, mask) for mask in (sampled, hard)]
    return made, masks.merge(params, masks.complement(hard))

  made, nothing = make()
  for whole in made:
    jax.tree.map(np.testing.assert_array_equal, whole, params)
  for path, leaf in trees.leaves_by_path(nothing).items():
    assert np.asarray(leaf).any() != (path in spec.paths)
