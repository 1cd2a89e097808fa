"""A network whose weights stay as they are, and what masks make of it."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, TypeVar

from structcomp_jax import evaluation, masks, trees, types
from structcomp_jax.evaluation import precision
from structcomp_jax.pipeline import widths
from structcomp_jax.pipeline.config import Features
from structcomp_jax.pipeline.features.cache import FeatureCache
from structcomp_jax.pipeline.study import Network
from structcomp_jax.pipeline.workplace import Workplace

# So many bytes of examples lie on the devices at a time in an evaluation. With
# chunks this large it costs little to make the masked networks for each again.
_EVALUATION_BYTES = 2**29
Label = TypeVar("Label", bound=Hashable)


def chunk_size(examples: types.Batch) -> int:
  """Returns how many such examples an evaluation has on the devices at a time.

  >>> import numpy as np
  >>> chunk_size({"x": np.zeros((7, 2**20), np.float32)})
  128
  """
  example_bytes = trees.num_bytes(trees.row(examples, slice(1)))
  return max(_EVALUATION_BYTES // example_bytes, 1)


class FrozenNetwork:
  """One network of an experiment, searched and tested.

  Attributes:
    work: where it is done.
    params: the weights.
    fingerprint: of the weights.
  """

  def __init__(self, work: Workplace, params: types.Params):
    self.work, self.params = work, params
    self.fingerprint = trees.fingerprint(params)
    self._features = FeatureCache(work, params, self.fingerprint[:16])
    self._measured: set[str] = set()

  def network(self, masked_from: Any) -> Network:
    """Returns the network to use with what `examples` returns."""
    return self._features.network(self._first_stage(masked_from))

  def examples(self, masked_from: Any, task: str, split: str) -> types.Batch:
    """Returns one split of a task, as far as nothing is masked.

    Features lie where `search.cache` says; those of one stage at a time.
    """
    stage = self._first_stage(masked_from)
    return self._features.examples(stage, task, split)

  def feed(self, masked_from: Any) -> str:
    """Returns how a search gets its batches of `examples`."""
    place = self._features.place(self._first_stage(masked_from))
    return "host" if place in ("host", "disk") else "device"

  def mask_spec(self, masked_from: Any) -> masks.MaskSpec:
    """Returns which weights are masked."""
    return masks.select(self.params, self.work.study.mask_rules(masked_from))

  def evaluate(
    self,
    masked_from: Any,
    variants: Mapping[Label, evaluation.Variant],
    tasks: Sequence[str],
    split: str,
    *,
    key: Any,
  ) -> dict[Label, evaluation.TaskMetrics]:
    """Tests networks that masks make.

    Args:
      masked_from: the first masked stage.
      variants: {label: networks to make of masks}.
      tasks: names of data sets.
      split: of all of them.
      key: base key of random fills.

    Returns:
      {label: {task: {metric: f32[K]}}}.
    """
    datasets = {task: self.examples(masked_from, task, split) for task in tasks}
    return evaluation.evaluate(
      self.network(masked_from).metrics_fn,
      self.params,
      self.mask_spec(masked_from),
      variants,
      datasets,
      key=key,
      batch_size=self.work.config.evaluation.batch_size,
      chunk_size=chunk_size(datasets[tasks[0]]),
      width=widths.for_evaluation(self.work, masked_from),
    )

  def forget_features(self) -> None:
    """Removes the files of all features, which nobody reads any more."""
    self._features.forget()

  def _first_stage(self, masked_from: Any) -> str:
    """Returns the first masked stage; reports what narrow dtypes cost there."""
    stage = self.work.study.masked_stages(masked_from)[0]
    if stage not in self._measured:
      self._measured.add(stage)
      self._report_precision(stage)
    return stage

  def _report_precision(self, stage: str) -> None:
    """Logs and records what narrower dtypes than float32 change."""
    settings, dtypes = Features.of(self.work.config.search), {}
    is_cached = self._features.place(stage) != "off"
    if settings.compute_dtype != "float32":
      dtypes["computation"] = settings.compute_dtype
    if settings.cache_dtype != "float32" and is_cached:
      dtypes["features"] = settings.cache_dtype
    if not dtypes:
      return
    study = self.work.study
    narrow_fn = study.frozen_network.metrics_fn
    if is_cached:
      program = self._features.program(stage)
      from_stage = study.frozen_network.from_stage(stage).metrics_fn

      def narrow_fn(params, examples):
        return from_stage(params, program(params, examples))

    def measure():
      return dtypes | precision.measure(
        study.network.metrics_fn,
        narrow_fn,
        self.params,
        self.work.load_any(),
        self.work.config.evaluation.batch_size,
      )

    name = f"network {self.fingerprint[:16]}, features that enter {stage}"
    found = self.work.choose("precision.json", name, measure)
    self.work.say_once(precision.describe(dtypes, found))
