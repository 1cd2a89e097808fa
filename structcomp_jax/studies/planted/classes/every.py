"""All classes of networks, by name."""

import functools
from collections.abc import Callable

from structcomp_jax.studies.planted.classes import kinds, making
from structcomp_jax.studies.planted.classes.planted import Effort, Planted

# Wanted networks and training, seed -> networks.
Maker = Callable[[Effort, int], Planted]

_MAKERS = {
  "modular": making.joined,
  "modular_cross": making.with_cross,
  "modular_pruned": making.pruned,
  "mixed": making.mixed,
  "shared": making.shared,
  "template": making.template,
  "entangled": making.entangled,
  "untrained": making.untrained,
  "end_to_end": making.end_to_end,
  "both_tasks": making.both_tasks,
}
CLASSES: dict[str, Maker] = {
  f"{kind.prefix}{name}": functools.partial(make, kind)
  for kind in kinds.KINDS
  for name, make in _MAKERS.items()
}
