"""What a data set, a loss and metrics must be, before anything is compiled."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from structcomp_jax.engine import data
from structcomp_jax.types import UserError

PARAMS = {"embed": jnp.ones((5, 3)), "head": jnp.ones((3, 4))}
DATASET = {"ids": np.arange(12).reshape(6, 2) % 5, "label": np.arange(6) % 4}
FLOATS = np.ones((3, 2), np.float32)


def changed(name, place, value):
  """Returns the data set with one number exchanged."""
  field = DATASET[name].copy()
  field[place] = value
  return {**DATASET, name: field}


@pytest.mark.parametrize(
  "dataset",
  [
    DATASET,
    {"x": jnp.ones((2, 3)), "nested": {"y": np.ones(2, bool)}},
    {"key": jax.random.split(jax.random.key(0), 3), "x": FLOATS},
    {"x": jnp.ones(2, jnp.bfloat16), "y": np.zeros((2, 0))},
    {"x": np.array([0.5, -1e30]), "y": np.array([2**31 - 1, -(2**31)])},
  ],
)
def test_data_sets_are_accepted(dataset):
  data.check(dataset, "dataset")


@pytest.mark.parametrize(
  ("dataset", "message"),
  [
    (FLOATS, "dataset is a ndarray; give a dict of arrays"),
    ({}, "dataset has no arrays"),
    ({"x": FLOATS, "y": {}}, "dataset 'y' is a dict, not an array"),
    ({"x": [1.0, 2.0]}, "dataset 'x' is a list, not an array; convert it"),
    ({"x": {"y": 3.0}}, "dataset 'x/y' is a float, not an array"),
    ({"x": np.array(["a"])}, "'x' holds <U1 and no numbers; encode it"),
    ({"x": np.array([None])}, "'x' holds object and no numbers"),
    ({"x": np.float32(1) * np.ones(())}, "'x' is a float64|'x' is a single"),
    ({"x": jnp.float32(1)}, "'x' is a single number; give one for each"),
    (
      {"x": FLOATS, "y": np.ones(4)},
      "dataset has 4 examples of 'y' and 3 of 'x'; give as many of each",
    ),
    ({"x": FLOATS[:0]}, "dataset has no examples; give at least one"),
    ({"x": np.array([[0, 1], [np.nan, 0]])}, "'x' is nan in example 1, which"),
    ({"x": jnp.array([0, jnp.inf])}, "'x' is inf in example 1, which is no"),
    ({"x": jnp.array([jnp.nan], jnp.bfloat16)}, "'x' is nan in example 0"),
    ({"x": np.array([0, 1e39])}, r"'x' is 1e\+39 in example 1.* float32"),
    ({"y": np.array([0, 0, 2**31])}, "'y' is 2147483648 in example 2.* int32"),
  ],
)
def test_data_sets_are_refused_in_one_line(dataset, message):
  with pytest.raises(UserError, match=message) as error:
    data.check(dataset, "dataset")
  assert "\n" not in str(error.value)


def test_a_file_is_read_in_parts(tmp_path, monkeypatch):
  monkeypatch.setattr(data, "_ELEMENTS", 4)
  file = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (9, 3))
  file[:] = 0
  data.check({"x": file}, "dataset")
  file[7, 1] = np.inf
  with pytest.raises(UserError, match="'x' is inf in example 7"):
    data.check({"x": file}, "dataset")


def by_indexing(params, batch):
  outputs = params["embed"][batch["ids"]].mean(1) @ params["head"]
  return -outputs[jnp.arange(len(outputs)), batch["label"]].mean()


def by_optax(params, batch):
  outputs = jnp.take(params["embed"], batch["ids"], axis=0).sum(1)
  losses = optax.softmax_cross_entropy_with_integer_labels(
    outputs @ params["head"], batch["label"]
  )
  return losses.mean()


def by_one_hot(params, batch):
  def outputs_of(ids):
    return params["embed"][ids].mean(0) @ params["head"]

  outputs = jax.vmap(outputs_of)(batch["ids"])
  return -(outputs * jax.nn.one_hot(batch["label"], 4)).mean()


@jax.checkpoint
def by_a_loop(params, batch):
  """A recurrent network reads one token after the other."""

  def step(state, ids):
    return state + params["embed"][ids], None

  state, _ = jax.lax.scan(step, jnp.zeros((6, 3)), batch["ids"].T)
  labels = jnp.take_along_axis(
    state @ params["head"], batch["label"][:, None], axis=1
  )
  return -labels.mean()


LOSSES = (by_indexing, by_optax, by_one_hot, by_a_loop)


@pytest.mark.parametrize("loss_fn", LOSSES)
def test_indices_beyond_the_end_are_refused(loss_fn):
  check = functools.partial(data.check_loss, loss_fn, PARAMS, 6)
  check({"dataset": DATASET})
  with pytest.raises(UserError, match="dataset: 'ids' is 5 in example 3, the"):
    check({"dataset": changed("ids", (3, 1), 5)})
  with pytest.raises(
    UserError, match=r"test: 'label' is 4 in example 2, .* with 4 entries in lo"
  ):
    check({"dataset": DATASET, "test": changed("label", 2, 4)})


@pytest.mark.parametrize("loss_fn", LOSSES)
def test_negative_indices_count_from_the_end(loss_fn):
  """So they do in NumPy; below that only rows of zeros are meant."""
  check = functools.partial(data.check_loss, loss_fn, PARAMS, 6)
  check({"dataset": changed("label", 2, -4)})
  low = {"dataset": changed("label", 2, -5)}
  if loss_fn is by_one_hot:
    check(low)
  else:
    with pytest.raises(UserError, match="'label' is -5 in example 2"):
      check(low)


@pytest.mark.parametrize(
  "labels",
  [
    lambda label: jnp.clip(label, 0, 3),
    lambda label: jnp.where(label < 4, label, 0),
    lambda label: label // 2,
  ],
)
def test_a_loss_may_change_its_indices(labels):
  def loss_fn(params, batch):
    return by_indexing(params, {**batch, "label": labels(batch["label"])})

  dataset = changed("label", 2, 7)
  data.check_loss(loss_fn, PARAMS, 6, {"dataset": dataset})


def test_clipping_that_is_asked_for_is_accepted():
  def loss_fn(params, batch):
    return jnp.take(params["embed"], batch["ids"], axis=0, mode="clip").mean()

  dataset = changed("ids", (3, 1), 7)
  data.check_loss(loss_fn, PARAMS, 6, {"dataset": dataset})


class Network:
  """Has no hash, as Equinox modules with arrays."""

  __hash__ = None

  def __call__(self, params, batch):
    return jnp.float32(0)


@pytest.mark.parametrize(
  ("loss_fn", "message"),
  [
    (lambda p, b: p["head"].sum(1), r"float32 of shape \(3,\), not one number"),
    (lambda p, b: (p["head"].sum(), {}), "returns a tuple, not one number"),
    (lambda p, b: b["label"].sum(), r"int32 of shape \(\), not one number"),
    (lambda p, b: 0.5, None),
    (lambda p, b: None, "returns a NoneType, not one number"),
    (Network(), "loss_fn has no hash, by which compiled programs are found"),
  ],
)
def test_a_loss_is_one_number(loss_fn, message):
  if message is None:
    return data.check_loss(loss_fn, PARAMS, 6, {"dataset": DATASET})
  with pytest.raises(UserError, match=message):
    data.check_loss(loss_fn, PARAMS, 6, {"dataset": DATASET})


@pytest.mark.parametrize(
  ("metrics_fn", "message"),
  [
    (lambda p, b: {"loss": b["ids"].sum(1), "wide": b["ids"]}, None),
    (lambda p, b: {"loss": b["ids"].mean()}, r"'loss' as shape \(\) for 6 ex"),
    (lambda p, b: {"loss": b["label"][:2]}, r"shape \(2,\) for 6 examples"),
    (lambda p, b: {"loss": b["ids"]}, r"'loss' of shape \(6, 2\); return one"),
    (lambda p, b: {"accuracy": b["label"]}, "'accuracy' and no 'loss'; return"),
    (lambda p, b: b["label"], "metrics_fn returns a .*; return a dict"),
    (lambda p, b: {}, "metrics_fn returns a dict; return a dict"),
    (lambda p, b: {"loss": [1.0]}, "'loss' as list for 6 examples"),
    (lambda p, b: {"loss": p["embed"][b["ids"]][:, 0, 0]}, None),
  ],
)
def test_metrics_are_per_example(metrics_fn, message):
  check = functools.partial(data.check_metrics, metrics_fn, PARAMS, 6)
  if message is None:
    return check({"test": DATASET}, needs="loss")
  with pytest.raises(UserError, match=message):
    check({"test": DATASET}, needs="loss")


def test_a_loss_is_traced_once_for_all_data_sets():
  traces = []

  def loss_fn(params, batch):
    traces.append(batch)
    return by_indexing(params, batch)

  for _ in range(3):
    data.check_loss(loss_fn, PARAMS, 4, {"a": DATASET, "b": DATASET})
  assert len(traces) == 1
