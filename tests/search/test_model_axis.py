"""Devices that share a network find the masks that one device finds."""

import dataclasses
import re

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import PartitionSpec

from structcomp_jax import masks, probing, search, training
from structcomp_jax.engine import loop, model_axis, programs
from structcomp_jax.engine.learner import Keys
from structcomp_jax.engine.plan import Machine, Plan
from structcomp_jax.models import gpt
from structcomp_jax.types import UserError

# Products are summed over the devices, in another order than on one. Adam moves
# a logit by up to 0.1, however small its gradient is: where it is as small as
# rounding, that decides a part of the step. This is a five hundredth of one.
CLOSE = {"rtol": 1e-4, "atol": 2e-4}
# Keys and values have 10 columns, which 4 or 8 devices do not divide.
DECODER = gpt.GptConfig(
  vocab_size=96,
  hidden_size=32,
  num_layers=2,
  num_heads=4,
  num_key_heads=1,
  head_size=10,
  intermediate_size=64,
  max_positions=8,
  positions="rotary",
  norm="rms",
  hidden_act="silu",
  gated=True,
  query_bias=False,
  output_bias=False,
  feed_forward_bias=False,
)
NETWORK = gpt.Gpt(DECODER)
TOKENS = np.random.default_rng(0).integers(0, 96, (30, 7)).astype(np.int32)
DATASET = {"tokens": TOKENS}
PARAMS = jax.device_get(
  NETWORK.init(jax.random.key(0), {"token_ids": TOKENS[:1]})["params"]
)
SPEC = masks.select(
  PARAMS, [(".*/(kernel|embedding)", "weight"), (".*", "frozen")]
)
# Of keys and values, every device has some inputs.
RULES = ((".*/(key|value)/kernel", 0), *gpt.MODEL_AXES)
KEY = jax.random.key(1)
CONFIG = search.SearchConfig(
  num_epochs=2,
  batch_size=8,
  learning_rates=(0.1,),
  penalties=(1e-3,),
  seeds=(0, 1),
)
QUERY = "layer_0/attention/query/kernel"


def metrics_fn(params, batch):
  """Loss of the token after the last."""
  tokens = batch["tokens"]
  logits = NETWORK.apply({"params": params}, {"token_ids": tokens[:, :-1]})
  return {
    "loss": optax.softmax_cross_entropy_with_integer_labels(
      logits[:, -1], tokens[:, -1]
    )
  }


def loss_fn(params, batch):
  return jnp.mean(metrics_fn(params, batch)["loss"])


def run(num_devices, params=PARAMS, dataset=DATASET, spec=SPEC, **changes):
  """Returns the result of a search; some changes are arguments of `run`."""
  fields = {field.name for field in dataclasses.fields(search.SearchConfig)}
  settings = {key: changes.pop(key) for key in fields & set(changes)}
  return search.run(
    loss_fn,
    params,
    spec,
    dataset,
    dataclasses.replace(CONFIG, **settings),
    key=KEY,
    devices=jax.devices()[:num_devices],
    **changes,
  )


def assert_equal(found, expected):
  chex.assert_trees_all_close(
    jax.device_get(found.mask_logits),
    jax.device_get(expected.mask_logits),
    **CLOSE,
  )
  for row, wanted in zip(found.history, expected.history, strict=True):
    assert row == pytest.approx(wanted, rel=1e-4)


@pytest.fixture(scope="module")
def alone():
  return run(1)


@pytest.fixture(scope="module")
def shared():
  """Two candidates with four devices each."""
  return run(8, model_devices=4)


def parts(array):
  return {shard.data.shape for shard in array.addressable_shards}


def test_a_shared_network_gives_the_masks_of_one_device(alone, shared):
  assert_equal(shared, alone)
  chex.assert_trees_all_equal(
    jax.device_get(shared.mask), jax.device_get(alone.mask)
  )


@pytest.mark.parametrize(
  "changes",
  [
    {"model_devices": 8},
    {"model_devices": 2, "data_devices": 2},
    {"model_devices": 4, "feed": "host", "micro_batches": 2},
    {"model_devices": 8, "vmap_width": 1},
    {"model_devices": 2, "model_axes": ((".*/(output|norm)/.*", None),)},
    {"model_devices": 2, "model_axes": gpt.MODEL_AXES},
    {"model_devices": 8, "model_axes": RULES},
  ],
)
def test_every_layout_gives_the_masks_of_one_device(changes, alone):
  assert_equal(run(8, **changes), alone)


