"""Features of one frozen network: chosen where they lie, made, and removed.

Below the first masked stage every candidate computes the same features, step
after step: they are computed once and stand in for the data.
"""

import contextlib
import functools
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

from structcomp_jax import trees, types
from structcomp_jax.engine import batching
from structcomp_jax.io.progress import Progress
from structcomp_jax.pipeline.config import Features
from structcomp_jax.pipeline.features import place, store
from structcomp_jax.pipeline.study import Network
from structcomp_jax.pipeline.workplace import Workplace

# Progress is shown where there are more chunks of features than this.
_FEW_CHUNKS = 16


class FeatureCache:
  """What enters a stage of one network, made of whole splits of data.

  Features of one stage are kept at a time.
  """

  def __init__(self, work: Workplace, params: types.Params, name: str):
    """Computes nothing yet.

    Args:
      work: where it is done.
      params: the weights.
      name: of the network, for files.
    """
    self._work, self._params, self._name = work, params, name
    self._settings = Features.of(work.config.search)
    self._places: dict[str, str] = {}
    self._stage = ""
    self._kept: dict[tuple[str, str], types.Batch] = {}

  def network(self, stage: str) -> Network:
    """Returns the network that reads what `examples` returns."""
    network = self._work.study.frozen_network
    return network if self.place(stage) == "off" else network.from_stage(stage)

  def examples(self, stage: str, task: str, split: str) -> types.Batch:
    """Returns one split of a task, computed up to a stage."""
    if self.place(stage) == "off":
      return self._work.load(task, split)
    if stage != self._stage:
      self._keep_only(stage)
      # Frees what the training of base networks has loaded.
      self._work.forget_loaded()
    if (task, split) not in self._kept:
      self._kept[task, split] = self._make(stage, task, split)
    return self._kept[task, split]

  def place(self, stage: str) -> str:
    """Returns where the features lie, "off" where none are kept."""
    if stage not in self._places:
      self._places[stage] = self._choose_place(stage)
    return self._places[stage]

  def program(self, stage: str) -> jax.stages.Wrapped:
    """Returns (params, examples) -> features."""
    return _features_program(
      self._work.study.frozen_network, stage, self._settings.cache_dtype
    )

  def forget(self) -> None:
    """Removes the files of all features, which nobody reads any more."""
    self._keep_only("")
    if self._root.is_dir() and not any(self._root.iterdir()):
      self._root.rmdir()

  @property
  def _root(self) -> pathlib.Path:
    """Directory of all features on disk; every process has its own."""
    root = self._work.paths.cache
    if jax.process_count() == 1:
      return root
    return root / f"process_{jax.process_index()}"

  def _directory(self, stage: str) -> pathlib.Path:
    return self._root / f"{self._name}-{stage}-{self._settings.cache_dtype}"

  def _keep_only(self, stage: str) -> None:
    """Removes features that enter other stages, also their files."""
    self._stage = stage
    self._kept.clear()
    for directory in self._root.glob(f"{self._name}-*"):
      if directory != self._directory(stage):
        shutil.rmtree(directory)

  def _choose_place(self, stage: str) -> str:
    study = self._work.study
    if stage == study.network.stages[0]:
      return "off"
    needed = trees.num_bytes(self._shapes(stage, self._most_examples()))

    def make():
      space = self._work.space(self._settings.cache_gigabytes)
      chosen, reason = place.choose(
        self._settings.cache, needed, space, self._intensity(stage)
      )
      if chosen == "disk":
        store.check_free(self._root, needed)
      return {"place": chosen, "reason": reason, "gigabytes": needed / 1e9}

    device = jax.local_devices()[0].device_kind
    choice = self._work.choose(
      "cache.json", f"{device}, features that enter {stage}", make
    )
    self._work.say_once(
      place.describe(stage, needed, choice["place"], choice["reason"])
    )
    return choice["place"]

  def _most_examples(self) -> int:
    """Returns the most examples whose features are used at a time."""
    return max(
      sum(self._work.sizes(task)[split] for task, split in together)
      for together in self._work.study.used_together
    )

  def _intensity(self, stage: str) -> float:
    """Returns the floating-point operations per byte of features."""
    one = trees.row(self._work.load_any(), slice(1))
    program = self.program(stage).lower(self._params, one)
    cost: Any = program.cost_analysis()
    # A table that is looked up has none.
    return cost.get("flops", 0.0) / trees.num_bytes(program.out_info)

  def _shapes(self, stage: str, num_examples: int) -> store.Shapes:
    """Returns the shapes of what enters a stage."""
    one = trees.row(self._work.load_any(), slice(1))
    shapes = jax.eval_shape(self.program(stage), self._params, one)
    return jax.tree.map(
      lambda leaf: leaf.update(shape=(num_examples, *leaf.shape[1:])), shapes
    )

  def _make(self, stage: str, task: str, split: str) -> types.Batch:
    """Returns the features of a whole split, from their files if finished."""
    shapes = self._shapes(stage, self._work.sizes(task)[split])
    chunks = self._chunks(stage, task, split)
    where = self.place(stage)
    if where == "disk":
      directory = self._directory(stage) / f"{task}-{split}"
      found = store.from_disk(directory, shapes)
      return found or store.on_disk(directory, shapes, chunks)
    on_accelerator = jax.default_backend() != "cpu"
    if where == "device" and on_accelerator:
      return store.on_device(shapes, chunks)
    return store.in_memory(shapes, chunks)

  def _chunks(self, stage: str, task: str, split: str) -> Iterator[types.Batch]:
    """Yields the features of a split, all chunks from programs of one size."""
    examples = self._work.read(task, split)
    num_left = trees.num_rows(examples)
    batches = batching.equal_batches(
      num_left, self._work.config.evaluation.batch_size
    )
    program = self.program(stage)
    label = f"features that enter {stage}: {task} {split}"
    with contextlib.ExitStack() as stack:
      progress = None
      if len(batches) > _FEW_CHUNKS:
        progress = stack.enter_context(Progress(num_left, label))
      for rows in batches:
        features = program(self._params, trees.row(examples, rows))
        features = trees.row(features, slice(num_left))
        num_left -= len(rows)
        yield features
        if progress is not None:
          progress.update(trees.num_rows(features))


@functools.lru_cache(maxsize=16)
def _features_program(
  network: Network, stage: str, dtype: str
) -> jax.stages.Wrapped:
  """Returns (params, examples) -> features, compiled once for all weights."""

  def narrowed(leaf):
    is_float = jnp.issubdtype(leaf.dtype, jnp.floating)
    is_wider = leaf.dtype.itemsize > jnp.dtype(dtype).itemsize
    return leaf.astype(dtype) if is_float and is_wider else leaf

  return jax.jit(
    lambda params, examples: jax.tree.map(
      narrowed, network.features_before(params, examples, stage)
    )
  )
