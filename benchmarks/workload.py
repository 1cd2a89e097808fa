"""The steps that benchmarks run: real networks, problems and programs.

From a config to compiled loops over steps, by the code that experiments use.
Pictures are noise, sentences are real; no data has to be prepared.
"""

import dataclasses
import functools
import importlib
import math
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks import measure
from structcomp_jax import masks, search, training, trees, types
from structcomp_jax.engine import parallel
from structcomp_jax.pipeline import experiment as experiments
from structcomp_jax.pipeline.study import fresh_params
from structcomp_jax.search import programs, step
from structcomp_jax.studies.break_it_down import vision
from structcomp_jax.studies.break_it_down.network import OddOneOutNetwork
from structcomp_jax.tasks.odd_one_out import syntax
from structcomp_jax.tasks.odd_one_out.shapes import drawing
from structcomp_jax.training import supervised as base


def load_experiment(
  name: str, changes: Mapping[str, Any] | None = None
) -> experiments.Experiment:
  """Returns the experiment of configs/FILE.py:VARIANT, some fields changed."""
  path, _, variant = name.partition(":")
  module = path.removesuffix(".py").replace("/", ".")
  config = importlib.import_module(module).get_config(variant)
  config.update(changes or {})
  with tempfile.TemporaryDirectory() as directory:
    return experiments.load(config, directory)


def stored_problems(
  experiment: experiments.Experiment, num_problems: int
) -> np.ndarray:
  """Returns problems as a data set stores them: noise, or real sentences."""
  if isinstance(experiment.domain, vision.Vision):
    shape = (num_problems, 4, drawing.SIDE, drawing.SIDE, 3)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)
  policy = experiment.config.data.policy
  datasets = syntax.make_datasets(experiment.config.experiment, policy)
  return datasets["base"]["train"][:num_problems]


@dataclasses.dataclass(frozen=True, eq=False)
class Steps:
  """A loop over steps of many rows, compiled when it is first asked for.

  Attributes:
    program: (rows, ..., shared) -> rows, whose memory it takes.
    make_rows: returns fresh rows and what else stands before `shared`.
    shared: what is stored once however many rows there are.
  """

  program: parallel.Program
  make_rows: Callable[[], tuple[Any, ...]]
  shared: dict[str, Any]

  @functools.cached_property
  def compiled(self) -> jax.stages.Compiled:
    """The program, ahead of its first run, to be asked for its memory."""
    return self.program.compile(*self._arguments())

  @property
  def flops(self) -> float:
    """What XLA counts for one step before it optimises anything."""
    lowered = self.program.function.lower(*self._arguments())
    return lowered.cost_analysis()["flops"]

  def _arguments(self) -> tuple[Any, ...]:
    num_steps = {"num_steps": jax.ShapeDtypeStruct((), jnp.int32)}
    return *jax.eval_shape(self.make_rows), {**self.shared, **num_steps}

  def run(self, num_steps: int) -> tuple[Any, float]:
    """Returns the rows after some steps, and the seconds they took."""
    rows = jax.block_until_ready(self.make_rows())
    shared = {**self.shared, "num_steps": jnp.int32(num_steps)}
    started = time.perf_counter()
    rows = jax.block_until_ready(self.compiled(*rows, shared))
    return rows, time.perf_counter() - started

  def stopwatch(self, least_seconds: float) -> measure.Stopwatch:
    """Returns a stopwatch of one step; runs some.

    Args:
      least_seconds: as many steps are run, and timed together, as are
        expected to take that long.
    """
    expected = self.run(1)[1]
    if expected < least_seconds:  # The first run was also a warm-up.
      expected = self.run(1)[1]
    num_steps = max(1, round(least_seconds / expected))
    return lambda: self.run(num_steps)[1] / num_steps


