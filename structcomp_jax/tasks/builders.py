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
  """Stores problems in the order in which they are made, one feature each.

  Files are array_records and need no TensorFlow. A subclass sets VERSION and
  BUILDER_CONFIGS and defines `_info` (with `disable_shuffling=True` and a
  single feature), `available_problems` and `make_problems`.
  """

  # Whether building takes minutes, so that a progress bar is welcome.
  IS_SLOW = False
  # (split, number of its problems) -> None, called after each of them.
  on_problem: Callable[[str, int], None] | None = None
  # Checksums of downloads: there are none. TFDS would look for a file of them
  # beside the module, with importlib_resources, which it does not install.
  url_infos: ClassVar[dict[str, Any]] = {}

  def __init__(
    self, *, num_problems: Mapping[str, int] | None = None, **kwargs: Any
  ) -> None:
    """Opens or describes one data set of a TFDS directory.

    Args:
      num_problems: how many problems of a split to store, the first ones;
        splits that are not named are stored whole.
      **kwargs: of tfds.core.GeneratorBasedBuilder.

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
  def available_problems(self) -> dict[str, int]:
    """The number of problems of every split that is not empty."""

  @abc.abstractmethod
  def make_problems(self, split: str, count: int) -> Iterable[np.ndarray]:
    """The first `count` problems of a split, in order."""

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
