"""Trees, rules, masks, data and settings drawn at random: right, or one line.

What is right is a few lines of NumPy. What cannot be answered is a `UserError`
of one line; any other error, and any other number, is a fault.

In the suite, every test draws some dozens of examples. For a long run:
STRUCTCOMP_EXAMPLES=10000 pytest tests/test_properties.py
"""

import os
import re
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from structcomp_jax import evaluation, masks, search, trees
from structcomp_jax.engine import data, loop
from structcomp_jax.types import UserError

EXAMPLES = int(os.environ.get("STRUCTCOMP_EXAMPLES", "0"))
KEY = jax.random.key(0)
ONE_DEVICE = jax.devices()[:1]


def drawn(in_suite, *, in_long_run=1.0):
  """Settings of a test: its examples, and its share of them in a long run."""
  return settings(
    max_examples=int(EXAMPLES * in_long_run) or in_suite,
    deadline=None,
    derandomize=not EXAMPLES,
    database=None,
    suppress_health_check=list(HealthCheck),
  )


def right_or_refused(answer):
  """Returns what a call answers, or None where it is refused in one line."""
  try:
    return answer()
  except UserError as error:
    assert "\n" not in str(error)
    assert len(str(error)) > 10
    return None


# ------------------------------------------------------------------- trees
NAMES = st.sampled_from(
  ["a", "b", "kernel", "bias", "mean", "var", "a/b", "0", "batch_stats", ""]
)
SHAPES = st.lists(st.integers(0, 4), max_size=3).map(tuple)
DTYPES = st.sampled_from(["float32", "bfloat16", "float64", "int32", "bool"])


@st.composite
def arrays(draw, shapes=SHAPES, dtypes=DTYPES):
  """Draws an array of NumPy or JAX."""
  shape, dtype = draw(shapes), jnp.dtype(draw(dtypes))
  numbers = draw(st.integers(-3, 9)) + np.arange(np.prod(shape, dtype=int))
  array = numbers.reshape(shape).astype(dtype)
  return array if draw(st.booleans()) else jnp.asarray(array)


NO_WEIGHTS = st.sampled_from([
  jax.nn.relu, "text", None, 0.5, 3, jax.random.key(1), np.array("x"), (), {}
])  # fmt: skip
LEAVES = st.one_of(arrays(), arrays(), arrays(), NO_WEIGHTS)
TREES = st.recursive(
  LEAVES,
  lambda inner: st.one_of(
    st.dictionaries(st.one_of(NAMES, st.integers(0, 1)), inner, max_size=3),
    st.lists(inner, max_size=3),
    st.tuples(inner, inner),
  ),
  max_leaves=5,
)
PATTERNS = st.sampled_from([
  ".*", "a", ".*kernel", ".*/.*", "b|bias", "0", "(", "a/b", ".*(mean|var)",
  "batch_stats.*", "", 3, None,
])  # fmt: skip
AXES = st.one_of(
  st.integers(-3, 3),
  st.lists(st.integers(-3, 3), max_size=3),
  st.sampled_from(["0", 0.5, None]),
)
UNITS = st.sampled_from(["weight", "neuron", "frozen", "layer", 1])
RULES = st.one_of(
  st.lists(
    st.one_of(
      st.tuples(PATTERNS, UNITS),
      st.tuples(PATTERNS, UNITS, AXES),
      st.just("rule"),
    ),
    max_size=3,
  ),
  # So that some trees are covered.
  st.tuples(
    st.tuples(st.sampled_from([".*kernel", "a", "b", "0"]), UNITS),
    st.tuples(st.just(".*"), UNITS),
  ),
  st.tuples(st.tuples(st.just(".*"), st.just("weight"))),
)


@given(tree=TREES, rules=RULES)
@drawn(120)
def test_select_follows_the_rules(tree, rules):
  spec = right_or_refused(lambda: masks.select(tree, rules))
  if spec is None:
    return
  leaves = trees.leaves_by_path(tree)
  wanted = {}
  for path, leaf in leaves.items():
    rule = next(rule for rule in rules if re.fullmatch(rule[0], path))
    if rule[1] == "frozen":
      continue
    shape = np.shape(leaf)
    axes = range(len(shape))
    if rule[1] == "neuron":
      given_axes = rule[2] if len(rule) == 3 and rule[2] is not None else -1
      axes = [axis % len(shape) for axis in np.atleast_1d(given_axes)]
    wanted[path] = tuple(
      size if axis in axes else 1 for axis, size in enumerate(shape)
    )
    assert jnp.issubdtype(jnp.result_type(leaf), jnp.floating)
  assert {leaf.path: leaf.mask_shape for leaf in spec.leaves} == wanted
  assert list(wanted) and sorted(wanted) == list(spec.paths)
  assert spec.num_weights == sum(np.size(leaves[path]) for path in wanted)
  assert spec.describe().count("\n") == len(wanted) + 1


