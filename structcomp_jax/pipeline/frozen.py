"""A base network whose weights stay as they are, and what it makes of data.

Below the first masked stage every candidate computes the same features, step
after step: they are computed once and stand in for the data.
"""

import contextlib
import dataclasses
import functools
import pathlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging

from structcomp_jax import evaluation, masks, trees, types
from structcomp_jax.evaluation import precision
from structcomp_jax.io.progress import Progress
from structcomp_jax.pipeline import choices as recorded
from structcomp_jax.pipeline import experiment as experiments
from structcomp_jax.pipeline import widths
from structcomp_jax.pipeline.features import place as feature_place
from structcomp_jax.pipeline.features import store as feature_store
from structcomp_jax.pipeline.study import Network

# Progress is shown where there are more chunks of features than this.
_FEW_CHUNKS = 16
# Of the problems that an evaluation has on the devices at a time. Making the
# masked networks again for every chunk then costs little.
_EVALUATION_BYTES = 2**29


@functools.cache
def _say_once(text: str) -> None:
  logging.info(text)


@dataclasses.dataclass(frozen=True, eq=False)
class FrozenNetwork:
  """One base network of an experiment.

  Attributes:
    experiment: the experiment.
    params: the weights.
  """

  experiment: experiments.Experiment
  params: types.Params

  @functools.cached_property
  def fingerprint(self) -> str:
    """Fingerprint of the weights."""
    return trees.fingerprint(self.params)

  def network(self, masked_from: Any) -> Network:
    """Returns the network to use with the problems of `problems`."""
    stage, place = self._cached_before(masked_from)
    network = self.experiment.frozen_network
    return network if place == "off" else network.from_stage(stage)

  def problems(self, masked_from: Any, task: str, split: str) -> types.Batch:
    """Returns one split of a task, as far as nothing is masked.

    Features lie where `search.cache` says; those of one stage at a time.
    """
    stage, place = self._cached_before(masked_from)
    if place == "off":
      return self.experiment.load(task, split)
    if stage not in self._features:
      self._keep_only(stage)
      self._features[stage] = {}
      # What the training of base networks has left there.
      self.experiment.forget_loaded()
    of_stage = self._features[stage]
    if (task, split) not in of_stage:
      of_stage[task, split] = self._make_features(stage, place, task, split)
    return of_stage[task, split]

  def feed(self, masked_from: Any) -> str:
    """Returns how a search gets its batches of `problems`."""
    _, place = self._cached_before(masked_from)
    return "host" if place in ("host", "disk") else "device"

  def evaluate(
    self,
    masked_from: Any,
    variants: Mapping[Any, evaluation.Variant],
    tasks: Sequence[str],
    split: str,
    *,
    key: jax.Array,
  ) -> dict[Any, evaluation.TaskMetrics]:
    """Returns {label: {task: {metric: f32[K]}}}.

    Args:
      masked_from: the first masked stage.
      variants: {label: networks to make of masks}.
      tasks: names of data sets.
      split: of all of them.
      key: base key of the random ablation.
    """
    datasets = {task: self.problems(masked_from, task, split) for task in tasks}
    problem_bytes = trees.num_bytes(trees.row(datasets[tasks[0]], slice(1)))
    return evaluation.evaluate(
      self.network(masked_from).metrics_fn,
      self.params,
      self.mask_spec(masked_from),
      variants,
      datasets,
      key=key,
      batch_size=self.experiment.config.evaluation.batch_size,
      chunk_size=max(_EVALUATION_BYTES // problem_bytes, 1),
      width=widths.for_evaluation(self.experiment, masked_from),
    )

  def mask_spec(self, masked_from: Any) -> masks.MaskSpec:
    """Returns which weights are masked."""
    return self.experiment.mask_spec(self.params, masked_from)

  def forget_features(self) -> None:
    """Removes the files of all features, which nobody reads any more."""
    self._keep_only("")
    if self._root.is_dir() and not any(self._root.iterdir()):
      self._root.rmdir()

  def _keep_only(self, stage: str) -> None:
    """Removes features that enter other stages, also their files."""
    self._features.clear()
    for directory in self._root.glob(f"{self._name}-*"):
      if directory != self._directory(stage):
        shutil.rmtree(directory)

  @property
  def _root(self) -> pathlib.Path:
    """Directory of all features on disk; every process has its own."""
    root = self.experiment.paths.cache
    if jax.process_count() == 1:
      return root
    return root / f"process_{jax.process_index()}"

  @functools.cached_property
  def _name(self) -> str:
    return self.fingerprint[:16]

  @functools.cached_property
  def _features(self) -> dict[Any, Any]:
    """{stage: {(task, split): features that enter it}}; one stage."""
    return {}

  @functools.cached_property
  def _places(self) -> dict[Any, tuple[str, str]]:
    """{masked_from: what `_cached_before` returns}."""
    return {}

  def _cached_before(self, masked_from: Any) -> tuple[str, str]:
    """Returns the first masked stage, and where what enters it is kept."""
    if masked_from not in self._places:
      self._places[masked_from] = self._choose_place(masked_from)
    return self._places[masked_from]

  def _choose_place(self, masked_from: Any) -> tuple[str, str]:
    experiment = self.experiment
    config = experiment.config.search
    stage = experiment.domain.masked_stages(masked_from)[0]
    if stage == experiment.network.stages[0]:
      self._report_precision(stage, "off")
      return stage, "off"
    needed = trees.num_bytes(self._shapes(stage, _most_used(experiment)))
    workdir = experiment.paths.workdir

    def choose():
      space = feature_place.Space.now(config.cache_gigabytes, workdir)
      place, reason = feature_place.choose(config.cache, needed, space)
      if place == "disk":
        feature_store.check_free(self._root, needed)
      return {"place": place, "reason": reason, "gigabytes": needed / 1e9}

    chosen = recorded.recall(
      workdir / "cache.json",
      f"{jax.local_devices()[0].device_kind}, features that enter {stage}",
      choose,
    )
    place = chosen["place"]
    _say_once(feature_place.describe(stage, needed, place, chosen["reason"]))
    self._report_precision(stage, place)
    return stage, place

  def _report_precision(self, stage: str, place: str) -> None:
    """Logs and records what narrower dtypes than float32 change."""
    experiment, config = self.experiment, self.experiment.config.search
    network, dtypes = experiment.frozen_network, {}
    if config.compute_dtype != "float32":
      dtypes["computation"] = config.compute_dtype
    if config.cache_dtype != "float32" and place != "off":
      dtypes["features"] = config.cache_dtype
    if not dtypes:
      return
    narrow_fn = network.metrics_fn
    if place != "off":
      program = self._program(stage)
      from_stage = network.from_stage(stage).metrics_fn

      def narrow_fn(params, problems):
        return from_stage(params, program(params, problems))

    found = recorded.recall(
      experiment.paths.workdir / "precision.json",
      f"network {self._name}, features that enter {stage}",
      lambda: (
        dtypes
        | precision.measure(
          experiment.network.metrics_fn,
          narrow_fn,
          self.params,
          experiment.load("base", "validation"),
          experiment.config.evaluation.batch_size,
        )
      ),
    )
    _say_once(precision.describe(dtypes, found))

  def _shapes(self, stage: str, num_problems: int) -> feature_store.Shapes:
    """Returns the shapes of what enters a stage."""
    one = trees.row(self.experiment.load("base", "validation"), slice(1))
    shapes = jax.eval_shape(self._program(stage), self.params, one)
    return jax.tree.map(
      lambda leaf: leaf.update(shape=(num_problems, *leaf.shape[1:])), shapes
    )

  def _program(
    self, stage: str
  ) -> Callable[[types.Params, types.Batch], types.Batch]:
    config = self.experiment.config.search
    return _features_program(
      self.experiment.frozen_network, stage, config.cache_dtype
    )

  def _make_features(
    self, stage: str, place: str, task: str, split: str
  ) -> types.Batch:
    """Returns the features of a whole split, from their files if finished."""
    num_problems = self.experiment.num_problems(task)[split]
    shapes = self._shapes(stage, num_problems)
    chunks = self._chunks(stage, task, split)
    if place == "disk":
      directory = self._directory(stage) / f"{task}-{split}"
      found = feature_store.from_disk(directory, shapes)
      return found or feature_store.on_disk(directory, shapes, chunks)
    on_accelerator = jax.default_backend() != "cpu"
    if place == "device" and on_accelerator:
      return feature_store.on_device(shapes, chunks)
    return feature_store.in_memory(shapes, chunks)

  def _chunks(self, stage: str, task: str, split: str) -> Iterator[types.Batch]:
    """Yields the features of a split, all chunks from programs of one size."""
    problems = self.experiment.read(task, split)
    num_problems = trees.num_rows(problems)
    size = min(self.experiment.config.evaluation.batch_size, num_problems)
    program = self._program(stage)
    label = f"features that enter {stage}: {task} {split}"
    is_long = num_problems > _FEW_CHUNKS * size
    with contextlib.ExitStack() as stack:
      progress = (
        stack.enter_context(Progress(num_problems, label)) if is_long else None
      )
      for start in range(0, num_problems, size):
        rows = np.arange(start, start + size) % num_problems
        features = program(self.params, trees.row(problems, rows))
        features = trees.row(features, slice(num_problems - start))
        yield features
        if progress is not None:
          progress.update(trees.num_rows(features))

  def _directory(self, stage: str) -> pathlib.Path:
    dtype = self.experiment.config.search.cache_dtype
    return self._root / f"{self._name}-{stage}-{dtype}"


@functools.lru_cache(maxsize=16)
def _features_program(
  network: Network, stage: str, dtype: str
) -> Callable[[types.Params, types.Batch], types.Batch]:
  """Returns (params, problems) -> features, compiled once for all weights."""

  def narrowed(leaf):
    is_float = jnp.issubdtype(leaf.dtype, jnp.floating)
    is_wider = leaf.dtype.itemsize > jnp.dtype(dtype).itemsize
    return leaf.astype(dtype) if is_float and is_wider else leaf

  return jax.jit(
    lambda params, problems: jax.tree.map(
      narrowed, network.features_before(params, problems, stage)
    )
  )


def _most_used(experiment: experiments.Experiment) -> int:
  """Returns the most problems whose features are used at a time.

  A search reads the training and validation problems of its task, the choice
  of a setting two more validation splits, the evaluation all test splits.
  """
  size = experiment.num_problems
  searched = list(experiment.subroutines)
  if "pruned" in experiment.config.regimes:
    searched.append("base")
  judged = sum(
    size(f"odd_{subroutine}")["validation"]
    for subroutine in experiment.subroutines
  )
  of_searches = [
    size(task)["train"] + size(task)["validation"] + judged for task in searched
  ]
  return max(
    *of_searches, sum(size(task)["test"] for task in experiment.test_tasks)
  )
