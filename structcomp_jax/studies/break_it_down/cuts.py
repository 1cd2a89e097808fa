"""Cuts: one mask per base network, both of whose halves have a subroutine.

A search of few steps, with the loss of the first subroutine on the weights that
the mask keeps plus that of the second one on all others. Nearly every network
can be cut in the end; what tells networks apart is how soon. So the same search
is made for pairs of nonsense properties in the same networks, and for the
subroutines in networks that were never trained.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

from structcomp_jax.io import files, layout, metrics
from structcomp_jax.pipeline import config, mask_search
from structcomp_jax.pipeline.experiment import Experiment
from structcomp_jax.pipeline.forecast import steps as forecast
from structcomp_jax.pipeline.parts import Part
from structcomp_jax.pipeline.study import DataSet
from structcomp_jax.pipeline.workplace import Workplace
from structcomp_jax.search.two_sided import HALVES
from structcomp_jax.structure.separability import SUBROUTINES
from structcomp_jax.studies.break_it_down.domain import Domain


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cuts(config.MaskSearch):
  """How networks are cut: the section `cuts`.

  Attributes (besides those of `pipeline.config.MaskSearch`):
    num_nonsense: pairs of nonsense properties.
  """

  two_sided: bool = True
  num_nonsense: int = 1


def nonsense_sets(
  domain: Domain, datasets: Mapping[str, DataSet], num_pairs: int
) -> dict[str, DataSet]:
  """Returns {task: data set} of the nonsense properties.

  Args:
    domain: of the experiment.
    datasets: those of the subroutines, whose items are dealt anew.
    num_pairs: how many pairs there are.
  """
  found = {}
  for number in range(num_pairs):
    for place, subroutine in enumerate(domain.subroutines):
      found[_half(_nonsense(number), place)] = dataclasses.replace(
        datasets[subroutine], encode=domain.nonsense(place, number)
      )
  return found


def search(study: Any, work: Experiment) -> None:
  """Searches the cuts that are not there yet."""
  todo = wanted(study)
  for number, (regime, pair) in enumerate(todo, start=1):
    kept, rest = tasks_of(study, pair)
    work.learn_together(
      regime,
      mask_search.Search(
        directory=work.paths.cuts_together(regime, pair),
        task=kept,
        rest_task=rest,
        masked_from=study.cuts.masked_from[0],
        config=study.cut_config(),
        key=work.key("cuts"),
        label=f"cuts {number}/{len(todo)}: {regime} {pair}",
      ),
      functools.partial(work.paths.cut, regime, pair=pair),
    )


def outline(study: Any) -> list[forecast.Step]:
  """Returns the step that searching all cuts takes."""
  todo = wanted(study)
  if not todo:
    return []
  kept, rest = tasks_of(study, SUBROUTINES)
  return [
    forecast.Search(
      label="cuts",
      section="cuts",
      tasks=(kept,),
      rest_task=rest,
      masked_from=study.cuts.masked_from[0],
      config=study.cut_config(),
      num_networks=len(study.config.base_seeds),
      times=len(todo),
    )
  ]


def wanted(study: Any) -> list[tuple[str, str]]:
  """Returns (regime, pair) of all cuts."""
  if not study.cuts.num_steps:
    return []
  pairs = [SUBROUTINES, *map(_nonsense, range(study.cuts.num_nonsense))]
  return [(regime, pair) for regime in study.config.regimes for pair in pairs]


def tasks_of(study: Any, pair: str) -> tuple[str, str]:
  """Returns what the mask keeps, and what it removes."""
  if pair == SUBROUTINES:
    kept, rest = study.subroutines
    return kept, rest
  return _half(pair, 0), _half(pair, 1)


def part(study: Any, work: Workplace, regime: str, base_seed: int) -> Part:
  """Returns the rows of cuts.csv about one base network."""
  rows = []
  for _, pair in (one for one in wanted(study) if one[0] == regime):
    directory = work.paths.cut(regime, base_seed, pair)
    kept, rest = tasks_of(study, pair)
    for line in metrics.read(directory / layout.METRICS):
      rows.append(
        {
          "experiment": work.config.experiment,
          "model": work.config.model.name,
          "regime": regime,
          "base_seed": base_seed,
          "pair": pair,
          "mask_seed": line["mask_seed"],
          "step": line["step"],
          "kept_task": kept,
          "rest_task": rest,
          "kept_accuracy": line["validation/hard/kept/accuracy"],
          "rest_accuracy": line["validation/hard/rest/accuracy"],
          "density": line["density"],
          "finite": line["finite"],
          "num_problems": study.datasets[kept].sizes["validation"],
          "candidate": line["candidate"],
        }
      )
  return {"cuts": rows}


def digest(study: Any, work: Workplace, regime: str, base_seed: int) -> str:
  """Returns a digest of all that the rows of a base network depend on."""
  done = [
    files.read_done(work.paths.cut(regime, base_seed, pair))
    for one, pair in wanted(study)
    if one == regime
  ]
  return f"cuts {done}"


def _nonsense(number: int) -> str:
  return f"nonsense_{number}"


def _half(pair: str, place: int) -> str:
  return f"{pair}_{HALVES[place]}"
