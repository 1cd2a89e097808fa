"""What cannot be evaluated is refused before it compiles."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import evaluation, masks
from structcomp_jax.types import UserError

PARAMS = {"kernel": jnp.ones((3, 2))}
SPEC = masks.select(PARAMS, [(".*", "weight")])
STACKED = {"kernel": np.ones((2, 3, 2), bool)}
DATASET = {"ids": np.arange(6) % 3, "x": np.ones((6, 3), np.float32)}
VARIANTS = {"kept": evaluation.Variant(STACKED, (0, 1))}


def metrics_fn(params, batch):
  return {"loss": params["kernel"][batch["ids"]].sum(1)}


def a_mean(params, batch):
  return {"loss": metrics_fn(params, batch)["loss"].mean()}


def per_class(params, batch):
  return {"loss": params["kernel"][batch["ids"]]}


ARGUMENTS = {
  "metrics_fn": metrics_fn,
  "params": PARAMS,
  "spec": SPEC,
  "variants": VARIANTS,
  "datasets": {"test": DATASET},
  "key": jax.random.key(0),
  "devices": jax.devices()[:1],
}


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    (
      {"metrics_fn": a_mean},
      r"'loss' as shape \(\) for 6 examples; retur",
    ),
    ({"key": 0}, "key is 0; make one typed key"),
    ({"batch_size": 0}, "batch_size 0 must be at least 1"),
    ({"width": -1}, "width -1 must be at least 0"),
    ({"chunk_size": 1.5}, r"chunk_size 1\.5 must be an integer"),
    ({"spec": [(".*", "weight")]}, "spec is a list, not what masks.select"),
    ({"variants": {}}, "there are no networks to evaluate"),
    ({"variants": {"kept": STACKED}}, "'kept' is a dict; give a Variant"),
    (
      {"variants": {"kept": evaluation.Variant(STACKED, (0,))}},
      r"'kept' have leaf 'kernel' of shape \(2, 3, 2\), wanted \(1, 3, 2\)",
    ),
    (
      {"variants": {"kept": evaluation.Variant({}, (0,))}},
      r"'kept' have leaf 'kernel' of shape None, wanted \(1, 3, 2\)",
    ),
    (
      {"variants": {"a": evaluation.Variant(STACKED, (0, 1), fill="noise")}},
      "'a' has the unknown fill 'noise'; use one of zero, mean, random",
    ),
    (
      {"variants": {"a": evaluation.Variant(STACKED, (0, 0.5))}},
      r"a seed of 'a' 0\.5 must be an integer",
    ),
    ({"datasets": {}}, "there are no tasks to evaluate"),
    (
      {"datasets": {"test": {**DATASET, "x": DATASET["x"][:2]}}},
      "task 'test' has 6 examples of 'ids' and 2 of 'x'",
    ),
    (
      {"datasets": {"a": DATASET, "b": {"ids": DATASET["ids"]}}},
      r"tasks 'a' and 'b' differ in 'x' \(float32\[3\] and missing\)",
    ),
    (
      {"datasets": {"a": DATASET, "b": {**DATASET, "ids": np.full(6, 3)}}},
      "task 'b': 'ids' is 3 in example 0, the index of an array with 3 entri",
    ),
    (
      {"params": {"kernel": jnp.ones((3, 2)), "act": jax.nn.relu}},
      "leaf 'act' is a",
    ),
    ({"devices": []}, "devices is empty"),
  ],
)
def test_evaluation_is_refused_in_one_line(changes, message):
  with pytest.raises(UserError, match=message) as error:
    evaluation.evaluate(**{**ARGUMENTS, **changes})
  assert "\n" not in str(error.value)


def test_a_metric_may_have_several_numbers_for_each_example():
  found = evaluation.evaluate(**{**ARGUMENTS, "metrics_fn": per_class})
  np.testing.assert_allclose(found["kept"]["test"]["loss"], np.ones((2, 2)))


def test_more_weights_than_32_bits_count_are_exact():
  spec = masks.select(
    {"kernel": jax.ShapeDtypeStruct((2**31, 3), jnp.bfloat16)},
    [(".*", "neuron", 1)],
  )
  mask = {"kernel": np.array([[[True, False, False]], [[True, True, False]]])}
  variant = evaluation.Variant(mask, (0, 1))
  assert variant.kept_weights(spec).tolist() == [2**31, 2**32]
  inverted = evaluation.Variant(mask, (0, 1), inverted=True)
  assert inverted.kept_weights(spec).tolist() == [2**32, 2**31]
