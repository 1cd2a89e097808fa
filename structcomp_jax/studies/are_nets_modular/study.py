"""The study as a whole: its data, its networks, and its four steps."""

import functools
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from structcomp_jax import masks, search, training, trees, types
from structcomp_jax.io.tables import Schema
from structcomp_jax.models import staged
from structcomp_jax.pipeline import checks, mask_search
from structcomp_jax.pipeline.config import BaseTraining, Runtime
from structcomp_jax.pipeline.experiment import Experiment
from structcomp_jax.pipeline.forecast import steps as forecast
from structcomp_jax.pipeline.parts import Part
from structcomp_jax.pipeline.study import (
  DataSet,
  Network,
  param_shapes,
  sizes_of,
)
from structcomp_jax.studies.are_nets_modular import (
  arithmetic,
  holding,
  images,
  mathematics,
  outline,
  regimes,
  scan,
)
from structcomp_jax.studies.are_nets_modular import config as sections
from structcomp_jax.studies.are_nets_modular.domain import Domain
from structcomp_jax.studies.are_nets_modular.page import report

DOMAINS = (arithmetic, scan, images, mathematics)
EXPERIMENTS = tuple(name for domain in DOMAINS for name in domain.EXPERIMENTS)


class AreNetsModular:
  """A `pipeline.Study`: one mask per subtask, and what masks share.

  Attributes:
    config: the locked config.
    domain: the problems and the network.
    subroutines: names of the masks, the control first.
    test_tasks: names of the test tasks.
    runtime: how the machine is used.
    mask_search, base_training: sections of the config.
  """

  def __init__(self, config: ConfigDict, domain: Domain):
    self.config, self.domain = config, domain
    self.subroutines = tuple(domain.subroutines)
    self.test_tasks = tuple(domain.test_tasks)
    self.runtime = Runtime(**config.runtime)
    with checks.section("training"):
      self.base_training = BaseTraining(**config.training.to_dict())
    with checks.section("search"):
      self.mask_search = sections.MaskSearch(
        **config.search.to_dict(),
        penalty_batch_size=config.training.batch_size,
      )

  @property
  def tables(self) -> Mapping[str, Schema]:
    """{name of a CSV file: its columns}."""
    return self.domain.tables

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
    return {
      task: DataSet(
        name=self.domain.dataset_name(task),
        sizes=sizes_of(wanted, self.domain.available(task)),
        encode=functools.partial(self.domain.encode, task),
      )
      for task in self.domain.tasks()
    }

  @property
  def used_together(self) -> list[list[tuple[str, str]]]:
    """What one search reads, and the tests."""
    return [
      *(
        [(task, "train"), (task, "validation")]
        for task in self.domain.subroutines.values()
      ),
      [(task, "test") for task in self.test_tasks],
    ]

  def masked_stages(self, masked_from: Any) -> Sequence[str]:
    """Returns the stages that are masked from a first one on."""
    return staged.stages_from(
      self.network.stages, masked_from, name="masked_from"
    )

  def mask_rules(self, masked_from: Any) -> list[masks.Rule]:
    """Masks what the domain says, from a stage on, and nothing else."""
    stages = "|".join(self.masked_stages(masked_from))
    masked = rf"({stages})/{self.domain.masked}"
    leaves = trees.leaves_by_path(param_shapes(self.network))
    rules: list[masks.Rule] = [(masked, "weight")]
    # A rule that matches nothing would be an error.
    if not all(re.fullmatch(masked, path) for path in leaves):
      rules.append((".*", "frozen"))
    return rules

  def search_config(self, **changes: Any) -> search.SearchConfig:
    """Returns the settings of one search, some of them changed."""
    return self.mask_search.search_config(
      self.runtime,
      self.config.evaluation.batch_size,
      loss_draws=self.domain.loss_draws,
      **changes,
    )

  def train_config(self, **changes: Any) -> training.TrainConfig:
    """Returns the settings of base networks, some of them changed."""
    return self.base_training.train_config(
      self.runtime, self.config.evaluation.batch_size, **changes
    )

  def data_to_prepare(self) -> dict[str, Mapping[str, int]]:
    """Returns the data sets of the experiment."""
    return {one.name: one.sizes for one in self.datasets.values()}

  def about_data(self) -> list[str]:
    """Says what the tests share with training."""
    return self.domain.separation()

  def sample(self, num_problems: int) -> np.ndarray:
    """Returns stored problems, without a data set."""
    return self.domain.sample(num_problems)

  def outline(self) -> forecast.Outline:
    """Returns the steps of the experiment."""
    return outline.outline(self)

  def train(self, work: Experiment) -> None:
    """Makes the base networks of every regime that are not there yet."""
    regimes.train(self, work)

  def search(self, work: Experiment) -> None:
    """Searches every mask in all base networks of a regime at once."""
    todo = [
      (regime, subroutine)
      for regime in regimes.with_masks(self.config)
      for subroutine in self.subroutines
    ]
    for number, (regime, subroutine) in enumerate(todo, start=1):
      work.learn_together(
        regime,
        mask_search.Search(
          directory=work.paths.masks_together(regime, subroutine),
          task=self.domain.subroutines[subroutine],
          masked_from=self.mask_search.masked_from[0],
          config=self.search_config(),
          key=work.key("search", self.subroutines.index(subroutine)),
          label=f"masks {number}/{len(todo)}: {regime} {subroutine}",
          **holding.held_output(self, work, regime, subroutine),
        ),
        functools.partial(work.paths.masks, regime, subroutine=subroutine),
      )

  def test(
    self, work: Experiment, regime: str, base_seed: int
  ) -> tuple[Sequence[Part], bool]:
    """Tests the base network and the networks that its masks make."""
    frozen = work.frozen(regime, base_seed)
    has_masks = regimes.REGIMES[regime].has_masks
    tests = self.domain.tests(
      self, frozen, regime, base_seed, has_masks=has_masks
    )
    found: tuple[Sequence[Part], bool] = tests.parts()
    return found

  def is_decided(self, workdir: pathlib.Path) -> bool:
    """Returns True: this study adds no base seeds by itself."""
    return True

  def report(self, workdirs: Sequence[pathlib.Path], out: pathlib.Path) -> None:
    """Writes the page, and prints the verdicts and where it lies."""
    report.write(workdirs, out)


