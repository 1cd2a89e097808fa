"""From a config to the objects of an experiment: names are resolved here."""

import dataclasses
import functools
import pathlib
from typing import Any

import jax
from ml_collections import ConfigDict

from structcomp_jax import masks, search, training, types
from structcomp_jax.io import layout as paths
from structcomp_jax.pipeline import checks
from structcomp_jax.pipeline.features import store as feature_store
from structcomp_jax.pipeline.study import Network, param_shapes
from structcomp_jax.studies.break_it_down import language, vision
from structcomp_jax.studies.break_it_down.domain import Domain
from structcomp_jax.tasks import datasets

# Regimes whose networks start from weights that learned something else.
PRETRAINED = ("lm_pretrained", "simclr")


@dataclasses.dataclass(frozen=True, eq=False)
class Experiment:
  """One experiment, ready to run.

  Attributes:
    config: the locked config.
    paths: of its work directory.
    domain: its data sets and its network.
  """

  config: ConfigDict
  paths: paths.Paths
  domain: Domain

  @property
  def subroutines(self) -> tuple[str, ...]:
    """Names of the two subroutines."""
    return self.domain.subroutines

  @property
  def test_tasks(self) -> tuple[str, ...]:
    """Names of the test tasks."""
    return self.domain.test_tasks

  @property
  def network(self) -> Network:
    """The model."""
    return self.domain.network

  @property
  def frozen_network(self) -> Network:
    """The model as searches and evaluations compute it."""
    return self.domain.frozen_network

  @property
  def data_dir(self) -> pathlib.Path:
    """The TFDS directory."""
    data_dir = self.config.runtime.data_dir
    return pathlib.Path(data_dir) if data_dir else self.paths.workdir / "data"

  def num_problems(self, task: str) -> dict[str, int]:
    """Returns the sizes of the splits of one task.

    The configured ones, but never more than the task has: the odd_* tasks
    are smaller than the others and have no training split.
    """
    wanted = self.config.data.num_problems
    return {
      split: min(wanted[split] or count, count)
      for split, count in self.domain.available(task).items()
    }

  # The data of one search, which the next step of the work asks for again.
  @functools.lru_cache(maxsize=4)  # noqa: B019 (an experiment lives as long)
  def load(self, task: str, split: str) -> types.Batch:
    """Returns what `read` does, and keeps it."""
    return feature_store.on_pages(self.read(task, split))

  def forget_loaded(self) -> None:
    """Keeps nothing of what `load` has returned."""
    Experiment.load.cache_clear()

  def read(self, task: str, split: str) -> types.Batch:
    """Returns one split of a task as the network reads it.

    Raises:
      UserError: it is not prepared, damaged, or of another size.
    """
    problems = datasets.load(
      self.domain.dataset_name(task), self.data_dir, split
    )
    expected = self.num_problems(task)[split]
    if len(problems) != expected:
      raise types.UserError(
        f"{self.data_dir} holds {len(problems)} {split} problems of {task}, "
        f"the config wants {expected}; use another runtime.data_dir"
      )
    return self.domain.encode(problems)

  def train_config(self, regime: str, **changes: Any) -> training.TrainConfig:
    """Returns how the base networks of one regime are trained."""
    fields = self.config.training.to_dict()
    del fields["sweep"]
    for name in ("learning_rate", "batch_size"):
      value = fields.pop(f"pretrained_{name}")
      if regime in PRETRAINED and value:
        fields[name] = value
    return training.TrainConfig(**{**fields, **changes}, **self._runtime())

  def simclr_config(self) -> training.SimclrConfig:
    """Returns how the backbone of the regime `simclr` is pretrained."""
    fields = self.config.simclr.to_dict()
    del fields["tasks"]
    runtime = self._runtime()
    del runtime["eval_batch_size"]
    return training.SimclrConfig(**fields, **runtime)

  def search_config(self, **changes: Any) -> search.SearchConfig:
    """Returns the shared settings of a search, some of them changed."""
    fields = self.config.search.to_dict()
    for name in (
      "unit",
      "masked_from",
      "grid_seed",
      "selection",
      "cache",
      "cache_gigabytes",
      "cache_dtype",
      "compute_dtype",
    ):
      del fields[name]
    return search.SearchConfig(
      **{**fields, **changes},
      **self._runtime(),
      data_devices=self.config.runtime.data_devices,
    )

  def pruning_config(self) -> search.SearchConfig:
    """Returns the grid of masks that prune a network."""
    fields = self.config.pruning.to_dict()
    del fields["masked_from"]
    return self.search_config(seeds=(self.config.search.grid_seed,), **fields)

  def mask_spec(self, params: types.Params, masked_from: Any) -> masks.MaskSpec:
    """Selects the weights of every stage from `masked_from` on.

    Embeddings, biases and norms are never masked, as in Lepori et al. 2023.
    """
    stages = "|".join(self.domain.masked_stages(masked_from))
    return masks.select(
      params,
      [
        (rf"({stages})/.*kernel", self.config.search.unit),
        (".*", "frozen"),
      ],
    )

  def _runtime(self) -> dict[str, Any]:
    runtime = self.config.runtime
    width = runtime.vmap_width
    if width == "auto":
      # Of base networks; that of a search is measured (`pipeline.widths`).
      # Batched matrix products are slower than single ones on a CPU.
      width = 1 if jax.default_backend() == "cpu" else 0
    return {
      "steps_per_call": runtime.steps_per_call,
      "vmap_width": width,
      "eval_batch_size": self.config.evaluation.batch_size,
    }


