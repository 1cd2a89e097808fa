"""A work directory and what lies in it: data, keys, choices made once."""

import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
from absl import logging
from ml_collections import ConfigDict

from structcomp_jax import types
from structcomp_jax.io import layout
from structcomp_jax.pipeline import choices, keys, rounds
from structcomp_jax.pipeline.config import Runtime
from structcomp_jax.pipeline.features import place, store
from structcomp_jax.pipeline.study import Study
from structcomp_jax.tasks import datasets

# So many splits are kept in memory: those of one search, which the next step
# of the work asks for again.
_MOST_LOADED = 4
# Said before the first long run: nothing moves then, for a minute or more.
COMPILING = "compiling ..."


class Workplace:
  """Where one experiment is done.

  Attributes:
    study: what is asked, of which network and data.
    config: the locked config.
    paths: of the work directory.
    runtime: how the machine is used.
  """

  def __init__(self, study: Study, workdir: str | pathlib.Path):
    self.study = study
    self.config: ConfigDict = study.config
    self.paths = layout.Paths(pathlib.Path(workdir), self.config.regimes[0])
    self.runtime = Runtime(**self.config.runtime)
    self._loaded: dict[tuple[str, str], types.Batch] = {}
    self._said: set[str] = set()

  @property
  def data_dir(self) -> pathlib.Path:
    """The TFDS directory."""
    data_dir = self.runtime.data_dir
    return pathlib.Path(data_dir) if data_dir else self.paths.workdir / "data"

  @property
  def base_seeds(self) -> tuple[int, ...]:
    """The base seeds that are wanted; more of them after every round."""
    return rounds.reached(self.config, self.paths.workdir)

  def sizes(self, task: str) -> Mapping[str, int]:
    """Returns {split: number of problems} of one task."""
    return self.study.datasets[task].sizes

  def load(self, task: str, split: str) -> types.Batch:
    """Returns what `read` does, and keeps the last ones."""
    if (task, split) not in self._loaded:
      if len(self._loaded) == _MOST_LOADED:
        del self._loaded[next(iter(self._loaded))]
      self._loaded[task, split] = store.on_pages(self.read(task, split))
    return self._loaded[task, split]

  def load_any(self) -> types.Batch:
    """Returns the validation examples of the study's first task."""
    return self.load(next(iter(self.study.datasets)), "validation")

  def forget_loaded(self) -> None:
    """Keeps nothing of what `load` has returned."""
    self._loaded.clear()

  def read(self, task: str, split: str) -> types.Batch:
    """Returns one split of a task as the network reads it.

    Raises:
      UserError: it is not prepared, damaged, or of another size.
    """
    dataset = self.study.datasets[task]
    problems = datasets.load(dataset.name, self.data_dir, split)
    expected = dataset.sizes[split]
    if len(problems) != expected:
      raise types.UserError(
        f"{self.data_dir} holds {len(problems)} {split} problems of {task}, "
        f"the config wants {expected}; use another runtime.data_dir"
      )
    return dataset.encode(problems)

  def space(self, cache_gigabytes: float) -> place.Space:
    """Returns the space that this machine has for features."""
    return place.Space.now(cache_gigabytes, self.paths.workdir)

  def key(self, purpose: str, *more: int) -> jax.Array:
    """Returns the key of one purpose, folded with further integers."""
    return keys.purpose_key(self.config.seed, purpose, *more)

  def choose(self, file: str, name: str, make: Callable[[], Any]) -> Any:
    """Returns a choice that depends on the machine and is made once.

    Args:
      file: in the work directory, {name: choice}.
      name: what the choice depends on.
      make: returns JSON values.
    """
    return choices.recall(self.paths.workdir / file, name, make)

  def say_once(self, text: str) -> None:
    """Logs a line unless this experiment has said it before."""
    if text not in self._said:
      self._said.add(text)
      logging.info("%s", text)
