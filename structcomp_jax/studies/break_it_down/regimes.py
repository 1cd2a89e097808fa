"""Where base networks come from: one object per regime."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from structcomp_jax import training, types
from structcomp_jax.pipeline import base_networks, checks
from structcomp_jax.pipeline.experiment import Experiment
from structcomp_jax.pipeline.forecast import steps as forecast
from structcomp_jax.pipeline.study import fresh_params
from structcomp_jax.report import style
from structcomp_jax.studies.break_it_down import pruned, simclr, sweep


@dataclasses.dataclass(frozen=True)
class Regime:
  """A kind of base network. This one is never trained.

  Attributes:
    name: in the config and the tables.
    words: for readers.
    colour: in figures.
    needs: the regime whose networks these are made of, if any.
  """

  name: str
  words: str
  colour: str
  needs: str = ""

  def data_to_prepare(self, study: Any) -> dict[str, Mapping[str, int]]:
    """Returns {builder/config: sizes} that it needs beside the tasks."""
    return {}

  def prepare(self, study: Any, work: Experiment) -> None:
    """Does what comes before all networks."""

  def make(self, study: Any, work: Experiment) -> None:
    """Makes the networks that are not there yet."""
    for seed in work.missing_seeds(self.name):
      work.store(self.name, seed, fresh(study, work, seed))

  def outline(self, study: Any) -> list[forecast.Step]:
    """Returns the steps that making all networks takes."""
    return []

  def check(self, study: Any) -> None:
    """Raises UserError for settings that cannot make such networks."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trained(Regime):
  """Networks that learn the composite task.

  Attributes:
    start: (study, work, base seed) -> weights to start from.
    is_pretrained: they start from weights that learned something else.
  """

  start: Callable[[Any, Experiment, int], types.Params]
  is_pretrained: bool = False

  def make(self, study: Any, work: Experiment) -> None:
    """Chooses settings where there is a sweep, then trains all seeds."""
    directory = work.paths.training(self.name)
    job = base_networks.Training(
      task="base",
      config=study.train_config(is_pretrained=self.is_pretrained),
      start=lambda seed: self.start(study, work, seed),
      directory=directory,
      label=f"training {self.name}",
    )

    def lowest_loss(directory, changes, label):
      trial = dataclasses.replace(
        job, config=self._config(study, changes), directory=directory,
        label=label,
      )  # fmt: skip
      state = base_networks.train(work, trial, work.config.base_seeds[:1])
      return float(training.fetch_best(state)["loss"][0])

    pairs = study.base_training.sweep_pairs()
    changes = sweep.choose(pairs, directory, self.name, lowest_loss)
    config = self._config(study, changes)
    work.train(self.name, dataclasses.replace(job, config=config))

  def outline(self, study: Any) -> list[forecast.Step]:
    """Returns the sweep, if there is one, and the training."""
    pairs = study.base_training.sweep_pairs()
    # Which batch size wins is not known: the largest needs the most memory.
    most: dict[str, Any] = max(
      pairs, key=lambda pair: pair["batch_size"], default={}
    )
    steps = [
      forecast.Training(
        label=f"sweep {number} of {self.name}",
        task="base",
        config=self._config(study, pair),
        num_rows=1,
      )
      for number, pair in enumerate(pairs, start=1)
    ]
    training_of_all = forecast.Training(
      label=f"training {self.name}",
      task="base",
      config=self._config(study, most),
      num_rows=len(study.config.base_seeds),
    )
    return [*steps, training_of_all]

  def check(self, study: Any) -> None:
    """Raises UserError for a training or sweep that cannot run."""
    with checks.section("training"):
      for changes in ({}, *study.base_training.sweep_pairs()):
        self._config(study, changes)

  def _config(self, study, changes):
    return study.train_config(is_pretrained=self.is_pretrained, **changes)