# ------------------------------------------------------------------- merge
@st.composite
def masked_leaves(draw):
  """Draws a floating leaf, a mask that may fit, and a fill or None."""
  leaf = draw(
    arrays(dtypes=st.sampled_from(["float32", "bfloat16", "float64"]))
  )
  shape = tuple(
    draw(st.sampled_from([size, size, 1])) for size in np.shape(leaf)
  )
  if draw(st.integers(0, 9)) == 0:
    shape = draw(SHAPES)
  kind = draw(st.sampled_from(["bool", "float32", "int32"]))
  mask = np.random.default_rng(draw(st.integers(0, 99))).random(shape)
  mask = (mask < 0.5).astype(kind) if kind != "float32" else mask.astype(kind)
  fill = draw(st.sampled_from([None, None, 0.0, 2.5]))
  return leaf, mask, None if fill is None else np.float32(fill)


@given(parts=masked_leaves(), rest=LEAVES)
@drawn(80)
def test_merge_is_weights_times_mask(parts, rest):
  leaf, mask, fill = parts
  params = {"w": leaf, "rest": rest}
  fills = None if fill is None else {"w": fill}
  merged = right_or_refused(lambda: masks.merge(params, {"w": mask}, fills))
  fits = mask.ndim == np.ndim(leaf) and all(
    size in (1, length)
    for size, length in zip(mask.shape, np.shape(leaf), strict=True)
  )
  assert (merged is not None) == fits
  if merged is None:
    return
  others = zip(*map(jax.tree.leaves, (merged["rest"], rest)), strict=True)
  assert all(new is old for new, old in others)
  assert merged["w"].shape == leaf.shape
  assert merged["w"].dtype == leaf.dtype
  found = np.asarray(merged["w"], np.float64)
  wide, removed = np.asarray(leaf, np.float64), float(fill or 0)
  if mask.dtype == bool:
    kept = np.broadcast_to(mask, leaf.shape)
    assert (found[kept] == wide[kept]).all()
    assert (found[~kept] == removed).all()
  else:
    np.testing.assert_allclose(
      found, wide * mask + (1 - mask) * removed, rtol=1e-2, atol=1e-2
    )


# ------------------------------------------------------------------ configs
NUMBERS = st.one_of(
  st.integers(-3, 12),
  st.floats(),
  st.sampled_from([2**31, 2**31 - 1, 1e-50, 1e39, 1e30, None, "3", True, ()]),
)
SEVERAL = st.one_of(
  NUMBERS,
  st.lists(NUMBERS, max_size=3),
  st.lists(st.integers(0, 5), min_size=1, max_size=3).map(tuple),
  st.lists(st.floats(1e-3, 1.0), min_size=1, max_size=2).map(tuple),
)
FIELDS = {
  **dict.fromkeys(
    [
      "num_epochs", "num_steps", "batch_size", "look_every", "steps_per_call",
      "vmap_width", "eval_batch_size", "data_devices", "max_beta",
      "num_mask_samples", "clip_norm", "patience",
    ],
    NUMBERS,
  ),
  **dict.fromkeys(
    ["seeds", "learning_rates", "init_logits", "penalties"], SEVERAL
  ),
  **dict.fromkeys(
    ["with_replacement", "loss_draws", "two_sided"],
    st.sampled_from([True, False, "False", None, 1]),
  ),
  "constant_beta": st.sampled_from([(), ("a",), "a", ["a", "b"], None, 3]),
  "relaxation": st.sampled_from(
    ["gumbel_sigmoid", "hard_concrete", "none", {"name": "hard_concrete",
     "tau": -1}, 3]
  ),
}  # fmt: skip
CONFIGS = st.fixed_dictionaries({}, optional=FIELDS)


