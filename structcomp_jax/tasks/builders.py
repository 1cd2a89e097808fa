"""The TFDS builder that all tasks share.

Importing this module imports tensorflow_datasets; `tasks.datasets` does so
only when a data set is prepared or loaded.
"""

import abc
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from structcomp_jax.types import UserError


class ProblemsBuilder(
  tfds.core.GeneratorBasedBuilder,
  abc.ABC,
  skip_registration=True,  # type: ignore[call-arg]  # TFDS has no types.
):
  """Stores problems, each as one feature, in the order in which they are made.

  Files are array_records and need no TensorFlow. A subclass sets VERSION,
  BUILDER_CONFIGS, DESCRIPTION and CITATION and defines `feature`,
  `available_problems` and `make_problems`.
  """

  DESCRIPTION: str
  CITATION: str
  # Whether building takes minutes, so that callers should show progress.
  IS_SLOW = False
  # Called after each problem with its split and the number of problems in it.
  on_problem: Callable[[str, int], None] | None = None
  # There are no downloads and hence no checksums of them. TFDS would look for a
  # file of checksums beside the module with importlib_resources, a package that
  # it does not install.
  url_infos: ClassVar[dict[str, Any]] = {}

  def __init__(
    self, *, num_problems: Mapping[str, int] | None = None, **kwargs: Any
  ) -> None:
    """Opens or describes one data set of a TFDS directory.

    Args:
      num_problems: {split: how many problems to store, the first ones}. A
        split that is not named is stored whole.
      **kwargs: passed on to `tfds.core.GeneratorBasedBuilder`.

    Raises:
      UserError: `num_problems` names a split that does not exist, or asks
        for none or for more problems than there are.
    """
    kwargs.setdefault("file_format", "array_record")
    super().__init__(**kwargs)
    self.split_sizes = _split_sizes(
      f"{self.name}/{self.builder_config.name}",
      self.available_problems(),
      num_problems or {},
    )

  @abc.abstractmethod
  def feature(self) -> tuple[str, tfds.features.FeatureConnector]:
    """Returns name and type of the feature that holds a problem."""

  def metadata(self) -> tfds.core.MetadataDict | None:
    """Returns what is stored beside the problems, if anything."""
    return None

  @abc.abstractmethod
  def available_problems(self) -> dict[str, int]:
    """Returns {split: number of its problems} of the splits that exist."""

  @abc.abstractmethod
  def make_problems(self, split: str, count: int) -> Iterable[np.ndarray]:
    """Makes the first `count` problems of a split, in order."""

  def _info(self) -> tfds.core.DatasetInfo:
    name, feature = self.feature()
    return tfds.core.DatasetInfo(
      builder=self,
      description=self.DESCRIPTION,
      citation=self.CITATION,
      features=tfds.features.FeaturesDict({name: feature}),
      disable_shuffling=True,
      metadata=self.metadata(),
    )

  def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[Any]]:
    del dl_manager  # Nothing is downloaded.
    return {
      split: self._generate_examples(split, count)
      for split, count in self.split_sizes.items()
    }

  def _generate_examples(self, split: str, count: int) -> Iterator[Any]:
    (feature,) = self.info.features
    for index, problem in enumerate(self.make_problems(split, count)):
      yield index, {feature: problem}
      if self.on_problem is not None:
        self.on_problem(split, count)


def _split_sizes(
  name: str, available: Mapping[str, int], wanted: Mapping[str, int]
) -> dict[str, int]:
  for split, count in wanted.items():
    if split not in available:
      raise UserError(
        f"num_problems: {name} has no split {split!r}; use"
        f" {', '.join(available)}"
      )
    if not 1 <= count <= available[split]:
      raise UserError(
        f"num_problems: {name} cannot have {count} {split} problems; ask for"
        f" 1 to {available[split]}"
      )
  return {split: wanted.get(split, count) for split, count in available.items()}