@dataclasses.dataclass(frozen=True, eq=False)
class Workload:
  """A network with fresh weights and some problems, at one batch size.

  Attributes:
    experiment: where both come from.
    params: the weights.
    problems: one batch or more, as the network reads them.
    batch_size: problems in a step.
    known_features: {stage: what enters it}, filled by `features`.
  """

  experiment: experiments.Experiment
  params: types.Params
  problems: types.Batch
  batch_size: int
  known_features: dict[str, types.Batch] = dataclasses.field(
    default_factory=dict
  )

  @classmethod
  def make(
    cls,
    experiment: experiments.Experiment,
    batch_size: int,
    num_batches: int = 4,
  ) -> "Workload":
    """Draws weights and takes problems."""
    num_problems = batch_size * num_batches
    problems = experiment.domain.encode(
      stored_problems(experiment, num_problems)
    )
    return cls(
      experiment=experiment,
      params=fresh_params(experiment.network, jax.random.key(0)),
      problems=jax.device_put(problems),
      batch_size=batch_size,
    )

  def with_batch(self, batch_size: int) -> "Workload":
    """Returns the same network with one batch of another size."""
    problems = stored_problems(self.experiment, batch_size)
    return dataclasses.replace(
      self,
      problems=jax.device_put(self.experiment.domain.encode(problems)),
      batch_size=batch_size,
      known_features={},
    )

  @property
  def network(self) -> OddOneOutNetwork:
    """The network, computing in the dtype of the search."""
    return self.experiment.domain.frozen_network

  @property
  def steps_per_epoch(self) -> int:
    """Batches among the problems."""
    return trees.num_rows(self.problems) // self.batch_size

  def spec(self, masked_from: Any) -> masks.MaskSpec:
    """Returns the masked leaves."""
    return self.experiment.mask_spec(self.params, masked_from)

  def can_be_cached(self, masked_from: Any) -> bool:
    """Returns whether anything lies below the first masked stage."""
    stage = self.experiment.domain.masked_stages(masked_from)[0]
    return stage != self.network.stages[0]

  def read(
    self, masked_from: Any, is_cached: bool
  ) -> tuple[OddOneOutNetwork, types.Batch]:
    """Returns the network and what it reads: problems or their features."""
    if not is_cached:
      return self.network, self.problems
    stage = self.experiment.domain.masked_stages(masked_from)[0]
    return self.network.from_stage(stage), self.features(stage)

  def features(self, stage: str) -> types.Batch:
    """Returns what enters a stage, of all problems; computes it once."""
    if stage not in self.known_features:
      self.known_features[stage] = self.compute_features(stage)()
    return self.known_features[stage]

  def feature_shapes(self, masked_from: Any) -> types.Batch:
    """Returns shapes and dtypes of what enters the first masked stage."""
    stage = self.experiment.domain.masked_stages(masked_from)[0]
    before = functools.partial(self.network.features_before, stage=stage)
    return jax.eval_shape(before, self.params, self.problems)

  def compute_features(self, stage: str) -> Callable[[], types.Batch]:
    """Returns the compiled function that computes what enters a stage."""
    before = self.network.features_before
    compute = jax.jit(functools.partial(before, stage=stage))
    compiled = compute.lower(self.params, self.problems).compile()
    return lambda: compiled(self.params, self.problems)

  def search_config(
    self, num_candidates: int = 1, width: int = 0
  ) -> search.SearchConfig:
    """Returns the experiment's settings with so many seeds of one setting."""
    settings = self.experiment.config.search
    config = self.experiment.search_config(
      batch_size=self.batch_size,
      seeds=tuple(range(num_candidates)),
      learning_rates=settings.learning_rates[:1],
      init_logits=settings.init_logits[:1],
      penalties=settings.penalties[:1],
    )
    return dataclasses.replace(config, vmap_width=width)

  def search(
    self,
    masked_from: Any,
    *,
    is_cached: bool = False,
    num_candidates: int = 1,
    width: int = 0,
  ) -> Steps:
    """Returns the steps of a mask search.

    Args:
      masked_from: the first masked stage.
      is_cached: whether it reads features instead of problems.
      num_candidates: rows.
      width: of them, computed at once; 0: all.
    """
    network, problems = self.read(masked_from, is_cached)
    spec = self.spec(masked_from)
    config = self.search_config(num_candidates, width)
    program = programs.advance(
      network.loss_fn,
      spec,
      config,
      parallel.row_mesh(num_candidates, jax.devices()[:1]),
      self.steps_per_epoch,
    )

    def make_rows():
      candidates = config.candidates()
      return step.initial_state(candidates, spec), candidates

    shared = {
      "dataset": problems,
      "done": jnp.int32(0),
      "frozen": self.params,
      "key": jax.random.key(0),
    }
    return Steps(program, make_rows, shared)

  def choose_width(
    self, masked_from: Any, *, is_cached: bool, num_candidates: int
  ) -> int:
    """Returns the width that a search would choose."""
    network, problems = self.read(masked_from, is_cached)
    return search.choose_width(
      network.loss_fn,
      self.params,
      self.spec(masked_from),
      problems,
      self.search_config(num_candidates),
      key=jax.random.key(0),
      devices=jax.devices()[:1],
    ).width

  def training(self) -> Steps:
    """Returns training steps of the same network, without masks."""
    config = self.experiment.train_config(
      self.experiment.config.regimes[0], batch_size=self.batch_size
    )
    program = parallel.over_rows(
      functools.partial(
        base.train_steps,
        loss_fn=self.network.loss_fn,
        optimizer=optax.adam(config.learning_rate),
        config=config,
      ),
      parallel.row_mesh(1, jax.devices()[:1]),
      donate=True,
    )

    def make_rows():
      state = training.init_state(jnp.int32(0), self.params, config)
      return (jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], state),)

    shared = {
      "dataset": self.problems,
      "draw_key": None,
      "key": jax.random.key(0),
    }
    return Steps(program, jax.jit(make_rows), shared)

  def useful_flops(self, masked_from: Any, *, is_cached: bool) -> float:
    """Returns the arithmetic that one step of one candidate cannot avoid.

    The loss and its gradient in the masked weights, as XLA counts them before
    any optimisation, with every convolution as `lax`'s own: products with
    padding, of pictures or of sentences, and windows do not count.
    """
    network, problems = self.network, self.problems
    if is_cached:
      stage = self.experiment.domain.masked_stages(masked_from)[0]
      network = network.from_stage(stage)
      problems = self.feature_shapes(masked_from)
    leaves = trees.leaves_by_path(self.params)
    masked = {path: leaves[path] for path in self.spec(masked_from).paths}

    def loss(masked, batch):
      return network.loss_fn(trees.replace_leaves(self.params, masked), batch)

    def count(*length):
      """Counts a batch whose sentences are cut to `length`, if it is given."""
      batch = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(
          (self.batch_size, 4, *length, *leaf.shape[2 + len(length) :]),
          leaf.dtype,
        ),
        dict(problems),
      )
      lowered = jax.jit(jax.value_and_grad(loss)).lower(masked, batch)
      return lowered.cost_analysis()["flops"]

    if "attention_mask" not in self.problems:
      return count()
    # All sentences as long as the mean one: between two whole numbers.
    rest, length = math.modf(self.problems["attention_mask"].sum(-1).mean())
    shorter, longer = count(int(length)), count(int(length) + 1)
    return shorter + rest * (longer - shorter)
