"""TFDS builder of the arithmetic problems."""

from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds

from structcomp_jax.tasks import citations
from structcomp_jax.tasks.arithmetic import problems, two_digit
from structcomp_jax.tasks.builders import ProblemsBuilder


class Arithmetic(ProblemsBuilder):
  """One config per name in `problems.NAMES`; feature: `numbers`.

  `info.metadata["separation"]` holds the lines of `problems.separation`.
  """

  VERSION = tfds.core.Version("1.0.0")
  BUILDER_CONFIGS: ClassVar[list[tfds.core.BuilderConfig]] = [
    tfds.core.BuilderConfig(
      name=name, description=f"Task {task}, {policy} policy."
    )
    for name, (task, policy) in problems.NAMES.items()
  ]
  DESCRIPTION = """\
Arithmetic with numbers from 0 to 99, modulo 100. A problem of add_mul is a, b
and an operation (0: a + b, 1: a * b); one of double_addition is a, b, c, d and
asks for a + b and c + d.
"""
  CITATION = citations.ARE_NEURAL_NETS_MODULAR

  def available_problems(self) -> dict[str, int]:
    return dict(two_digit.SPLIT_SIZES)

  def make_problems(self, split: str, count: int) -> np.ndarray:
    return problems.make_problems(self.builder_config.name, split)[:count]

  def feature(self) -> tuple[str, tfds.features.FeatureConnector]:
    length = problems.task_module(self.builder_config.name).LENGTH
    return "numbers", tfds.features.Tensor(shape=(length,), dtype=np.uint8)

  def metadata(self) -> tfds.core.MetadataDict:
    return tfds.core.MetadataDict(
      separation=problems.separation(self.builder_config.name)
    )
