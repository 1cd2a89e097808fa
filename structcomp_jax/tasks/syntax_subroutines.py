"""TFDS builder of the syntactic odd-one-out problems."""

import numpy as np
import tensorflow_datasets as tfds

from structcomp_jax.tasks.builders import ProblemsBuilder
from structcomp_jax.tasks.odd_one_out import syntax

_DESCRIPTION = """\
Odd-one-out problems about subject-verb agreement and reflexive anaphora: four
sentences, of which the last breaks the rule that the other three follow.
"""
_CITATION = """\
@article{lepori2023break,
  title={Break It Down: Evidence for Structural Compositionality in Neural
    Networks},
  author={Lepori, Michael A. and Serre, Thomas and Pavlick, Ellie},
  journal={arXiv preprint arXiv:2301.10884},
  year={2023},
}
"""


class SyntaxSubroutines(ProblemsBuilder):
  """One config per name in `syntax.DATASET_NAMES`; feature: `sentences`.

  `info.metadata["separation"]` holds the lines of the separation report of
  the config's experiment and policy.
  """

  VERSION = tfds.core.Version("1.0.0")
  BUILDER_CONFIGS = [  # noqa: RUF012 (TFDS wants a list)
    tfds.core.BuilderConfig(
      name=name,
      description=f"Experiment {parts.experiment}, data set {parts.role}, "
      f"{parts.policy} policy.",
    )
    for name, parts in syntax.DATASET_NAMES.items()
  ]

  def available_problems(self) -> dict[str, int]:
    return {split: len(rows) for split, rows in self._problems().items()}

  def make_problems(self, split: str, count: int) -> np.ndarray:
    return self._problems()[split][:count]

  def _info(self) -> tfds.core.DatasetInfo:
    name = syntax.DATASET_NAMES[self.builder_config.name]
    return tfds.core.DatasetInfo(
      builder=self,
      description=_DESCRIPTION,
      citation=_CITATION,
      features=tfds.features.FeaturesDict(
        {"sentences": tfds.features.Tensor(shape=(4,), dtype=np.str_)}
      ),
      disable_shuffling=True,
      metadata=tfds.core.MetadataDict(
        separation=syntax.separation_report(name.experiment, name.policy)
      ),
    )

  def _problems(self) -> dict[str, np.ndarray]:
    name = syntax.DATASET_NAMES[self.builder_config.name]
    return syntax.make_datasets(name.experiment, name.policy)[name.role]
