"""Bad input ends in one line that says what is wrong and what to do."""

import dataclasses

import jax
import numpy as np
import pytest

from structcomp_jax import probing
from structcomp_jax.types import UserError

from . import tiny


def changed(one, **fields):
  """Returns a split with other fields; those of None are left out."""
  new = {**one, **fields}
  return {name: value for name, value in new.items() if value is not None}


LABELS = tiny.TRAIN["labels"]
EARLY, LATE = tiny.TRAIN["features"].values()
BAD_TRAINING = {
  "no labels": ({"labels": None}, "dataset has no 'labels'"),
  "negative labels": ({"labels": LABELS - 1}, "'labels' has the value -1"),
  "labels are no classes": ({"labels": LABELS * 0.5}, "give one integer for"),
  "labels of two axes": ({"labels": LABELS[:, None]}, "give one integer for"),
  "a class without example": (
    {"labels": 2 * LABELS},
    "labels up to 2 and no example of class 1",
  ),
  "one class": ({"labels": 0 * LABELS}, "all 0, one class"),
  "negative types": (
    {"types": tiny.TRAIN["types"] - 1},
    "'types' has the value -1; count from 0",
  ),
  "no features": ({"features": None}, "no 'features'.*compute_features"),
  "features are an array": ({"features": LATE}, "no 'features'"),
  "features of all positions": (
    {"features": {"late": LATE[:, None]}},
    r"'features/late' is float32 of shape \(64, 1, 3\)",
  ),
  "features are a list": (
    {"features": {"late": [1.0]}},
    "'features/late' is a list",
  ),
  "tables of different lengths": (
    {"features": {"early": EARLY, "late": LATE[1:]}},
    "dataset has 64 examples of .* and 63 of 'features/late'",
  ),
  "features that are not finite": (
    {"features": {"early": EARLY, "late": np.full_like(LATE, np.nan)}},
    "'features/late' is nan in example 0",
  ),
}


@pytest.mark.parametrize(
  ("fields", "expected"), BAD_TRAINING.values(), ids=BAD_TRAINING
)
def test_bad_training_data_are_refused(fields, expected):
  with pytest.raises(UserError, match=expected) as error:
    probing.run_linear(
      changed(tiny.TRAIN, **fields), tiny.VALIDATION, tiny.TEST, key=tiny.KEY
    )
  assert "\n" not in str(error.value)


BAD_HELD_OUT = {
  "a class that training has not": (
    {"labels": LABELS + 1},
    "test has label 2 and dataset none above 1",
  ),
  "no types": ({"types": None}, "of dataset and test one has 'types'"),
  "types that training has not": (
    {"types": tiny.TEST["types"] + 8},
    "no type of test is one of dataset.*coarser types",
  ),
  "a site is missing": (
    {"features": {"late": LATE}},
    "test has no features of site 'early' and dataset has 2",
  ),
  "a site of another width": (
    {"features": {"early": LATE, "late": LATE}},
    "test has 3 features of site 'early' and dataset has 2",
  ),
  "a site too many": (
    {"features": {**tiny.TEST["features"], "later": LATE}},
    "test has 3 features of site 'later' and dataset has no",
  ),
}


@pytest.mark.parametrize(
  ("fields", "expected"), BAD_HELD_OUT.values(), ids=BAD_HELD_OUT
)
def test_bad_held_out_data_are_refused(fields, expected):
  with pytest.raises(UserError, match=expected):
    probing.run_linear(
      tiny.TRAIN, tiny.VALIDATION, changed(tiny.TEST, **fields), key=tiny.KEY
    )


def test_bad_validation_of_a_subnetwork_is_refused():
  wrong = {**tiny.inputs(tiny.TEST), "labels": LABELS + 1}
  with pytest.raises(UserError, match="validation has label 2"):
    tiny.run_subnetwork(validation=wrong)


def test_the_order_of_sites_does_not_matter():
  turned = {
    **tiny.TEST,
    "features": dict(reversed(tiny.TEST["features"].items())),
  }
  splits = (tiny.TRAIN, tiny.VALIDATION, turned)
  assert tiny.run_linear(splits=splits).rows == tiny.run_linear().rows


@pytest.mark.parametrize(
  ("changes", "expected"),
  [
    ({"seeds": ()}, "at least one value"),
    ({"seeds": (1, 1)}, "each once"),
    ({"seeds": (-1,)}, "at least 0"),
    ({"seeds": 3}, "must be a sequence"),
    ({"learning_rate": 0.0}, "positive"),
    ({"weight_decay": -1.0}, "at least 0"),
    ({"patience": 0}, "patience 0 must be at least 1"),
    ({"batch_size": 15, "data_devices": 2}, "cannot share 15 examples"),
  ],
  ids=str,
)
def test_settings_of_probes_are_checked(changes, expected):
  with pytest.raises(UserError, match=expected):
    dataclasses.replace(tiny.LINEAR, **changes)


@pytest.mark.parametrize(
  ("changes", "expected"),
  [
    ({"penalties": ()}, "at least one value"),
    ({"penalties": (-1.0,)}, "at least 0"),
    ({"mask_learning_rate": 0.0}, "positive"),
    ({"init_logit": float("nan")}, "finite"),
    ({"relaxation": "continuous_sparsification"}, "choose hard_concrete"),
    ({"relaxation": "none"}, "unknown relaxation"),
  ],
  ids=str,
)
def test_settings_of_masks_are_checked(changes, expected):
  with pytest.raises(UserError, match=expected):
    dataclasses.replace(tiny.SUBNETWORK, **changes)


@pytest.mark.parametrize("run", [tiny.run_linear, tiny.run_subnetwork])
def test_keys_are_checked(run):
  with pytest.raises(UserError, match="make one typed key"):
    run(key=jax.random.PRNGKey(0))


def test_features_are_computed_in_batches():
  def feature_fn(params, batch):
    return {"a": batch["x"] * params, "b": batch["x"][:, :1]}

  dataset = {"x": np.arange(14, dtype=np.float32).reshape(7, 2)}
  found = probing.compute_features(
    feature_fn, np.float32(2), dataset, batch_size=3
  )
  np.testing.assert_array_equal(found["a"], 2 * dataset["x"])
  np.testing.assert_array_equal(found["b"], dataset["x"][:, :1])


@pytest.mark.parametrize(
  ("feature_fn", "expected"),
  [
    (lambda params, batch: {"a": batch["x"][:, 0]}, r"'a' as float32 of shape"),
    (lambda params, batch: {"a": batch["x"].sum()}, r"'a' as float32 of shape"),
    (lambda params, batch: {}, "a dict"),
    (lambda params, batch: batch["x"] > 0, r"bool of shape \(2, 2\)"),
    (
      lambda params, batch: params[batch["id"]],
      r"'id' is 5 in example 1.* in feature_fn",
    ),
  ],
)
def test_features_that_are_no_vectors_are_refused(feature_fn, expected):
  dataset = {"x": np.ones((2, 2), np.float32), "id": np.array([0, 5])}
  with pytest.raises(UserError, match=expected):
    probing.compute_features(feature_fn, np.ones((5, 2), np.float32), dataset)
