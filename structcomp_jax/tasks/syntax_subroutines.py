"""TFDS builder of the syntactic odd-one-out problems."""

import numpy as np
import tensorflow_datasets as tfds

from structcomp_jax.tasks.odd_one_out import names, syntax
from structcomp_jax.tasks.odd_one_out.builder import (
  OddOneOutBuilder,
  builder_configs,
)

_DESCRIPTION = """\
Odd-one-out problems about subject-verb agreement and reflexive anaphora: four
sentences, of which the last breaks the rule that the other three follow.
"""


class SyntaxSubroutines(OddOneOutBuilder):
  """One config per name in `syntax.DATASET_NAMES`; feature: `sentences`.

  `info.metadata["separation"]` holds the lines of the separation report of
  the config's experiment and policy.
  """

  VERSION = tfds.core.Version("1.0.0")
  BUILDER_CONFIGS = builder_configs(names.SYNTAX)
  FAMILY = names.SYNTAX
  DESCRIPTION = _DESCRIPTION

  def available_problems(self) -> dict[str, int]:
    return {split: len(rows) for split, rows in self._problems().items()}

  def make_problems(self, split: str, count: int) -> np.ndarray:
    return self._problems()[split][:count]

  def feature(self) -> tuple[str, tfds.features.FeatureConnector]:
    return "sentences", tfds.features.Tensor(shape=(4,), dtype=np.str_)

  def metadata(self) -> tfds.core.MetadataDict:
    name = self.dataset_name
    return tfds.core.MetadataDict(
      separation=syntax.separation_report(name.experiment, name.policy)
    )

  def _problems(self) -> dict[str, np.ndarray]:
    name = self.dataset_name
    return syntax.make_datasets(name.experiment, name.policy)[name.role]