def load(config: ConfigDict, workdir: str | pathlib.Path) -> Experiment:
  """Checks a config and makes its objects; reads no data yet.

  Raises:
    UserError: a value names nothing that exists or fits nothing else.
  """
  domain = _domain_of(config.experiment)
  checks.check(config, domain.CHOICES)
  experiment = Experiment(
    config=config,
    paths=paths.Paths(pathlib.Path(workdir), config.regimes[0]),
    domain=domain.make(config),
  )
  # All raise on bad values: before the first hour of work, not after it.
  _check_sizes(experiment)
  _check_masks(experiment)
  for regime in config.regimes:
    with checks.section("training"):
      experiment.train_config(regime)
      for pair in sweep_pairs(config):
        experiment.train_config(regime, **pair)
  with checks.section("search"):
    experiment.search_config().candidates()
  if "simclr" in config.regimes:
    with checks.section("simclr"):
      experiment.simclr_config()
  if "pruned" in config.regimes:
    if "scratch" not in config.regimes:
      raise types.UserError(
        "regime pruned needs the trained networks; add scratch to regimes"
      )
    with checks.section("pruning"):
      experiment.pruning_config().candidates()
  return experiment


def sweep_pairs(config: ConfigDict) -> list[dict[str, Any]]:
  """Returns the changes to the training config that the sweep tries.

  Raises:
    UserError: only one of its two lists is empty.
  """
  sweep = config.training.sweep
  if bool(sweep.learning_rates) != bool(sweep.batch_sizes):
    raise types.UserError(
      "training.sweep has only one of learning_rates and batch_sizes; give "
      "both, or neither for no sweep"
    )
  return [
    {"learning_rate": learning_rate, "batch_size": batch_size}
    for learning_rate in sweep.learning_rates
    for batch_size in sweep.batch_sizes
  ]


def _domain_of(experiment: str) -> Any:
  """Returns the module of the domain that has an experiment."""
  domains = (language, vision)
  for domain in domains:
    if experiment in domain.EXPERIMENTS:
      return domain
  names = [name for domain in domains for name in domain.EXPERIMENTS]
  raise types.UserError(
    f"experiment {experiment!r} is unknown; choose from {', '.join(names)}"
  )


def _check_sizes(experiment: Experiment) -> None:
  """Raises UserError where there are too few problems."""
  config = experiment.config
  available = experiment.domain.available("base")
  for split, wanted in config.data.num_problems.items():
    if wanted > available[split]:
      raise types.UserError(
        f"data.num_problems.{split} {wanted} is more than the "
        f"{available[split]} of {experiment.domain.dataset_name('base')}; "
        "lower it, or 0 for all"
      )
  smallest = min(
    experiment.num_problems(task)["train"]
    for task in ("base", *experiment.subroutines)
  )
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
  }
  if "simclr" in config.regimes:
    of_all_tasks = experiment.num_problems("base")["train"] * len(
      config.simclr.tasks
    )
    most["simclr.batch_size"] = (config.simclr.batch_size, of_all_tasks)
  for field, (batch_size, limit) in most.items():
    if batch_size > limit:
      raise types.UserError(
        f"{field} {batch_size} is more than the {limit} training problems; "
        f"lower it to {limit} or less"
      )


def _check_masks(experiment: Experiment) -> None:
  """Raises UserError for rules that select nothing, at any masked_from."""
  config = experiment.config
  params = param_shapes(experiment.network)
  first_stages = [("search", stage) for stage in config.search.masked_from]
  if "pruned" in config.regimes:
    first_stages.append(("pruning", config.pruning.masked_from))
  for section, masked_from in first_stages:
    with checks.section(section):
      spec = experiment.mask_spec(params, masked_from)
      masks.leaf_betas(spec, 1.0, config.search.constant_beta)
