"""The study as a whole: its data, its networks, and its four steps."""

import functools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from structcomp_jax import masks, search, training, types
from structcomp_jax.pipeline import checks
from structcomp_jax.pipeline.config import Runtime
from structcomp_jax.pipeline.experiment import Experiment
from structcomp_jax.pipeline.forecast import steps as forecast
from structcomp_jax.pipeline.parts import Part
from structcomp_jax.pipeline.study import (
  DataSet,
  Network,
  param_shapes,
  sizes_of,
)
from structcomp_jax.structure.separability import SUBROUTINES
from structcomp_jax.studies.break_it_down import (
  columns,
  cuts,
  language,
  regimes,
  selection,
  table_rows,
  vision,
)
from structcomp_jax.studies.break_it_down import config as sections
from structcomp_jax.studies.break_it_down.domain import Domain
from structcomp_jax.studies.break_it_down.findings import conclude
from structcomp_jax.studies.break_it_down.findings.task_difference import (
  UNTRAINED_REGIME,
)
from structcomp_jax.studies.break_it_down.page import report

DOMAINS = (language, vision)
EXPERIMENTS = tuple(name for domain in DOMAINS for name in domain.EXPERIMENTS)


class BreakItDown:
  """A `pipeline.Study`: is a subroutine a part of its own?

  Attributes:
    config: the locked config.
    domain: the problems and the network.
    subroutines: names of the subroutines that masks are searched for.
    test_tasks: names of the test tasks, `base` first.
    runtime: how the machine is used.
    mask_search, base_training, cuts: sections of the config.
  """

  tables = columns.SCHEMAS

  def __init__(self, config: ConfigDict, domain: Domain):
    self.config, self.domain = config, domain
    self.subroutines, self.test_tasks = domain.subroutines, domain.test_tasks
    self.runtime = Runtime(**config.runtime)
    with checks.section("training"):
      self.base_training = sections.BaseTraining(**config.training.to_dict())
    with checks.section("search"):
      self.mask_search = sections.MaskSearch(**config.search.to_dict())
    with checks.section("cuts"):
      self.cuts = cuts.Cuts(**config.cuts.to_dict())

  @property
  def network(self) -> Network:
    """The network that is trained."""
    return self.domain.network

  @property
  def frozen_network(self) -> Network:
    """The network as searches and tests compute it."""
    return self.domain.frozen_network

  @functools.cached_property
  def datasets(self) -> Mapping[str, DataSet]:
    """{task: data set}; the sizes are the configured ones, or what there is."""
    wanted = self.config.data.num_problems
    found = {
      task: DataSet(
        name=self.domain.dataset_name(task),
        sizes=sizes_of(wanted, self.domain.available(task)),
        encode=self.domain.encode,
      )
      for task in self.test_tasks
    }
    nonsense = cuts.nonsense_sets(self.domain, found, self.cuts.num_nonsense)
    return found | nonsense

  @property
  def used_together(self) -> list[list[tuple[str, str]]]:
    """What one search reads, with the choice of its setting, and the tests."""
    searched = list(self.subroutines)
    if "pruned" in self.config.regimes:
      searched.append("base")
    judged = [(f"odd_{name}", "validation") for name in self.subroutines]
    return [
      *([(task, "train"), (task, "validation"), *judged] for task in searched),
      [(task, "test") for task in self.test_tasks],
    ]

  def masked_stages(self, masked_from: Any) -> Sequence[str]:
    """Returns the stages that are masked from a first one on."""
    return self.domain.masked_stages(masked_from)

  def mask_rules(self, masked_from: Any) -> list[masks.Rule]:
    """Masks the kernels of every stage from `masked_from` on.

    Lepori et al. 2023 never masked embeddings, biases and norms.
    """
    stages = "|".join(self.masked_stages(masked_from))
    return [
      # All of our kernels have their outputs along the last axis.
      (rf"({stages})/.*kernel", self.mask_search.unit, -1),
      (".*", "frozen"),
    ]

  def search_config(self, **changes: Any) -> search.SearchConfig:
    """Returns the settings of one search, some of them changed."""
    return self.mask_search.search_config(
      self.runtime, self.config.evaluation.batch_size, **changes
    )

  def cut_config(self) -> search.SearchConfig:
    """Returns the settings of a search for cuts."""
    return self.cuts.search_config(
      self.runtime, self.config.evaluation.batch_size
    )

  def train_config(
    self, *, is_pretrained: bool, **changes: Any
  ) -> training.TrainConfig:
    """Returns the settings of one training, some of them changed."""
    of_regime = self.base_training.of_regime(is_pretrained=is_pretrained)
    return self.base_training.train_config(
      self.runtime,
      self.config.evaluation.batch_size,
      **of_regime | changes,
    )

  def data_to_prepare(self) -> dict[str, Mapping[str, int]]:
    """Returns the data sets of the tests, and those of a pretraining."""
    return {
      **regimes.data_to_prepare(self),
      **{one.name: one.sizes for one in self.datasets.values()},
    }

  def about_data(self) -> list[str]:
    """Says which data sets of the experiment share problems."""
    return self.domain.separation()

  def sample(self, num_problems: int) -> np.ndarray:
    """Returns stored problems, without a data set."""
    return self.domain.sample(num_problems)

  def outline(self) -> forecast.Outline:
    """Returns the steps of the experiment."""
    notes = [*self.domain.assumptions()]
    if len(self.mask_search.masked_from) > 1:
      notes.append(
        "which stage the final masks begin at is chosen by the grid: the first "
        "is assumed, with the most to learn"
      )
    return forecast.Outline(
      steps=[
        *regimes.outline(self),
        *selection.outline(self),
        *cuts.outline(self),
        *table_rows.outline(self),
      ],
      notes=notes,
    )

  def train(self, work: Experiment) -> None:
    """Makes the base networks of every regime that are not there yet."""
    regimes.train(self, work)

  def search(self, work: Experiment) -> None:
    """Searches masks for every subroutine in every base network, and cuts."""
    todo = [
      (regime, base_seed, subroutine)
      for regime, base_seed in work.bases()
      for subroutine in self.subroutines
    ]
    for number, (regime, base_seed, subroutine) in enumerate(todo, start=1):
      label = f"mask {number}/{len(todo)}: {regime} {base_seed} {subroutine}"
      selection.search_subroutine(
        self, work, regime, base_seed, subroutine, label
      )
    cuts.search(self, work)

  def test(
    self, work: Experiment, regime: str, base_seed: int
  ) -> tuple[Sequence[Part], bool]:
    """Tests the base network and the networks that its masks make."""
    frozen = work.frozen(regime, base_seed)
    return table_rows.Tests(self, frozen, regime, base_seed).parts()

  def is_decided(self, workdir: pathlib.Path) -> bool:
    """Returns whether cuts decide about the first regime."""
    return conclude.is_decided(
      workdir, base_threshold=self.config.evaluation.failed_below
    )

  def report(self, workdirs: Sequence[pathlib.Path], out: pathlib.Path) -> None:
    """Writes the page, and prints the verdicts and where it lies."""
    report.write(
      workdirs, out, base_threshold=self.config.evaluation.failed_below
    )