@given(fields=CONFIGS)
@drawn(100)
def test_a_config_says_what_it_was_given(fields):
  config = right_or_refused(lambda: search.SearchConfig(**fields))
  if config is None:
    return
  hash(config)
  rows = config.candidates()
  axes = (config.penalties, config.init_logits, config.learning_rates)
  assert len(rows.seed) == np.prod([*map(len, axes), len(config.seeds)])
  stored = np.asarray(rows.learning_rate, np.float64)
  assert (stored > 0).all()
  assert np.isfinite(stored).all()
  assert {*np.asarray(rows.seed).tolist()} == {*config.seeds}
  assert len({*config.seeds}) == len(config.seeds)
  for name, value in fields.items():
    if isinstance(value, (int, float)) and not isinstance(value, bool):
      assert getattr(config, name) == value


# --------------------------------------------------------------- data sets
@st.composite
def fields_of_data(draw):
  """Draws what may stand in a data set."""
  kind = draw(st.sampled_from(["x", "x", "ids", "ids", "other"]))
  if kind == "other":
    return draw(LEAVES)
  length = draw(st.sampled_from([6, 6, 6, 6, 0, 5]))
  if kind == "ids":
    highest = draw(st.sampled_from([2, 2, 2, 3, 2**33]))
    numbers = np.arange(length, dtype=np.int64) % (highest + 1)
    numbers[-1:] = draw(st.sampled_from([0, highest, -1, -4]))
    return numbers
  x = np.ones((length, 3), draw(st.sampled_from(["float32", "float64"])))
  if length:
    x[-1, 0] = draw(st.sampled_from([0, 0, 0, np.nan, np.inf, 1e39]))
  return x


DATASETS = st.one_of(
  st.fixed_dictionaries({"x": fields_of_data(), "ids": fields_of_data()}),
  st.fixed_dictionaries(
    {"x": st.just(np.ones((6, 3), np.float32)), "ids": fields_of_data()}
  ),
  LEAVES,
  st.dictionaries(NAMES, fields_of_data(), max_size=2),
)


def is_sound(dataset):
  """Whether a data set is {"x": [n, 3], "ids": [n]} and n of numbers."""
  if not isinstance(dataset, dict):
    return False
  if not dataset or not all(
    isinstance(leaf, (np.ndarray, jax.Array)) and leaf.ndim and len(leaf)
    for leaf in dataset.values()
  ):
    return False
  if len({len(leaf) for leaf in dataset.values()}) > 1:
    return False
  for leaf in dataset.values():
    if jnp.issubdtype(leaf.dtype, jnp.integer):
      if not (np.abs(np.asarray(leaf).astype(np.float64)) < 2**31).all():
        return False
    elif trees.is_key(leaf):
      continue
    elif leaf.dtype.kind not in "fb" and leaf.dtype != jnp.bfloat16:
      return False
    else:
      with np.errstate(over="ignore"):
        if not np.isfinite(np.asarray(leaf).astype(np.float32)).all():
          return False
  return True


@given(dataset=DATASETS)
@drawn(100)
def test_data_sets_are_sound_or_refused(dataset):
  accepted = right_or_refused(lambda: data.check(dataset, "dataset") or True)
  assert bool(accepted) == is_sound(dataset)


PARAMS = {"embed": np.ones((3, 3), np.float32), "head": np.ones(3, np.float32)}
SPEC = masks.select(PARAMS, [(".*", "weight")])


def metrics_fn(params, batch):
  outputs = (batch["x"] + params["embed"][batch["ids"]]) @ params["head"]
  return {"loss": (outputs - 1) ** 2}


def loss_fn(params, batch):
  return metrics_fn(params, batch)["loss"].mean()


def fits(dataset):
  """Whether the network above can be given a data set."""
  return (
    is_sound(dataset)
    and {*dataset} == {"x", "ids"}
    and dataset["x"].shape[1:] == (3,)
    and dataset["x"].dtype.kind == "f"
    and dataset["ids"].ndim == 1
    and dataset["ids"].dtype.kind == "i"
    and -3 <= dataset["ids"].min() <= dataset["ids"].max() <= 2
  )


class Began(Exception):
  """A search began: nothing was refused."""


KEYS = st.sampled_from([KEY, KEY, KEY, 0, np.zeros(2, np.uint32), None])


@given(fields=CONFIGS, dataset=DATASETS, validation=DATASETS, key=KEYS)
@drawn(60, in_long_run=0.5)
def test_a_search_begins_with_what_is_sound_alone(
  fields, dataset, validation, key
):
  """Everything up to the first program, whatever a config says."""

  def began(job, *, on_call=None):
    raise Began

  def run():
    config = search.SearchConfig(**fields)
    search.run(
      loss_fn, PARAMS, SPEC, dataset, config, key=key, validation=validation,
      metrics_fn=metrics_fn, devices=ONE_DEVICE,
    )  # fmt: skip

  original, loop.run = loop.run, began
  try:
    right_or_refused(run)
  except Began:
    assert fits(dataset)
    assert fits(validation)
  except (TypeError, ValueError, KeyError):
    # The user's own loss cannot read this data: JAX says where.
    assert not (fits(dataset) and fits(validation))
  finally:
    loop.run = original


