"""TFDS builder of pictures."""

import pathlib
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from structcomp_jax.tasks import citations
from structcomp_jax.tasks.builders import ProblemsBuilder
from structcomp_jax.tasks.images import official, sources
from structcomp_jax.types import UserError, one_line


class Images(ProblemsBuilder):
  """One config per name in `sources.SOURCES`; feature: `record`.

  A record is the class and the pixels of a picture, see `sources`. Those of
  `digits` are part of this package. The official files of the others are taken
  from `downloads/manual` in the TFDS directory, or downloaded.
  """

  VERSION = tfds.core.Version("1.0.0")
  BUILDER_CONFIGS: ClassVar[list[tfds.core.BuilderConfig]] = [
    tfds.core.BuilderConfig(name=name, description=f"Pictures of {name}.")
    for name in sources.NAMES
  ]
  DESCRIPTION = "Pictures of ten classes: the class, then the pixels."
  CITATION = citations.ARE_NEURAL_NETS_MODULAR
  url_infos: ClassVar[dict[str, Any]] = {
    file.url: tfds.core.download.checksums.UrlInfo(
      size=tfds.core.units.Size(file.size),
      checksum=file.sha256,
      filename=file.name,
    )
    for files in official.ARCHIVES.values()
    for file in files
  }

  def __init__(self, **kwargs: Any) -> None:
    super().__init__(**kwargs)
    self._splits: dict[str, np.ndarray] = {}

  @property
  def source(self) -> sources.Source:
    """What this data set is."""
    return sources.SOURCES[self.builder_config.name]

  def available_problems(self) -> dict[str, int]:
    return dict(self.source.split_sizes)

  def make_problems(self, split: str, count: int) -> np.ndarray:
    return self._splits[split][:count]

  def feature(self) -> tuple[str, tfds.features.FeatureConnector]:
    # As one value: TFDS would store each byte of a list as a number.
    return "record", tfds.features.Tensor(
      shape=(1 + self.source.num_pixels,), dtype=np.uint8, encoding="bytes"
    )

  def metadata(self) -> tfds.core.MetadataDict:
    return tfds.core.MetadataDict(
      separation=sources.separation(self.builder_config.name)
    )

  def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
    self._splits = self._read(dl_manager)
    found = {split: len(rows) for split, rows in self._splits.items()}
    if found != dict(self.source.split_sizes):
      raise UserError(
        f"{self.builder_config.name} is divided into {found} pictures, not"
        f" {dict(self.source.split_sizes)}; fetch its files again"
      )
    return super()._split_generators(dl_manager)

  def _read(self, dl_manager: Any) -> dict[str, np.ndarray]:
    if not self.source.archive:
      return sources.digits_splits()
    manual = pathlib.Path(dl_manager.download_dir) / "manual"
    paths = self._fetch(dl_manager, manual)
    training, test = official.read(self.source.archive, paths)
    return sources.divide(self.builder_config.name, training, test)

  def _fetch(
    self, dl_manager: Any, manual: pathlib.Path
  ) -> dict[str, pathlib.Path]:
    """Returns {name: path} of the official files.

    Those that nobody has put into `manual` are downloaded.

    Raises:
      UserError: a file cannot be downloaded, or is not the official one.
    """
    files = official.ARCHIVES[self.source.archive]
    paths = {
      file.name: official.check(manual / file.name, file)
      for file in files
      if (manual / file.name).exists()
    }
    missing = [file for file in files if file.name not in paths]
    for file in missing:
      try:
        official.check_host(file)
        paths[file.name] = pathlib.Path(dl_manager.download(file.url))
      # TFDS and what it uses raise errors of many kinds.
      except Exception as error:
        names = ", ".join(one.name for one in missing)
        raise UserError(
          f"cannot download {file.url} ({one_line(error, 80)}); put {names}"
          f" into {manual}"
        ) from error
    return paths