@pytest.mark.parametrize(
  "changes",
  [
    {"relaxation": "gumbel_sigmoid", "num_mask_samples": 2},
    {"clip_norm": 0.1, "clip_scope": "reference"},
    {
      "patience": 2,
      "validation": {"tokens": TOKENS[:9]},
      "metrics_fn": metrics_fn,
    },
    {
      "start": masks.init(SPEC, 0.3),
      "held": ("layer_0/attention/.*",),
    },
    {"spec": masks.select(PARAMS, [(".*/kernel", "neuron"), (".*", "frozen")])},
  ],
)
def test_every_kind_of_search_can_share_a_network(changes):
  expected = run(1, **changes)
  assert_equal(run(8, model_devices=4, **changes), expected)


def test_every_candidate_may_have_a_network_of_its_own():
  two = jax.tree.map(lambda leaf: np.stack([leaf, 0.5 * leaf]), PARAMS)
  changes = {"params": two, "params_have_rows": True}
  expected = run(1, **changes)
  found = run(8, model_devices=4, **changes)
  assert_equal(found, expected)
  assert parts(found.mask_logits[QUERY]) == {(1, 32, 10)}


def test_no_device_holds_more_than_its_part():
  states = []
  placed = search.place_network(
    PARAMS, dataclasses.replace(CONFIG, model_devices=4)
  )

  def on_call(state, rows):
    del rows
    states.append(
      jax.tree.map(lambda leaf: leaf.sharding.shard_shape(leaf.shape), state)
    )

  result = run(8, placed, model_devices=4, on_call=on_call)
  assert parts(placed["layer_0"]["attention"]["query"]["kernel"]) == {(32, 10)}
  for state in states:
    for kept in (
      state.mask_logits, state.opt_state.mu, state.opt_state.nu,
    ):  # fmt: skip
      for leaf in SPEC.leaves:
        part = kept[leaf.path]
        assert np.prod(part) == np.prod(leaf.shape) // 4, leaf.path
  assert parts(result.masks[QUERY]) == {(1, 32, 10)}
  # Ten columns cannot be cut by four, and vectors are whole.
  assert parts(placed["layer_0"]["attention"]["key"]["kernel"]) == {(8, 10)}
  assert parts(placed["norm"]["scale"]) == {(32,)}


def test_a_placed_network_is_masked_part_by_part(shared):
  placed = search.place_network(
    PARAMS, dataclasses.replace(CONFIG, model_devices=4)
  )
  masked = jax.jit(masks.merge)(placed, shared.mask)
  kernel = masked["layer_0"]["attention"]["query"]["kernel"]
  assert np.prod(kernel.sharding.shard_shape(kernel.shape)) == 32 * 40 // 4
  expected = masks.merge(PARAMS, jax.device_get(shared.mask))
  chex.assert_trees_all_equal(jax.device_get(masked), jax.device_get(expected))


class Stored:
  """A weight in a file, of which parts are read."""

  def __init__(self, array):
    self._array, self.shape, self.dtype = array, array.shape, array.dtype
    self.read = []

  def __getitem__(self, index):
    part = self._array[index]
    self.read.append(part.size)
    return part