def make(config: ConfigDict) -> AreNetsModular:
  """Checks a config and makes its objects; reads no data yet.

  Raises:
    UserError: a value names nothing that exists or fits nothing else.
  """
  domain = next(one for one in DOMAINS if config.experiment in one.EXPERIMENTS)
  sections.check(config, domain.CHOICES)
  study = AreNetsModular(config, domain.make(config))
  # All raise on bad values: before the first hour of work, not after it.
  _check_sizes(study)
  _check_devices(study)
  regimes.check(study)
  with checks.section("search"):
    study.search_config().candidates()
    masks.select(
      param_shapes(study.network),
      study.mask_rules(study.mask_search.masked_from[0]),
    )
  return study


def _check_sizes(study: AreNetsModular) -> None:
  """Raises UserError where base networks have fewer problems than wanted.

  The smaller ones of the other data sets are used whole.
  """
  task = study.domain.tasks()[0]
  for split, available in study.domain.available(task).items():
    wanted = study.config.data.num_problems[split]
    if wanted > available:
      raise types.UserError(
        f"data.num_problems.{split} {wanted} is more than the {available} of "
        f"{study.datasets[task].name}; lower it, or 0 for all"
      )


def _check_devices(study: AreNetsModular) -> None:
  """Raises UserError where devices that share a batch would draw apart."""
  if study.domain.loss_draws and study.runtime.data_devices > 1:
    raise types.UserError(
      f"runtime.data_devices {study.runtime.data_devices} is too many for "
      f"{study.config.experiment}: its loss draws once for a whole batch; set "
      "it to 1"
    )