# ---------------------------------------------------- compiled, few programs
@st.composite
def small_searches(draw):
  """Draws searches that share their programs, and may be refused."""
  dataset = {
    "x": np.ones((6, 3), np.float32),
    "ids": np.array(draw(st.lists(st.integers(-1, 3), min_size=6, max_size=6))),
  }
  seeds = draw(st.lists(st.integers(0, 9), min_size=2, max_size=2))
  rate = draw(st.sampled_from([0.1, 0.5, 3.0, 1e-6]))
  penalty = draw(st.sampled_from([0.0, 1e-3, 10.0]))
  return dataset, tuple(seeds), rate, penalty


@given(drawn_search=small_searches())
@drawn(12, in_long_run=0.02)
def test_search_reports_the_loss_of_its_masks(drawn_search):
  dataset, seeds, rate, penalty = drawn_search

  def run():
    config = search.SearchConfig(
      num_epochs=2, batch_size=3, seeds=seeds, learning_rates=(rate,),
      penalties=(penalty,),
    )  # fmt: skip
    return search.run(
      loss_fn, PARAMS, SPEC, dataset, config, key=KEY, validation=dataset,
      metrics_fn=metrics_fn, devices=ONE_DEVICE,
    )  # fmt: skip

  result = right_or_refused(run)
  is_right = len({*seeds}) == 2 and dataset["ids"].max() <= 2
  assert (result is not None) == is_right
  if result is None:
    return
  for index, row in enumerate(result.history[-2:]):
    mask = {
      path: np.asarray(leaf[index]) for path, leaf in result.masks.items()
    }
    expected = by_hand(mask, dataset)
    np.testing.assert_allclose(
      row["validation/hard/loss"], expected.mean(), rtol=1e-5, atol=1e-6
    )
    kept = sum(leaf.sum() for leaf in mask.values())
    np.testing.assert_allclose(row["density"], kept / 12, rtol=1e-6)
    for path, leaf in mask.items():
      assert ((np.asarray(result.mask_logits[path][index]) > 0) == leaf).all()


def by_hand(mask, dataset):
  """Returns the loss of every example of a masked network."""
  embed, head = (PARAMS[name] * mask[name] for name in ("embed", "head"))
  return ((dataset["x"] + embed[dataset["ids"]]) @ head - 1) ** 2


@given(
  bits=st.lists(st.booleans(), min_size=24, max_size=24),
  fill=st.sampled_from(["zero", "zero", "noise"]),
  inverted=st.booleans(),
  ids=st.lists(st.integers(-3, 3), min_size=6, max_size=6),
  seed=st.sampled_from([0, 1, 2**31 - 1, 2**31, -1, 0.5]),
)
@drawn(20, in_long_run=0.1)
def test_evaluation_is_the_mean_over_examples(bits, fill, inverted, ids, seed):
  embed, head = np.reshape(bits[:18], (2, 3, 3)), np.reshape(bits[18:], (2, 3))
  stacked = {"embed": embed, "head": head}
  dataset = {"x": np.ones((6, 3), np.float32), "ids": np.array(ids)}
  variants = {
    "one": evaluation.Variant(stacked, (0, seed), inverted, fill),
    "all": evaluation.dense(SPEC),
  }
  found = right_or_refused(
    lambda: evaluation.evaluate(
      metrics_fn,
      PARAMS,
      SPEC,
      variants,
      {"test": dataset},
      key=KEY,
      batch_size=4,
      devices=ONE_DEVICE,
    )
  )
  is_right = fill == "zero" and max(ids) <= 2 and seed in (0, 1, 2**31 - 1)
  assert (found is not None) == is_right
  if found is None:
    return
  for index in range(2):
    mask = {path: leaf[index] ^ inverted for path, leaf in stacked.items()}
    np.testing.assert_allclose(
      found["one"]["test"]["loss"][index],
      by_hand(mask, dataset).mean(),
      rtol=1e-5,
    )


@pytest.fixture(autouse=True)
def quiet():
  """A search says what is no error; rounding to infinity is meant here."""
  with warnings.catch_warnings():
    warnings.simplefilter("ignore", RuntimeWarning)
    yield
