"""TFDS builder of SCAN."""

from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds

from structcomp_jax.tasks import citations
from structcomp_jax.tasks.builders import ProblemsBuilder
from structcomp_jax.tasks.scan import splits


class Scan(
  ProblemsBuilder,
  # TFDS has a builder of this name, which downloads the official files.
  skip_registration=True,  # type: ignore[call-arg]  # TFDS has no types.
):
  """One config per name in `splits.NAMES`; feature: `texts`.

  A problem is a command and its actions. The validation split is a random part
  of the test split: in the published system it is looked at and nothing is
  chosen by it. `info.metadata["separation"]` holds the lines of
  `splits.separation`, which say so too.
  """

  VERSION = tfds.core.Version("1.0.0")
  BUILDER_CONFIGS: ClassVar[list[tfds.core.BuilderConfig]] = [
    tfds.core.BuilderConfig(name=name, description=f"Division {name}.")
    for name in splits.NAMES
  ]
  DESCRIPTION = """\
Commands in simple English and the sequences of actions that they mean. The
validation split is a random part of the test split, so choose nothing by it.
"""
  CITATION = (
    citations.ARE_NEURAL_NETS_MODULAR
    + """\
@inproceedings{lake2018generalization,
  title={Generalization without Systematicity: On the Compositional Skills of
    Sequence-to-Sequence Recurrent Networks},
  author={Lake, Brenden M. and Baroni, Marco},
  booktitle={International Conference on Machine Learning},
  year={2018},
}
"""
  )

  def available_problems(self) -> dict[str, int]:
    return {split: len(rows) for split, rows in self._problems().items()}

  def make_problems(self, split: str, count: int) -> np.ndarray:
    return self._problems()[split][:count]

  def feature(self) -> tuple[str, tfds.features.FeatureConnector]:
    return "texts", tfds.features.Tensor(shape=(2,), dtype=np.str_)

  def metadata(self) -> tfds.core.MetadataDict:
    return tfds.core.MetadataDict(
      separation=splits.separation(self.builder_config.name)
    )

  def _problems(self) -> dict[str, np.ndarray]:
    return splits.make_datasets(self.builder_config.name)
