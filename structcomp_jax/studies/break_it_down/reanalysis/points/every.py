"""All points, in the order in which the page shows them."""

from structcomp_jax.studies.break_it_down.reanalysis.points import (
  base_networks,
  controls,
  few_networks,
  outcomes,
  untold,
  weights,
)
from structcomp_jax.studies.break_it_down.reanalysis.points.point import Point
from structcomp_jax.studies.break_it_down.reanalysis.published_data import (
  Published,
)

_MAKE = (
  untold.overlap,
  untold.temperature,
  weights.pooler,
  controls.clusters_by_seed,
  controls.only_learned,
  untold.selection,
  untold.failed_settings,
  outcomes.collapsed,
  outcomes.unsure,
  base_networks.by_threshold,
  base_networks.by_uuid,
  weights.redrawn,
  base_networks.no_evidence_by_itself,
  weights.sizes,
  few_networks.with_t,
)


def every(found: Published) -> tuple[Point, ...]:
  """Returns all points."""
  return tuple(make(found) for make in _MAKE)
