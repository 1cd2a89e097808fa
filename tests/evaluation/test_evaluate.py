"""What the compiled evaluation says, against networks merged by hand."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import evaluation, masks, trees

pytestmark = pytest.mark.usefixtures("optimised")

KEY = jax.random.key(9)
SEEDS = (3, 4, 7)
GENERATOR = np.random.default_rng(1)
PARAMS = {
  "hidden": {
    "kernel": jnp.asarray(GENERATOR.normal(size=(4, 6)), jnp.float32),
    "bias": jnp.asarray(GENERATOR.normal(size=6), jnp.float32),
  },
  "output": jnp.asarray(GENERATOR.normal(size=(6, 2)), jnp.float32),
}
SPEC = masks.select(
  PARAMS,
  [("hidden/kernel", "weight"), ("output", "neuron", 1), (".*", "frozen")],
)
STACKED = {
  "hidden/kernel": jnp.asarray(GENERATOR.random((3, 4, 6)) < 0.4),
  "output": jnp.asarray([[[True, False]], [[False, True]], [[True, True]]]),
}


def make_dataset(num_examples):
  """Returns random inputs and labels."""
  return {
    "x": GENERATOR.normal(size=(num_examples, 4)).astype(np.float32),
    "label": GENERATOR.integers(0, 2, num_examples),
  }


# Lengths that no batch size below divides.
DATASETS = {"verb": make_dataset(7), "base": make_dataset(4)}


def metrics_fn(params, batch):
  hidden = jnp.tanh(
    batch["x"] @ params["hidden"]["kernel"] + params["hidden"]["bias"]
  )
  outputs = hidden @ params["output"]
  loss = -jnp.take_along_axis(
    jax.nn.log_softmax(outputs), batch["label"][:, None], axis=1
  )
  is_right = jnp.argmax(outputs, axis=1) == batch["label"]
  return {"loss": loss[:, 0], "accuracy": is_right.astype(jnp.float32)}


def evaluate_variants(variants, datasets=DATASETS, **kwargs):
  """Evaluates masks, by default on one device."""
  defaults = {
    "key": KEY,
    "batch_size": 3,
    "devices": tuple(jax.devices()[:1]),
  }
  return evaluation.evaluate(
    metrics_fn, PARAMS, SPEC, variants, datasets, **defaults | kwargs
  )


ABLATIONS = ("none", "zero", "random")


def evaluate(seeds=SEEDS, ablations=ABLATIONS, **kwargs):
  """Evaluates the three masks."""
  variants = evaluation.ablations(STACKED, seeds)
  return evaluate_variants(
    {name: variants[name] for name in ablations}, **kwargs
  )


def by_hand(params):
  """Returns {task: {metric: mean}} of one network without batches."""
  return {
    task: {
      name: np.mean(np.asarray(values))
      for name, values in metrics_fn(params, dataset).items()
    }
    for task, dataset in DATASETS.items()
  }


def network_by_hand(index, ablation):
  """Returns the weights with np.where alone."""
  fill = masks.make_fill(
    "random", PARAMS, SPEC, jax.random.fold_in(KEY, SEEDS[index])
  )

  def masked(path, weights):
    kept = np.asarray(STACKED[path][index])
    if ablation == "none":
      return jnp.where(kept, weights, 0)
    return jnp.where(kept, fill[path] if ablation == "random" else 0, weights)

  hidden = PARAMS["hidden"]
  return {
    "hidden": hidden | {"kernel": masked("hidden/kernel", hidden["kernel"])},
    "output": masked("output", PARAMS["output"]),
  }


@pytest.fixture(scope="module")
def results():
  return evaluate()


@pytest.mark.parametrize("ablation", ABLATIONS)
def test_condition_matches_the_network_merged_by_hand(results, ablation):
  expected = trees.stack(
    [by_hand(network_by_hand(index, ablation)) for index in range(3)]
  )
  chex.assert_trees_all_close(results[ablation], expected, rtol=1e-5)


def test_conditions_and_masks_differ(results):
  losses = np.stack([results[name]["verb"]["loss"] for name in results])
  assert len(np.unique(losses)) == 9


def test_random_ablation_depends_on_the_mask_seed_alone(results):
  other = evaluate(seeds=(3, 5, 7))
  changed = other["random"]["verb"]["loss"] != results["random"]["verb"]["loss"]
  assert changed.tolist() == [False, True, False]
  for ablation in ("none", "zero"):
    chex.assert_trees_all_equal(other[ablation], results[ablation])


@pytest.mark.parametrize(
  "kwargs",
  [
    {"batch_size": 1},
    {"batch_size": 100},
    {"width": 1},
    {"width": 2},
    {"devices": None},
  ],
  ids=str,
)
def test_how_it_is_computed_changes_nothing(results, kwargs):
  chex.assert_trees_all_close(evaluate(**kwargs), results, rtol=1e-5)


@pytest.mark.parametrize("chunk_size", [5, 9])
def test_chunks_change_no_bit(results, chunk_size):
  # The last chunk is filled up, and a chunk spans both data sets.
  chex.assert_trees_all_equal(evaluate(chunk_size=chunk_size), results)


def test_one_program_for_all_networks_tasks_and_chunks():
  traced = []

  def counted(params, batch):
    traced.append(batch["x"].shape)
    return metrics_fn(params, batch)

  variants = {
    **evaluation.ablations(STACKED, SEEDS),
    "dense": evaluation.dense(SPEC),
  }
  evaluation.evaluate(
    counted,
    PARAMS,
    SPEC,
    variants,
    DATASETS,
    key=KEY,
    batch_size=3,
    chunk_size=6,
  )
  # Once to check the metrics, and once for the program.
  assert traced == [(3, 4)] * 2


def test_data_may_lie_in_files_or_on_a_device(results, tmp_path):
  for name, value in DATASETS["verb"].items():
    np.save(tmp_path / f"{name}.npy", value)
  mapped = {
    name: np.load(tmp_path / f"{name}.npy", mmap_mode="r")
    for name in DATASETS["verb"]
  }
  on_device = jax.tree.map(jnp.asarray, DATASETS["verb"])
  for verb in (mapped, on_device):
    found = evaluate(datasets={**DATASETS, "verb": verb}, chunk_size=6)
    chex.assert_trees_all_equal(found, results)


@pytest.mark.parametrize("ablations", [("zero",), ("random", "none")])
def test_ablations_do_not_depend_on_each_other(results, ablations):
  found = evaluate(ablations=ablations)
  expected = {name: results[name] for name in ablations}
  chex.assert_trees_all_equal(found, expected)


def test_variants_do_not_depend_on_each_other(results):
  other = jax.tree.map(jnp.logical_not, STACKED)
  found = evaluate_variants(
    {
      "control kept": evaluation.Variant(other, SEEDS),
      **evaluation.ablations(STACKED, SEEDS),
      "control cut": evaluation.Variant(other, SEEDS, inverted=True),
      "dense": evaluation.dense(SPEC),
    },
    # 16 networks do not divide among them.
    devices=tuple(jax.devices()[:3]),
  )
  chex.assert_trees_all_close(
    {name: found[name] for name in ABLATIONS}, results, rtol=1e-6
  )
  # To remove what the complement keeps is to keep the mask.
  chex.assert_trees_all_equal(found["control cut"], found["none"])
  chex.assert_trees_all_equal(found["control kept"], found["zero"])
  dense = trees.row(found["dense"], 0)
  chex.assert_trees_all_close(dense, by_hand(PARAMS), rtol=1e-5)


def test_every_fill_is_the_one_of_its_name(results):
  """Three fills in one program, and one fill alone."""
  variants = {
    fill: evaluation.Variant(STACKED, SEEDS, inverted=True, fill=fill)
    for fill in ("mean", "zero", "random")
  }
  together = evaluate_variants(variants)
  for name in ("zero", "random"):
    chex.assert_trees_all_close(together[name], results[name], rtol=1e-6)
  chex.assert_trees_all_close(
    evaluate_variants({"mean": variants["mean"]})["mean"],
    together["mean"],
    rtol=1e-6,
  )
  kernel, output = PARAMS["hidden"]["kernel"], PARAMS["output"]
  network = {
    "hidden": PARAMS["hidden"]
    | {"kernel": jnp.where(STACKED["hidden/kernel"][0], kernel.mean(), kernel)},
    "output": jnp.where(STACKED["output"][0], output.mean(), output),
  }
  chex.assert_trees_all_close(
    trees.row(together["mean"], 0), by_hand(network), rtol=1e-5
  )


def test_metrics_may_be_arrays():
  def outputs_of(params, batch):
    losses = metrics_fn(params, batch)["loss"]
    return {"pair": jnp.stack([losses, 2 * losses], axis=1)}

  found = evaluation.evaluate(
    outputs_of,
    PARAMS,
    SPEC,
    evaluation.ablations(STACKED, SEEDS),
    DATASETS,
    key=KEY,
    batch_size=3,
    chunk_size=5,
  )
  plain = evaluate()
  for ablation in ABLATIONS:
    for task in DATASETS:
      loss = plain[ablation][task]["loss"]
      np.testing.assert_allclose(
        found[ablation][task]["pair"],
        np.stack([loss, 2 * loss], axis=1),
        rtol=1e-5,
      )


def test_kept_weights_counts_weights_not_units():
  kernels = np.asarray(STACKED["hidden/kernel"]).sum(axis=(1, 2))
  outputs = 6 * np.array([1, 1, 2])  # a neuron of the output has six weights
  variants = evaluation.ablations(STACKED, SEEDS)
  np.testing.assert_array_equal(
    variants["none"].kept_weights(SPEC), kernels + outputs
  )
  for ablation in ("zero", "random"):
    np.testing.assert_array_equal(
      variants[ablation].kept_weights(SPEC), 36 - kernels - outputs
    )


def test_means_are_summed_in_float64_and_rounded_once():
  def values_of(params, batch):
    return {"loss": batch["x"], "accuracy": batch["right"]}

  losses = np.ones(500, np.float32)
  losses[[0, -1]] = 1e9, -1e9  # float32 would lose the ones between them
  right = (np.arange(500) < 168).astype(np.float32)
  found = evaluation.evaluate(
    values_of,
    PARAMS,
    SPEC,
    {"dense": evaluation.dense(SPEC)},
    {"verb": {"x": losses, "right": right}},
    key=KEY,
    batch_size=64,
  )["dense"]["verb"]
  assert found["loss"][0] == np.float32(498 / 500)
  assert found["accuracy"][0] == np.float32(0.336)
