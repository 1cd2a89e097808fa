"""Features of a frozen network stand in for the data, wherever they lie."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs.common.language import language_variant
from configs.common.vision import vision_variant
from structcomp_jax import search, trees
from structcomp_jax.engine import parallel
from structcomp_jax.pipeline import choices as recorded
from structcomp_jax.pipeline import frozen, run
from structcomp_jax.pipeline.experiment import Experiment
from structcomp_jax.pipeline.features import store as feature_store
from structcomp_jax.pipeline.study import fresh_params
from structcomp_jax.studies import registry
from structcomp_jax.types import UserError

CONFIGS = {
  "vision": (vision_variant("inside_contact", "smoke"), "stage_2", "inside"),
  "language": (language_variant("sv_singular", "smoke"), 0, "subject"),
}
PLACES = ("device", "host", "disk")


def make_case(name, directory):
  """Returns an experiment with data, weights, a first masked stage, a task."""
  config, masked_from, task = CONFIGS[name]
  config.data.num_problems = {"train": 64, "validation": 16, "test": 16}
  work = Experiment(registry.make_study(config), directory)
  for role in ("base", task):
    dataset = work.study.datasets[role]
    run.build(dataset.name, work.data_dir, dataset.sizes)
  params = fresh_params(work.study.network, jax.random.key(0))
  return work, params, masked_from, task


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
  """Makes a case when it is asked for, once."""
  return functools.cache(
    lambda name: make_case(name, tmp_path_factory.mktemp(name))
  )


@pytest.fixture(params=CONFIGS)
def case(request, cases):
  return cases(request.param)


@pytest.fixture
def small_case(cases):
  """The one that is compiled sooner."""
  return cases("language")


def with_search(case, workdir, **fields):
  """Returns the frozen network under another config, in a new directory."""
  work, params, *_ = case
  config = work.config.copy_and_resolve_references()
  config.runtime.data_dir = str(work.data_dir)
  config.search.update(fields)
  workdir.mkdir(exist_ok=True)
  changed = Experiment(registry.make_study(config), workdir)
  return frozen.FrozenNetwork(changed, params)


def metrics_and_gradient(case, network):
  """Returns both of the validation problems, the gradient of masked leaves."""
  _, params, masked_from, task = case
  problems = network.examples(masked_from, task, "validation")
  functions = network.network(masked_from)
  metrics = jax.jit(functions.metrics_fn)(params, problems)
  gradient = jax.jit(jax.grad(functions.loss_fn))(params, problems)
  leaves = trees.leaves_by_path(gradient)
  paths = network.mask_spec(masked_from).paths
  return metrics, {path: leaves[path] for path in paths}


def test_cached_features_give_the_same_metrics_and_gradient(case, tmp_path):
  plain, cached = (
    metrics_and_gradient(case, with_search(case, tmp_path / cache, cache=cache))
    for cache in ("off", "device")
  )
  # Mostly the same bits; products as small as these may round differently.
  chex.assert_trees_all_close(plain, cached, atol=1e-6, rtol=1e-6)
  assert any(np.any(leaf) for leaf in cached[1].values())


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_features_are_the_same_bits_wherever_they_lie(case, tmp_path, dtype):
  *_, masked_from, task = case
  found = [
    with_search(
      case, tmp_path / cache, cache=cache, cache_dtype=dtype
    ).examples(masked_from, task, "train")
    for cache in PLACES
  ]
  for features in found[1:]:
    chex.assert_trees_all_equal(features, found[0])
  floats = [leaf for leaf in found[0].values() if leaf.dtype != bool]
  assert {str(leaf.dtype) for leaf in floats} == {dtype}


def test_a_search_finds_the_same_bits_wherever_they_lie(small_case, tmp_path):
  work, params, masked_from, task = small_case
  found = []
  for cache in PLACES:
    network = with_search(small_case, tmp_path / cache, cache=cache)
    functions = network.network(masked_from)
    result = search.run(
      functions.loss_fn,
      params,
      network.mask_spec(masked_from),
      network.examples(masked_from, task, "train"),
      work.study.search_config(num_epochs=1, feed=network.feed(masked_from)),
      key=jax.random.key(1),
      devices=jax.devices()[:1],
    )
    found.append(result.mask_logits)
  for mask_logits in found[1:]:
    chex.assert_trees_all_equal(mask_logits, found[0])


@pytest.mark.parametrize("cache", PLACES)
def test_features_are_those_of_every_problem_once(small_case, tmp_path, cache):
  """16 problems in chunks of 5: the last chunk has one, filled up with four."""
  work, params, masked_from, task = small_case
  network = with_search(small_case, tmp_path, cache=cache)
  network.work.config.evaluation.batch_size = 5
  found = network.examples(masked_from, task, "validation")
  expected = work.study.frozen_network.features_before(
    params, work.read(task, "validation"), "layer_0"
  )
  assert trees.num_rows(found) == 16
  chex.assert_trees_all_close(
    jax.tree.map(np.asarray, found), expected, atol=1e-5
  )


def test_no_task_needs_to_be_called_base(small_case, tmp_path):
  *_, masked_from, task = small_case
  network = with_search(
    small_case, tmp_path, cache="host", cache_dtype="bfloat16"
  )
  study = network.work.study
  others = {name: one for name, one in study.datasets.items() if name != "base"}
  study.datasets = {"whole": study.datasets["base"], **others}
  study.test_tasks = tuple(study.datasets)
  assert trees.num_rows(network.examples(masked_from, task, "train")) == 64
  assert (tmp_path / "precision.json").is_file()


def test_features_are_computed_once(small_case, tmp_path):
  *_, masked_from, task = small_case
  network = with_search(small_case, tmp_path, cache="host")
  first = network.examples(masked_from, task, "validation")
  assert network.examples(masked_from, task, "validation") is first


def test_devices_of_a_cpu_share_features_and_data(small_case, tmp_path):
  *_, masked_from, task = small_case
  mesh = parallel.row_mesh(8)
  for cache in ("device", "off"):
    network = with_search(small_case, tmp_path / cache, cache=cache)
    problems = network.examples(masked_from, task, "train")
    copies = parallel.replicate(problems, mesh)
    for name, array in problems.items():
      addresses = {
        shard.data.unsafe_buffer_pointer()
        for shard in copies[name].addressable_shards
      }
      assert addresses == {array.ctypes.data}


def test_finished_files_are_used_again(small_case, tmp_path):
  *_, masked_from, task = small_case

  def read():
    network = with_search(small_case, tmp_path, cache="disk")
    return network, network.examples(masked_from, task, "train")

  network, first = read()
  (file, *_) = tmp_path.glob(f"cache/*/{task}-train/*.npy")
  written = file.stat().st_mtime_ns
  _, again = read()
  assert isinstance(again[file.stem], np.memmap)
  assert file.stat().st_mtime_ns == written
  # Half a file is none.
  expected = jax.tree.map(np.array, first)
  file.write_bytes(file.read_bytes()[:-4])
  _, mended = read()
  chex.assert_trees_all_equal(mended, expected)
  # Features of another stage would not be read any more.
  other = file.parents[1].with_name(f"{network.fingerprint[:16]}-x-float32")
  other.mkdir()
  read()
  assert not other.exists()
  network.forget_features()
  assert not (tmp_path / "cache").exists()


def test_a_kill_leaves_nothing_half_valid(tmp_path):
  shapes = {"x": jax.ShapeDtypeStruct((4, 2), jnp.float32)}

  def killed():
    yield {"x": np.ones((2, 2), np.float32)}
    assert list(tmp_path.iterdir()), "it has begun"
    raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    feature_store.on_disk(tmp_path / "features", shapes, killed())
  assert not list(tmp_path.iterdir())


def test_a_full_disk_is_said_before_anything_is_computed(tmp_path):
  shapes = {"x": jax.ShapeDtypeStruct((10**15,), jnp.float32)}

  def never():
    raise AssertionError("asked for features")
    yield

  with pytest.raises(UserError, match=r"take 4000000.00 GB .* free; free disk"):
    feature_store.on_disk(tmp_path / "features", shapes, never())


def test_features_on_an_accelerator_are_written_in_place():
  chunks = [{"x": jnp.arange(6.0).reshape(3, 2)}, {"x": jnp.ones((1, 2))}]
  shapes = {"x": jax.ShapeDtypeStruct((4, 2), jnp.float32)}
  chex.assert_trees_all_equal(
    feature_store.on_device(shapes, chunks),
    {"x": np.concatenate([chunk["x"] for chunk in chunks])},
  )


@pytest.mark.parametrize(
  "fields",
  [
    {"cache": "device", "cache_dtype": "bfloat16"},
    {"compute_dtype": "bfloat16", "cache": "off"},
  ],
  ids=str,
)
def test_bfloat16_is_close_and_says_how_close(small_case, tmp_path, fields):
  _, params, masked_from, task = small_case

  def metrics_of(name, **fields):
    network = with_search(small_case, tmp_path / name, **fields)
    problems = network.examples(masked_from, task, "validation")
    return jax.jit(network.network(masked_from).metrics_fn)(params, problems)

  metrics, expected = metrics_of("narrow", **fields), metrics_of("exact")
  chex.assert_trees_all_close(metrics["loss"], expected["loss"], atol=0.02)
  assert np.any(metrics["loss"] != expected["loss"])
  (found,) = recorded.read(tmp_path / "narrow/precision.json").values()
  assert 0 < found["mean_loss_difference"] < 0.02
  assert abs(found["accuracy"] - found["accuracy_float32"]) < 0.2
  assert not (tmp_path / "exact/precision.json").exists()


@pytest.mark.parametrize(
  ("name", "place"), [("language", "off"), ("vision", "device")]
)
def test_auto_keeps_what_is_dear_to_compute(cases, tmp_path, name, place):
  """Convolutions are; embeddings are as fast to compute as to read."""
  case = cases(name)
  network = with_search(case, tmp_path, cache="auto")
  _, _, masked_from, task = case
  examples = network.examples(masked_from, task, "validation")
  is_data = examples.keys() == case[0].load(task, "validation").keys()
  assert is_data == (place == "off")
  (choice,) = recorded.read(tmp_path / "cache.json").values()
  assert choice["place"] == place


def test_a_search_in_bfloat16_learns_float32_logits(small_case, tmp_path):
  _, params, masked_from, task = small_case
  fields = {
    "cache": "device", "cache_dtype": "bfloat16", "compute_dtype": "bfloat16"
  }  # fmt: skip
  network = with_search(small_case, tmp_path, **fields)
  functions = network.network(masked_from)
  result = search.run(
    functions.loss_fn,
    params,
    network.mask_spec(masked_from),
    network.examples(masked_from, task, "validation"),
    network.work.study.search_config(num_epochs=1, batch_size=16),
    key=jax.random.key(1),
  )
  for mask_logits in result.mask_logits.values():
    assert mask_logits.dtype == jnp.float32
    assert np.ptp(mask_logits) > 0
  assert result.finite.all()
