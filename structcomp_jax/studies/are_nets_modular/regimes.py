"""Where base networks come from: one object per regime."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
from ml_collections import ConfigDict

from structcomp_jax import types
from structcomp_jax.pipeline import base_networks, checks
from structcomp_jax.pipeline.experiment import Experiment
from structcomp_jax.pipeline.forecast import steps as forecast
from structcomp_jax.pipeline.study import fresh_params
from structcomp_jax.report import style


@dataclasses.dataclass(frozen=True)
class Regime:
  """A kind of base network. This one is never trained.

  Attributes:
    name: in the config and the tables.
    words: for readers.
    colour: in figures.
    needs: the regime whose networks these are made of, if any.
    has_masks: masks are searched in these networks.
  """

  name: str
  words: str
  colour: str
  needs: str = ""
  has_masks: bool = True

  def make(self, study: Any, work: Experiment) -> None:
    """Makes the networks that are not there yet."""
    for seed in work.missing_seeds(self.name):
      work.store(self.name, seed, _fresh(study, work, seed))

  def outline(self, study: Any) -> list[forecast.Step]:
    """Returns the steps that making all networks takes."""
    return []

  def check(self, study: Any) -> None:
    """Raises UserError for settings that cannot make such networks."""
    if self.needs and self.needs not in study.config.regimes:
      raise types.UserError(
        f"regime {self.name} needs the networks of {self.needs}; add "
        f"{self.needs} to regimes"
      )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trained(Regime):
  """Networks that learn the whole task, or one task of the domain alone."""

  def make(self, study: Any, work: Experiment) -> None:
    """Trains all seeds together."""
    domain = study.domain
    job = base_networks.Training(
      task=self._task(study),
      config=study.train_config(),
      start=lambda seed: _fresh(study, work, seed),
      directory=work.paths.training(self.name),
      label=f"training {self.name}",
      loss_draws=domain.loss_draws,
      moving_loss_fn=study.network.moving_loss_fn,
    )
    work.train(self.name, job)

  def outline(self, study: Any) -> list[forecast.Step]:
    """Returns the training."""
    return [
      forecast.Training(
        label=f"training {self.name}",
        task=self._task(study),
        config=study.train_config(),
        num_rows=len(study.config.base_seeds),
        loss_draws=study.domain.loss_draws,
        moving_loss_fn=study.network.moving_loss_fn,
      )
    ]

  def _task(self, study: Any) -> str:
    domain = study.domain
    task: str = domain.only_tasks.get(self.name, domain.tasks()[0])
    return task

  def check(self, study: Any) -> None:
    """Raises UserError for a training that cannot run."""
    with checks.section("training"):
      study.train_config()


@dataclasses.dataclass(frozen=True)
class CopyWeight(Regime):
  """Trained networks, both parts of which are made to use the same weights."""

  def make(self, study: Any, work: Experiment) -> None:
    """Copies weights in the networks that are not there yet."""
    for seed in work.missing_seeds(self.name):
      params = base_networks.load(work, self.needs, seed)
      work.store(self.name, seed, study.domain.copied(params))

  def check(self, study: Any) -> None:
    """Raises UserError where there is nothing to copy."""
    super().check(study)
    copied = jax.eval_shape(
      lambda key: study.domain.copied(study.network.init(key)),
      jax.random.key(0),
    )
    if copied is None:
      raise types.UserError(
        f"regime {self.name} needs the feed-forward network of "
        "double_addition; remove it from regimes"
      )


def _fresh(study: Any, work: Experiment, seed: int) -> types.Params:
  """Returns fresh weights, the same before a training and as a control."""
  return fresh_params(study.network, work.key("init", seed))


_HELD_OUT = {
  "only_jump": "trained on the commands without new jumps",
  "only_length": "trained on the short commands",
  "only_turn_left": "trained on the commands without new turns to the left",
}
REGIMES: Mapping[str, Regime] = {
  regime.name: regime
  for regime in (
    Trained("scratch", "trained", "#0072B2"),
    CopyWeight(
      "copy_weight",
      "trained, then made to share weights",
      "#009E73",
      needs="scratch",
    ),
    Regime("random_init", "never trained (control)", style.GREY),
    *(
      Trained(name, words, "#CC79A7", has_masks=False)
      for name, words in _HELD_OUT.items()
    ),
  )
}
# Of networks whose weights and masks are learned together (`transfer`).
_TOGETHER = {
  "transfer": "earlier weights stay",
  "redrawn": "earlier weights drawn anew (control)",
}
LABELS = style.Labels(
  words={name: regime.words for name, regime in REGIMES.items()} | _TOGETHER,
  colours={name: regime.colour for name, regime in REGIMES.items()},
)


def check(study: Any) -> None:
  """Raises UserError for a regime of the config that cannot be made."""
  for name in study.config.regimes:
    REGIMES[name].check(study)


def train(study: Any, work: Experiment) -> None:
  """Makes the networks of every regime of the config."""
  wanted = [REGIMES[name] for name in work.config.regimes]
  # A regime that needs another one comes after it.
  for regime in sorted(wanted, key=lambda one: bool(one.needs)):
    if work.missing_seeds(regime.name):
      regime.make(study, work)
    else:
      base_networks.skip(work, regime.name)


def with_masks(config: ConfigDict) -> list[str]:
  """Returns the regimes of a config in whose networks masks are searched."""
  return [name for name in config.regimes if REGIMES[name].has_masks]
