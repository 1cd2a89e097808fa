"""TFDS builder of the odd-one-out pictures."""

from collections.abc import Iterator

import numpy as np
import tensorflow_datasets as tfds

from structcomp_jax.tasks.builders import ProblemsBuilder
from structcomp_jax.tasks.odd_one_out import shapes

_DESCRIPTION = """\
Odd-one-out problems about outlines of random shapes that lie inside each
other, touch each other, or come in a certain number: four pictures, of which
the last breaks the rule that the other three follow.
"""
_CITATION = """\
@article{lepori2023break,
  title={Break It Down: Evidence for Structural Compositionality in Neural
    Networks},
  author={Lepori, Michael A. and Serre, Thomas and Pavlick, Ellie},
  journal={arXiv preprint arXiv:2301.10884},
  year={2023},
}
@inproceedings{zerroug2022benchmark,
  title={A Benchmark for Compositional Visual Reasoning},
  author={Zerroug, Aimen and Vaishnav, Mohit and Colin, Julien and Musslick,
    Sebastian and Serre, Thomas},
  booktitle={Advances in Neural Information Processing Systems, Datasets and
    Benchmarks Track},
  year={2022},
}
"""


class ShapeSubroutines(ProblemsBuilder):
  """One config per name in `shapes.DATASET_NAMES`; feature: `images`."""

  VERSION = tfds.core.Version("1.0.0")
  BUILDER_CONFIGS = [  # noqa: RUF012 (TFDS wants a list)
    tfds.core.BuilderConfig(
      name=name,
      description=f"Experiment {parts.experiment}, data set {parts.role}, "
      f"{parts.policy} policy.",
    )
    for name, parts in shapes.DATASET_NAMES.items()
  ]
  IS_SLOW = True

  def available_problems(self) -> dict[str, int]:
    return shapes.DATASET_NAMES[self.builder_config.name].split_sizes

  def make_problems(self, split: str, count: int) -> Iterator[np.ndarray]:
    return shapes.stream_problems(self.builder_config.name, split, count)

  def _info(self) -> tfds.core.DatasetInfo:
    # Mostly white: zlib stores a problem in 2 KB, half of what PNG needs.
    images = tfds.features.Tensor(
      shape=(4, 128, 128, 3), dtype=np.uint8, encoding="zlib"
    )
    return tfds.core.DatasetInfo(
      builder=self,
      description=_DESCRIPTION,
      citation=_CITATION,
      features=tfds.features.FeaturesDict({"images": images}),
      disable_shuffling=True,
    )
