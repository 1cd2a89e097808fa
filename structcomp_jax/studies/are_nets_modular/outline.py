"""The steps of an experiment, for a plan."""

from collections.abc import Mapping
from typing import Any

from structcomp_jax import evaluation, trees, types
from structcomp_jax.pipeline.forecast import steps as forecast
from structcomp_jax.pipeline.mask_tests import Variants
from structcomp_jax.studies.are_nets_modular import mask_tests, regimes
from structcomp_jax.studies.are_nets_modular.domain import CONTROL

_PARTS = (
  "a task that is part of a data set is taken to have all of its problems"
)


def outline(study: Any) -> forecast.Outline:
  """Returns the steps of an experiment."""
  config, domain = study.config, study.domain
  num_bases = len(config.base_seeds)
  with_masks = regimes.with_masks(config)
  masked_from = study.mask_search.masked_from[0]
  steps: list[forecast.Step] = [
    step
    for name in config.regimes
    for step in regimes.REGIMES[name].outline(study)
  ]
  search_config = study.search_config()
  steps += [
    forecast.Search(
      label="masks",
      tasks=list(domain.subroutines.values()),
      masked_from=masked_from,
      config=search_config,
      num_networks=num_bases,
      times=len(with_masks),
    ),
    forecast.Features(
      label="tests",
      splits=[(task, "test") for task in study.test_tasks],
      masked_from=masked_from,
      times=num_bases * len(with_masks),
    ),
  ]
  subtasks = [name for name in study.subroutines if name != CONTROL]
  for label, names in (("control", [CONTROL]), ("subtasks", subtasks)):
    steps.append(
      forecast.Evaluation(
        label=f"tests, {label}",
        make_variants=_Variants(study, names[0]),
        num_masks=trees.num_rows(search_config.candidates()),
        tasks=study.test_tasks,
        split="test",
        masked_from=masked_from,
        times=num_bases * len(with_masks) * len(names),
      )
    )
  return forecast.Outline(steps=steps, notes=[_PARTS, *_left_out(study)])


class _Variants:
  """The networks that a base network and its masks are tested by."""

  def __init__(self, study: Any, subroutine: str):
    self._study, self._subroutine = study, subroutine

  def __call__(
    self, stacked: Mapping[str, Any]
  ) -> Mapping[Any, evaluation.Variant]:
    labels = mask_tests.further_labels(
      self._study.domain, self._subroutine, list(stacked)
    )
    seeds = [0] * trees.num_rows(stacked)
    found: Variants = mask_tests.variants_of(
      stacked, dict(stacked), {label: dict(stacked) for label in labels}, seeds
    )
    dense: types.AnyMask = {
      path: leaf.update(shape=(1, *leaf.shape[1:]))
      for path, leaf in stacked.items()
    }
    return found | {("dense", "none"): evaluation.Variant(dense, [0])}


def _left_out(study: Any) -> list[str]:
  """Says what of the tests is not counted."""
  found = []
  evaluation_section = study.config.evaluation
  if "num_gradients" in evaluation_section and evaluation_section.num_gradients:
    found.append("cosines of gradients are not counted")
  if "recalibrated" in evaluation_section.get("statistics", ()):
    found.append("tests with statistics of their own are not counted")
  return found
