"""Picture types and how each policy draws them: the table of everything.

A type says of the two properties of its experiment whether they hold.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from structcomp_jax.tasks.shapes import (
  colours,
  contact_count,
  inside_contact,
  inside_count,
)
from structcomp_jax.tasks.shapes.scenes import Objects, Scenes

Holds = tuple[bool, bool]
TYPES: tuple[Holds, ...] = (
  (True, True),
  (True, False),
  (False, True),
  (False, False),
)


@dataclasses.dataclass(frozen=True)
class Policy:
  """Attributes: samplers, {experiment: {type: sampler}}; colours, of objects
  given the keys of their pictures."""

  samplers: dict[str, dict[Holds, Callable[[Scenes], Objects]]]
  colours: Callable[[Objects, np.ndarray], np.ndarray]


POLICIES = {
  "published": Policy(
    samplers={
      "inside_contact": inside_contact.PUBLISHED,
      "inside_count": inside_count.PUBLISHED,
      "contact_count": contact_count.PUBLISHED,
    },
    colours=colours.independent,
  ),
  "balanced": Policy(
    samplers={
      "inside_contact": inside_contact.BALANCED,
      "inside_count": inside_count.BALANCED,
      "contact_count": contact_count.BALANCED,
    },
    colours=colours.distinct,
  ),
}
