"""Where everything lies in a work directory."""

import dataclasses
import pathlib

MASKS = "masks.npz"


@dataclasses.dataclass(frozen=True)
class Paths:
  """Paths below one work directory.

  Attributes:
    workdir: the directory.
    main_regime: its networks lie at the top, those of others in `<regime>/`.
  """

  workdir: pathlib.Path
  main_regime: str

  @property
  def cache(self) -> pathlib.Path:
    """Features on disk, until the work that reads them is finished."""
    return self.workdir / "cache"

  def regime(self, regime: str) -> pathlib.Path:
    """Directory of everything that belongs to one regime."""
    return self.workdir if regime == self.main_regime else self.workdir / regime

  def training(self, regime: str) -> pathlib.Path:
    """Training of all seeds at once, until it is finished."""
    return self.regime(regime) / "base"

  def base(self, regime: str, base_seed: int) -> pathlib.Path:
    """One base network."""
    return self.training(regime) / f"seed_{base_seed}"

  def pruning(self, base_seed: int) -> pathlib.Path:
    """The masks that prune one base network."""
    return self.regime("pruned") / "pruning" / f"seed_{base_seed}"

  def pretraining(self) -> pathlib.Path:
    """The contrastive pretraining that all networks of `simclr` share."""
    return self.regime("simclr") / "pretraining"

  def evaluation(self, regime: str, base_seed: int) -> pathlib.Path:
    """What one base network and its masks add to the tables."""
    return self.regime(regime) / "evaluation" / f"seed_{base_seed}.json"

  def masks(self, regime: str, base_seed: int, subroutine: str) -> pathlib.Path:
    """The masks of one subroutine in one base network."""
    return self.regime(regime) / "masks" / f"seed_{base_seed}" / subroutine