def make(config: ConfigDict) -> BreakItDown:
  """Checks a config and makes its objects; reads no data yet.

  Raises:
    UserError: a value names nothing that exists or fits nothing else.
  """
  domain = next(one for one in DOMAINS if config.experiment in one.EXPERIMENTS)
  sections.check(config, domain.CHOICES)
  study = BreakItDown(config, domain.make(config))
  # All raise on bad values: before the first hour of work, not after it.
  _check_sizes(study)
  _check_masks(study)
  _check_rounds(study)
  regimes.check(study)
  with checks.section("search"):
    study.search_config().candidates()
  with checks.section("cuts"):
    study.cut_config().candidates()
  return study


def _check_sizes(study: BreakItDown) -> None:
  """Raises UserError where there are too few problems."""
  config = study.config
  available = study.domain.available("base")
  for split, wanted in config.data.num_problems.items():
    if wanted > available[split]:
      raise types.UserError(
        f"data.num_problems.{split} {wanted} is more than the "
        f"{available[split]} of {study.domain.dataset_name('base')}; "
        "lower it, or 0 for all"
      )
  tasks = ("base", *study.subroutines)
  smallest = min(study.datasets[task].sizes["train"] for task in tasks)
  most = {
    "training.batch_size": (config.training.batch_size, smallest),
    "training.pretrained_batch_size": (
      config.training.pretrained_batch_size,
      smallest,
    ),
    "training.sweep.batch_sizes": (
      max(config.training.sweep.batch_sizes, default=0),
      smallest,
    ),
    "search.batch_size": (config.search.batch_size, smallest),
    "cuts.batch_size": (study.cuts.batch_size, smallest),
  }
  if "simclr" in config.regimes:
    num_base = study.datasets["base"].sizes["train"]
    pictures = num_base * len(config.simclr.tasks)
    most["simclr.batch_size"] = (config.simclr.batch_size, pictures)
  for field, (batch_size, limit) in most.items():
    if batch_size > limit:
      raise types.UserError(
        f"{field} {batch_size} is more than the {limit} training problems; "
        f"lower it to {limit} or less"
      )


def _check_rounds(study: BreakItDown) -> None:
  """Raises UserError where base seeds are added and nothing can be decided."""
  most = study.config.auto_base_seeds.most
  missing = []
  if all(pair == SUBROUTINES for _, pair in cuts.wanted(study)):
    missing.append("cuts between nonsense properties")
  if UNTRAINED_REGIME not in study.config.regimes[1:]:
    missing.append(f"{UNTRAINED_REGIME} after another one in regimes")
  if most and missing:
    raise types.UserError(
      f"auto_base_seeds.most {most} needs {' and '.join(missing)}, without "
      "which cuts decide nothing; add them, or set it to 0"
    )


def _check_masks(study: BreakItDown) -> None:
  """Raises UserError for rules that select nothing, at any masked_from."""
  config = study.config
  params = param_shapes(study.network)
  first_stages = [("search", stage) for stage in config.search.masked_from]
  if "pruned" in config.regimes:
    first_stages.append(("pruning", config.pruning.masked_from))
  if study.cuts.num_steps:
    first_stages.append(("cuts", study.cuts.masked_from[0]))
  for section, masked_from in first_stages:
    with checks.section(section):
      spec = masks.select(params, study.mask_rules(masked_from))
      masks.leaf_betas(spec, 1.0, study.mask_search.constant_beta)