@dataclasses.dataclass(frozen=True)
class Pruned(Regime):
  """Trained networks, of which a mask of the composite task is left."""

  def make(self, study: Any, work: Experiment) -> None:
    """Prunes the networks that are not there yet."""
    for seed in work.missing_seeds(self.name):
      dense = work.frozen(self.needs, seed)
      params, info = pruned.prune(study, dense, seed)
      work.store(self.name, seed, params, pruning=info)

  def outline(self, study: Any) -> list[forecast.Step]:
    """Returns the search of the masks that prune."""
    return [
      forecast.Search(
        label="pruning",
        section="pruning",
        tasks=(pruned.TASK,),
        masked_from=pruned.settings(study).masked_from,
        config=pruned.search_config(study),
        times=len(study.config.base_seeds),
      )
    ]

  def check(self, study: Any) -> None:
    """Raises UserError for masks that cannot be searched."""
    if self.needs not in study.config.regimes:
      raise types.UserError(
        f"regime {self.name} needs the trained networks; add {self.needs} to "
        "regimes"
      )
    with checks.section("pruning"):
      pruned.search_config(study).candidates()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contrastive(Trained):
  """Networks whose backbone was pretrained by SimCLR."""

  def data_to_prepare(self, study: Any) -> dict[str, Mapping[str, int]]:
    """Returns the pictures to pretrain on."""
    return simclr.data_sets(study)

  def prepare(self, study: Any, work: Experiment) -> None:
    """Pretrains the backbone unless it is there."""
    simclr.pretrain(study, work)

  def outline(self, study: Any) -> list[forecast.Step]:
    """Returns the pretraining as well."""
    pretraining = forecast.Pretraining(
      label="SimCLR pretraining",
      embed_fn=study.domain.embed_images,
      config=simclr.settings(study),
      num_tasks=len(simclr.data_sets(study)),
    )
    return [pretraining, *super().outline(study)]

  def check(self, study: Any) -> None:
    """Raises UserError for a pretraining or training that cannot run."""
    super().check(study)
    with checks.section("simclr"):
      simclr.settings(study)


def fresh(study: Any, work: Experiment, seed: int) -> types.Params:
  """Returns fresh weights.

  `scratch` and `random_init` of one seed start from the same draw: the
  control is the very network before its training.
  """
  return fresh_params(study.network, work.key("init", seed))


def _checkpoint(study: Any, work: Experiment, seed: int) -> types.Params:
  params: types.Params = study.domain.pretrained
  return params


def _backbone(study: Any, work: Experiment, seed: int) -> types.Params:
  return training.with_backbone(simclr.load(work), fresh(study, work, seed))


REGIMES: Mapping[str, Regime] = {
  regime.name: regime
  for regime in (
    Trained("scratch", "trained from scratch", "#0072B2", start=fresh),
    Trained(
      "lm_pretrained",
      "pretrained, then trained",
      "#D55E00",
      start=_checkpoint,
      is_pretrained=True,
    ),
    Contrastive(
      "simclr",
      "SimCLR, then trained",
      "#CC79A7",
      start=_backbone,
      is_pretrained=True,
    ),
    Pruned("pruned", "trained, then pruned", "#009E73", needs="scratch"),
    Regime("random_init", "never trained (control)", style.GREY),
  )
}
LABELS = style.Labels(
  words={name: regime.words for name, regime in REGIMES.items()},
  colours={name: regime.colour for name, regime in REGIMES.items()},
)


def check(study: Any) -> None:
  """Raises UserError for a regime of the config that cannot be made."""
  for name in study.config.regimes:
    REGIMES[name].check(study)


def data_to_prepare(study: Any) -> dict[str, Mapping[str, int]]:
  """Returns {builder/config: sizes} that regimes need beside the tasks."""
  needed: dict[str, Mapping[str, int]] = {}
  for name in study.config.regimes:
    needed |= REGIMES[name].data_to_prepare(study)
  return needed


def outline(study: Any) -> list[forecast.Step]:
  """Returns the steps that making all base networks takes."""
  return [
    step
    for name in study.config.regimes
    for step in REGIMES[name].outline(study)
  ]


def train(study: Any, work: Experiment) -> None:
  """Makes the networks of every regime of the config."""
  wanted = [REGIMES[name] for name in work.config.regimes]
  for regime in wanted:
    regime.prepare(study, work)
  # A regime that needs another one comes after it.
  for regime in sorted(wanted, key=lambda one: bool(one.needs)):
    if work.missing_seeds(regime.name):
      regime.make(study, work)
    else:
      base_networks.skip(work, regime.name)
