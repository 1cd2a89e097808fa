"""TFDS builder of DeepMind Mathematics."""

from collections.abc import Iterable
from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds

from structcomp_jax.tasks import citations
from structcomp_jax.tasks.builders import ProblemsBuilder
from structcomp_jax.tasks.mathematics import problems


class Mathematics(
  ProblemsBuilder,
  skip_registration=True,  # type: ignore[call-arg]  # TFDS has no types.
):
  """One config per name in `problems.NAMES`; feature: `texts`.

  A problem is a question, its answer and its level. Those of an archive read
  files that lie below the data directory, see `archive`.
  `info.metadata["separation"]` holds the lines of `problems.separation`.
  """

  VERSION = tfds.core.Version("1.0.0")
  BUILDER_CONFIGS: ClassVar[list[tfds.core.BuilderConfig]] = [
    tfds.core.BuilderConfig(name=name, description=str(source))
    for name, source in problems.NAMES.items()
  ]
  DESCRIPTION = """\
Questions of school mathematics and their answers, character by character, at
three levels of difficulty.
"""
  CITATION = (
    citations.ARE_NEURAL_NETS_MODULAR
    + """\
@inproceedings{saxton2019analysing,
  title={Analysing Mathematical Reasoning Abilities of Neural Models},
  author={Saxton, David and Grefenstette, Edward and Hill, Felix and Kohli,
    Pushmeet},
  booktitle={International Conference on Learning Representations},
  year={2019},
}
"""
  )

  def available_problems(self) -> dict[str, int]:
    return problems.sizes(self.builder_config.name, self._data_dir_root)

  def make_problems(self, split: str, count: int) -> Iterable[np.ndarray]:
    return problems.make_problems(
      self.builder_config.name, split, count, self._data_dir_root
    )

  def feature(self) -> tuple[str, tfds.features.FeatureConnector]:
    return "texts", tfds.features.Tensor(shape=(3,), dtype=np.str_)

  def metadata(self) -> tfds.core.MetadataDict:
    return tfds.core.MetadataDict(
      separation=problems.separation(self.builder_config.name)
    )
