"""All classes of networks, by name."""

import functools
from collections.abc import Callable, Iterator

from structcomp_jax.studies.planted.classes import kinds, making, narrow
from structcomp_jax.studies.planted.classes.kinds import Kind
from structcomp_jax.studies.planted.classes.planted import Effort, Planted

# Wanted networks and training, seed -> networks.
Maker = Callable[[Effort, int], Planted]

_MAKERS: dict[str, Callable[[Kind, Effort, int], Planted]] = {
  "modular": making.joined,
  "modular_cross": making.with_cross,
  "modular_pruned": making.pruned,
  "mixed": making.mixed,
  "shared": making.shared,
  "template": making.template,
  "entangled": narrow.entangled,
  "untrained": making.untrained,
  "end_to_end": making.end_to_end,
  "both_tasks": making.both_tasks,
}


def _of_kind(kind: Kind) -> Iterator[tuple[str, Maker]]:
  """Yields names and makers of the classes of an architecture."""
  for name, make in _MAKERS.items():
    if make is not narrow.entangled or kind.narrow is not None:
      yield f"{kind.prefix}{name}", functools.partial(make, kind)


OF_KIND = {kind: dict(_of_kind(kind)) for kind in kinds.KINDS}
CLASSES: dict[str, Maker] = {
  name: make for of_kind in OF_KIND.values() for name, make in of_kind.items()
}