def test_weights_are_read_part_by_part(shared):
  stored = jax.tree.map(Stored, PARAMS)
  found = run(8, stored, model_devices=4)
  chex.assert_trees_all_equal(
    jax.device_get(found.mask_logits), jax.device_get(shared.mask_logits)
  )
  query = stored["layer_0"]["attention"]["query"]["kernel"]
  assert set(query.read) == {32 * 40 // 4}


def test_a_search_goes_on_with_the_same_bits(shared):
  states = []

  def on_call(state, rows):
    del rows
    states.append(jax.tree.map(np.array, state))

  run(8, model_devices=4, steps_per_call=2, on_call=on_call)
  assert len(states) == 4
  resumed = run(8, model_devices=4, state=states[1])
  chex.assert_trees_all_equal(
    jax.device_get(resumed.mask_logits), jax.device_get(shared.mask_logits)
  )


@pytest.fixture(scope="module")
def compiled():
  """The steps of two candidates with four devices each."""
  config = dataclasses.replace(CONFIG, model_devices=4)
  rows = config.candidates()
  job = loop.Job(
    learner=search.MaskLearner(loss_fn, None, SPEC, config.objective()),
    init=lambda: search.initial_state(rows, SPEC, config),
    rows=rows,
    dataset=DATASET,
    plan=Plan.of(config),
    machine=Machine.of(config),
    keys=Keys(*jax.random.split(KEY)),
    fixed=PARAMS,
  )
  shared = {
    "keys": job.keys,
    "dataset": DATASET,
    "done": np.int32(0),
    "num_steps": np.int32(1),
  }
  program = programs.advance(job.setup)
  return program.compile(job.state_shapes(), rows, PARAMS, shared)


def groups(line):
  """Returns the groups of devices that a collective's line names.

  As a list, {{0,1},{2,3}}, or as [groups, devices each]<=[shape]T(axes).
  """
  listed = re.search(r"(?:replica_groups|source_target_pairs)={({.*?})}", line)
  if listed:
    return [
      [int(number) for number in group.split(",")]
      for group in re.findall(r"{([\d,]+)}", listed[1])
    ]
  sizes, shape, axes = re.search(
    r"replica_groups=\[([\d,]+)\]<=\[([\d,]+)\](?:T\(([\d,]+)\))?", line
  ).groups()
  order = np.arange(8).reshape([int(size) for size in shape.split(",")])
  if axes:
    order = order.transpose([int(axis) for axis in axes.split(",")])
  return order.reshape([int(size) for size in sizes.split(",")]).tolist()


def test_candidates_do_not_talk_to_each_other(compiled):
  collectives = [
    line
    for line in compiled.as_text().splitlines()
    if re.search(
      r"(all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute|"
      r"collective-broadcast)(-start)?\(",
      line,
    )
  ]
  assert collectives  # Along the model axis there are some.
  for line in collectives:
    for group in groups(line):
      assert len({device // 4 for device in group}) == 1, line


def test_the_steps_reuse_the_memory_of_the_state(compiled):
  each = 3 * sum(leaf.num_weights for leaf in SPEC.leaves) * 4 // 4
  memory = compiled.memory_analysis()
  assert memory.alias_size_in_bytes >= each
  # A program also returns where its results lie, 8 bytes for each.
  rest = memory.output_size_in_bytes - memory.alias_size_in_bytes
  assert rest <= 8 * compiled.out_tree.num_leaves


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"model_devices": 9}, "model_devices 9 is more than the 8 devices"),
    (
      {"model_devices": 4, "data_devices": 4},
      "model_devices 4 times data_devices 4 is more than the 8 devices",
    ),
    (
      {"model_devices": 2, "model_axes": ((".*query", 1),)},
      "rule '.*query' is the first match of no weight",
    ),
    (
      {"model_devices": 4, "model_axes": gpt.MODEL_AXES},
      r"'layer_0/attention/key/kernel' of shape \(32, 10\) along axis 1, which "
      "4 devices do not divide",
    ),
    ({"model_devices": 4, "model_axes": ("a",)}, "'a' is no pair of a regex"),
    ({"model_devices": 4, "model_axes": (("(", 0),)}, "no regular expression"),
    (
      {"model_devices": 2, "model_axes": ((".*/kernel", 2),)},
      "along axis 2, which it does not have",
    ),
  ],
)
def test_what_cannot_be_cut_is_refused(changes, message):
  with pytest.raises(UserError, match=message):
    run(8, **changes)


@pytest.mark.parametrize(
  ("make", "what"),
  [
    (lambda: training.TrainConfig(model_devices=2), "a training"),
    (lambda: probing.ProbeConfig(model_devices=2), "a probe"),
  ],
)
def test_who_cannot_share_a_network_says_so(make, what):
  with pytest.raises(UserError, match=f"{what} keeps the network whole"):
    make()


def test_a_weight_that_cannot_be_cut_is_whole():
  params = {"odd": np.zeros((9, 7)), "even": np.zeros((6, 4, 8, 8))}
  assert model_axis.cut(params, 4).axes == (("even", -1),)


def test_a_leaf_belongs_to_the_longest_path():
  cuts = model_axis.Cuts(2, (("kernel", -1), ("head/kernel", -2)))
  leaf = np.zeros((4, 4))
  specs = cuts.specs(
    {"mu": {"head": {"kernel": leaf}, "kernel": leaf, "xkernel": leaf}},
    PartitionSpec(),
  )["mu"]
  assert specs["head"]["kernel"] == PartitionSpec("model")
  assert specs["kernel"] == PartitionSpec(None, "model")
  assert specs["xkernel"] == PartitionSpec()
