"""The layout of a work directory: which file or directory lies where."""

import dataclasses
import pathlib

MASKS = "masks.npz"


@dataclasses.dataclass(frozen=True)
class Paths:
  """Paths below one work directory.

  Attributes:
    workdir: the directory.
    main_regime: the regime whose networks lie at the top; every other regime
      has a directory `<regime>/`.
  """

  workdir: pathlib.Path
  main_regime: str

  @property
  def cache(self) -> pathlib.Path:
    """Where features lie on disk until the step that reads them is finished."""
    return self.workdir / "cache"

  def regime(self, regime: str) -> pathlib.Path:
    """The directory of everything that belongs to one regime."""
    return self.workdir if regime == self.main_regime else self.workdir / regime

  def training(self, regime: str) -> pathlib.Path:
    """Where the training of all base seeds lies until it is finished."""
    return self.regime(regime) / "base"

  def base(self, regime: str, base_seed: int) -> pathlib.Path:
    """The directory of one base network."""
    return self.training(regime) / f"seed_{base_seed}"

  def pruning(self, base_seed: int) -> pathlib.Path:
    """The directory of the masks that prune one base network."""
    return self.regime("pruned") / "pruning" / f"seed_{base_seed}"

  def pretraining(self) -> pathlib.Path:
    """The directory of the pretraining that all networks of `simclr` share."""
    return self.regime("simclr") / "pretraining"

  def evaluation(self, regime: str, base_seed: int) -> pathlib.Path:
    """The file of table rows of one base network and its masks."""
    return self.regime(regime) / "evaluation" / f"seed_{base_seed}.json"

  def masks(self, regime: str, base_seed: int, subroutine: str) -> pathlib.Path:
    """The directory of the masks of one subroutine in one base network."""
    return self.regime(regime) / "masks" / f"seed_{base_seed}" / subroutine
