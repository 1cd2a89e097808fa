"""Which functions draw the pictures of each policy and experiment."""

import dataclasses
from collections.abc import Callable

import numpy as np

from structcomp_jax.tasks.odd_one_out.shapes import (
  colours,
  contact_count,
  inside_contact,
  inside_count,
)
from structcomp_jax.tasks.odd_one_out.shapes.scenes import (
  Objects,
  Scenes,
)


@dataclasses.dataclass(frozen=True)
class Policy:
  """How pictures are drawn.

  Attributes:
    samplers: {experiment: function from pictures to their objects}.
    colours: function from objects and the keys of their pictures to colours.
  """

  samplers: dict[str, Callable[[Scenes], Objects]]
  colours: Callable[[Objects, np.ndarray], np.ndarray]


POLICIES = {
  "published": Policy(
    samplers={
      "inside_contact": inside_contact.published,
      "inside_count": inside_count.published,
      "contact_count": contact_count.published,
    },
    colours=colours.independent,
  ),
  "balanced": Policy(
    samplers={
      "inside_contact": inside_contact.balanced,
      "inside_count": inside_count.balanced,
      "contact_count": contact_count.balanced,
    },
    colours=colours.distinct,
  ),
}
