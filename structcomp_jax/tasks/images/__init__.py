"""Pictures of ten classes: CIFAR-10, MNIST, and digits that come along."""

from structcomp_jax.tasks.images.sources import (
  NAMES,
  SOURCES,
  Source,
  noise,
  pixels_and_labels,
  separation,
)

__all__ = [
  "NAMES",
  "SOURCES",
  "Source",
  "noise",
  "pixels_and_labels",
  "separation",
]
