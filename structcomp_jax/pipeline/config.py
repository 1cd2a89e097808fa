"""Sections of a config that every study has, each as an object."""

import dataclasses
from typing import Any, Self

from structcomp_jax import search, target, training
from structcomp_jax.io import scalars


@dataclasses.dataclass(frozen=True, kw_only=True)
class Runtime:
  """How the machine is used; changes no result beyond rounding.

  Attributes:
    data_dir: TFDS directory; empty: `data` in the work directory.
    cpu_devices: devices that JAX makes of a CPU.
    steps_per_call: steps between two visits of the host; 0: one epoch.
    vmap_width: rows computed at once on a device; 0: all. "auto": the fastest
      of what fits, measured at the first search of its kind.
    data_devices: devices that share the batches of a candidate.
    model_devices: devices that share the weights of a candidate in a search.
    compilation_cache: directory of compiled programs; empty: in the user's
      cache directory; "off": none.
    checkpoint_seconds: least time between two checkpoints.
    tensorboard: whether the rows of metrics.jsonl are scalars for TensorBoard,
      too.
  """

  data_dir: str = ""
  cpu_devices: int = 1
  steps_per_call: int = 0
  vmap_width: int | str = "auto"
  data_devices: int = 1
  model_devices: int = 1
  compilation_cache: str = ""
  checkpoint_seconds: float = 20.0
  tensorboard: bool = False

  def __post_init__(self) -> None:
    """Raises UserError where TensorBoard is wanted and its writer missing."""
    if self.tensorboard:
      scalars.load_package()

  def machine(self, eval_batch_size: int) -> dict[str, Any]:
    """Returns the fields of `engine.Machine` for a training on one device."""
    width = self.vmap_width
    if width == "auto":
      # That of a search is measured. Networks are trained one by one on a CPU,
      # where batched matrix products are slower than single ones.
      width = 1 if target.platform() == "cpu" else 0
    return {
      "steps_per_call": self.steps_per_call,
      "vmap_width": width,
      "eval_batch_size": eval_batch_size,
    }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Features:
  """What enters the first masked stage: where it lies, and how exactly.

  Attributes:
    cache: one of `features.place.SETTINGS`.
    cache_gigabytes: memory of the host that "auto" may use.
    cache_dtype: of features that are kept.
    compute_dtype: of the frozen network.
  """

  cache: str = "auto"
  cache_gigabytes: float = 4.0
  cache_dtype: str = "float32"
  compute_dtype: str = "float32"

  @classmethod
  def of(cls, section: Any) -> Self:
    """Returns these fields of a section that has more."""
    return cls(
      **{field.name: section[field.name] for field in dataclasses.fields(cls)}
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class MaskSearch(search.SearchConfig, Features):
  """How masks are searched: the section `search`; studies add fields.

  Attributes (besides those of `search.SearchConfig` and `Features`):
    masked_from: first masked stages; each is a search of its own.
  """

  masked_from: tuple[Any, ...] = ()

  def search_config(
    self, runtime: Runtime, eval_batch_size: int, **changes: Any
  ) -> search.SearchConfig:
    """Returns the settings of one search, some of them changed."""
    return dataclasses.replace(
      search.SearchConfig.of(self),
      **runtime.machine(eval_batch_size),
      data_devices=runtime.data_devices,
      model_devices=runtime.model_devices,
      **changes,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class BaseTraining(training.TrainConfig):
  """How base networks are trained: the section `training`."""

  def train_config(
    self, runtime: Runtime, eval_batch_size: int, **changes: Any
  ) -> training.TrainConfig:
    """Returns the settings of one training, some of them changed."""
    return dataclasses.replace(
      training.TrainConfig.of(self),
      **runtime.machine(eval_batch_size),
      **changes,
    )
