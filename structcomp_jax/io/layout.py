"""The layout of a work directory: which file or directory lies where."""

import dataclasses
import pathlib
import re

# Names of files; `config.json` is that of `io.workdir`.
MASKS = "masks.npz"
LOGITS = "logits.safetensors"
METRICS = "metrics.jsonl"
ROUNDS = "rounds.json"
SELECTION = "selection.json"
TIMINGS = "timings.json"
VERSIONS = "versions.json"


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

  @property
  def tensorboard(self) -> pathlib.Path:
    """The event files of trainings and searches."""
    return self.workdir / "tensorboard"

  @property
  def report(self) -> pathlib.Path:
    """The page about all networks."""
    return self.workdir / "report" / "index.html"

  def table(self, name: str) -> pathlib.Path:
    """One of the tables over all networks, e.g. `results`."""
    return self.workdir / f"{name}.csv"

  def regime(self, regime: str) -> pathlib.Path:
    """The directory of everything that belongs to one regime."""
    return self.workdir if regime == self.main_regime else self.workdir / regime

  def training(self, regime: str) -> pathlib.Path:
    """Where the training of all base seeds lies until it is finished."""
    return self.regime(regime) / "base"

  def base(self, regime: str, base_seed: int) -> pathlib.Path:
    """One base network."""
    return self.training(regime) / _of_seed(base_seed)

  def found_bases(self, regime: str) -> dict[int, pathlib.Path]:
    """{base seed: directory} of the base networks that are there."""
    return _found_seeds(self.training(regime))

  def pruning(self, base_seed: int) -> pathlib.Path:
    """The masks that prune one base network."""
    return self.regime("pruned") / "pruning" / _of_seed(base_seed)

  def pretraining(self) -> pathlib.Path:
    """The directory of the pretraining that all networks of `simclr` share."""
    return self.regime("simclr") / "pretraining"

  def evaluation(self, regime: str, base_seed: int) -> pathlib.Path:
    """What one base network and its masks add to the tables."""
    return self.regime(regime) / "evaluation" / f"{_of_seed(base_seed)}.json"

  def masks(self, regime: str, base_seed: int, subroutine: str) -> pathlib.Path:
    """The masks of one subroutine in one base network."""
    return self._all_masks(regime) / _of_seed(base_seed) / subroutine

  def masks_together(self, regime: str, subroutine: str) -> pathlib.Path:
    """Where masks of all base networks lie while they are searched together."""
    return self._all_masks(regime) / "together" / subroutine

  def cut(self, regime: str, base_seed: int, pair: str) -> pathlib.Path:
    """The cuts of one base network between a pair of tasks."""
    return self.regime(regime) / "cuts" / _of_seed(base_seed) / pair

  def cuts_together(self, regime: str, pair: str) -> pathlib.Path:
    """Where cuts of all base networks lie while they are searched together."""
    return self.regime(regime) / "cuts" / "together" / pair

  def found_masks(self, regime: str) -> dict[tuple[int, str], pathlib.Path]:
    """{(base seed, subroutine): directory} of the masks that are there."""
    return {
      (seed, directory.name): directory
      for seed, parent in _found_seeds(self._all_masks(regime)).items()
      for directory in sorted(parent.iterdir())
      if directory.is_dir()
    }

  def _all_masks(self, regime: str) -> pathlib.Path:
    return self.regime(regime) / "masks"


def _of_seed(seed: int) -> str:
  return f"seed_{seed}"


def _found_seeds(directory: pathlib.Path) -> dict[int, pathlib.Path]:
  """Returns {seed: directory}, in the order of the seeds."""
  found = {
    int(match[1]): path
    for path in directory.glob("seed_*")
    if (match := re.fullmatch(r"seed_(\d+)", path.name)) and path.is_dir()
  }
  return dict(sorted(found.items()))
