"""TFDS builder of the odd-one-out pictures."""

from collections.abc import Iterator

import numpy as np
import tensorflow_datasets as tfds

from structcomp_jax.tasks.odd_one_out import names, shapes
from structcomp_jax.tasks.odd_one_out.builder import (
  OddOneOutBuilder,
  builder_configs,
)

_DESCRIPTION = """\
Odd-one-out problems about outlines of random shapes that lie inside each
other, touch each other, or come in a certain number: four pictures, of which
the last breaks the rule that the other three follow.
"""
_DRAWING_CITATION = """\
@inproceedings{zerroug2022benchmark,
  title={A Benchmark for Compositional Visual Reasoning},
  author={Zerroug, Aimen and Vaishnav, Mohit and Colin, Julien and Musslick,
    Sebastian and Serre, Thomas},
  booktitle={Advances in Neural Information Processing Systems, Datasets and
    Benchmarks Track},
  year={2022},
}
"""


class ShapeSubroutines(OddOneOutBuilder):
  """One config per name in `shapes.DATASET_NAMES`; feature: `images`."""

  VERSION = tfds.core.Version("1.0.0")
  BUILDER_CONFIGS = builder_configs(names.SHAPES)
  FAMILY = names.SHAPES
  DESCRIPTION = _DESCRIPTION
  CITATION = OddOneOutBuilder.CITATION + _DRAWING_CITATION
  IS_SLOW = True

  def available_problems(self) -> dict[str, int]:
    return shapes.split_sizes(self.dataset_name.role)

  def make_problems(self, split: str, count: int) -> Iterator[np.ndarray]:
    return shapes.stream_problems(self.dataset_name, split, count)

  def feature(self) -> tuple[str, tfds.features.FeatureConnector]:
    # Pictures are mostly white: zlib stores a problem in 2 KB, PNG in 4 KB.
    return "images", tfds.features.Tensor(
      shape=(4, 128, 128, 3), dtype=np.uint8, encoding="zlib"
    )
