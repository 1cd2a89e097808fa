"""An experiment: a study in a work directory, with the verbs that it uses."""

import pathlib
from collections.abc import Callable
from typing import Any

from absl import logging
from ml_collections import ConfigDict

from structcomp_jax import types
from structcomp_jax.pipeline import (
  base_networks,
  mask_search,
  mask_sets,
  search_together,
)
from structcomp_jax.pipeline.frozen import FrozenNetwork
from structcomp_jax.pipeline.study import Study
from structcomp_jax.pipeline.workplace import Workplace

# Config -> study; raises UserError for values that name or fit nothing.
MakeStudy = Callable[[ConfigDict], Study]


class Experiment(Workplace):
  """The verbs of a study; each skips what is done and resumes what is not."""

  def bases(self) -> list[tuple[str, int]]:
    """Returns (regime, base seed) of every base network that is wanted."""
    return [
      (regime, seed)
      for regime in self.config.regimes
      for seed in self.base_seeds
    ]

  def frozen(self, regime: str, base_seed: int) -> FrozenNetwork:
    """Returns a finished base network, frozen."""
    return FrozenNetwork(self, base_networks.load(self, regime, base_seed))

  def fingerprint(self, regime: str, base_seed: int) -> str:
    """Returns the fingerprint of a finished base network; reads no weights."""
    return base_networks.fingerprint(self, regime, base_seed)

  def missing_seeds(self, regime: str) -> list[int]:
    """Returns the base seeds whose networks are not there yet."""
    return base_networks.missing_seeds(self, regime)

  def store(
    self,
    regime: str,
    base_seed: int,
    params: types.Params,
    **info: Any,
  ) -> None:
    """Stores a base network that is not trained here."""
    base_networks.store(self, regime, base_seed, params, (), **info)

  def train(self, regime: str, job: base_networks.Training) -> None:
    """Trains and stores the base networks of a regime that are missing."""
    base_networks.train_and_store(self, regime, job)

  def learn(
    self, frozen: FrozenNetwork, job: mask_search.Search
  ) -> mask_sets.MaskSet:
    """Searches masks in a frozen network."""
    return mask_search.learn(frozen, job)

  def learn_together(
    self,
    regime: str,
    job: mask_search.Search,
    directory_of: Callable[[int], pathlib.Path],
  ) -> None:
    """Searches masks in all base networks of a regime.

    The rows of one program are base networks and mask seeds, see
    `search_together`. Networks are read only if a mask is missing.

    Args:
      regime: of the networks.
      job: what is searched in each of them; its directory is that of the
        search.
      directory_of: base seed -> directory of the network's masks.
    """
    seeds = self.base_seeds
    directories = {seed: directory_of(seed) for seed in seeds}
    fingerprints = {seed: self.fingerprint(regime, seed) for seed in seeds}
    wanted = job.config.seeds
    if not search_together.missing_rows(fingerprints, directories, wanted):
      search_together.forget(job.directory)
      logging.info("%s: done before", job.label)
      return
    frozen = {seed: self.frozen(regime, seed) for seed in seeds}
    search_together.learn(
      search_together.Networks(frozen=frozen, directories=directories), job
    )
