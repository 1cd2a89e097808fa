"""The steps that benchmarks run: real networks, problems and programs.

From a config to compiled loops over steps, by the code that experiments use.
Pictures are noise, all other problems are real; no data has to be prepared.
"""

import dataclasses
import functools
import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.steps import NO_LOOK, Steps, search_steps
from structcomp_jax import evaluation, masks, search, training, trees, types
from structcomp_jax.engine import cost
from structcomp_jax.pipeline.staged_network import StagedNetwork
from structcomp_jax.pipeline.study import fresh_params
from structcomp_jax.studies import registry
from structcomp_jax.studies.are_nets_modular.study import AreNetsModular
from structcomp_jax.studies.break_it_down import regimes
from structcomp_jax.studies.break_it_down.study import BreakItDown
from structcomp_jax.training import supervised


def load_study(name: str, changes: Mapping[str, Any] | None = None) -> Any:
  """Returns the study of configs/FILE.py:VARIANT, some fields changed."""
  path, _, variant = name.partition(":")
  module = path.removesuffix(".py").replace("/", ".")
  config = importlib.import_module(module).get_config(variant)
  config.update(changes or {})
  study = registry.make_study(config)
  if not isinstance(study, BreakItDown | AreNetsModular):
    raise SystemExit(
      f"error: {name} learns weights and masks together, which no benchmark "
      "measures; name a search of masks"
    )
  return study


def reads(study: BreakItDown) -> str:
  """Returns what the network reads: "images" or "token_ids"."""
  return study.network.inputs[0].name


def encoded_problems(study: Any, num_problems: int) -> types.Batch:
  """Returns problems as the network reads them, on the device."""
  first = next(iter(study.datasets.values()))
  return jax.device_put(first.encode(study.domain.sample(num_problems)))


def train_config(study: Any, **changes: Any) -> training.TrainConfig:
  """Returns how networks of the first regime are trained, some of it changed.

  Where that regime trains nothing, networks start from fresh weights.
  """
  if isinstance(study, AreNetsModular):
    return study.train_config(**changes)
  regime = regimes.REGIMES[study.config.regimes[0]]
  is_pretrained = isinstance(regime, regimes.Trained) and regime.is_pretrained
  return study.train_config(is_pretrained=is_pretrained, **changes)


def loss_draws(study: Any) -> bool:
  """Returns whether the loss of the network draws at random."""
  return isinstance(study, AreNetsModular) and study.domain.loss_draws


@dataclasses.dataclass(frozen=True, eq=False)
class Workload:
  """A network with fresh weights and some problems, at one batch size.

  Attributes:
    study: where both come from.
    params: the weights.
    problems: one batch or more, as the network reads them.
    batch_size: problems in a step.
    known_features: {stage: what enters it}, filled by `features`.
  """

  study: Any
  params: types.Params
  problems: types.Batch
  batch_size: int
  known_features: dict[str, types.Batch] = dataclasses.field(
    default_factory=dict
  )

  @classmethod
  def make(
    cls, study: Any, batch_size: int, num_batches: int = 4
  ) -> "Workload":
    """Draws weights and takes problems."""
    return cls(
      study=study,
      params=fresh_params(study.network, jax.random.key(0)),
      problems=encoded_problems(study, batch_size * num_batches),
      batch_size=batch_size,
    )

  def with_batch(self, batch_size: int) -> "Workload":
    """Returns the same network with one batch of another size."""
    return dataclasses.replace(
      self,
      problems=encoded_problems(self.study, batch_size),
      batch_size=batch_size,
      known_features={},
    )

  @property
  def network(self) -> StagedNetwork:
    """The network, computing in the dtype of the search."""
    return self.study.frozen_network

  @property
  def steps_per_epoch(self) -> int:
    """Batches among the problems."""
    return trees.num_rows(self.problems) // self.batch_size

  def spec(self, masked_from: Any) -> masks.MaskSpec:
    """Returns the masked leaves."""
    return masks.select(self.params, self.study.mask_rules(masked_from))

  def can_be_cached(self, masked_from: Any) -> bool:
    """Returns whether anything lies below the first masked stage."""
    return self.first_stage(masked_from) != self.network.stages[0]

  def first_stage(self, masked_from: Any) -> str:
    """Returns the name of the first masked stage."""
    return self.study.masked_stages(masked_from)[0]

  def read(
    self, masked_from: Any, is_cached: bool
  ) -> tuple[StagedNetwork, types.Batch]:
    """Returns the network and what it reads: problems or their features."""
    if not is_cached:
      return self.network, self.problems
    stage = self.first_stage(masked_from)
    return self.network.from_stage(stage), self.features(stage)

  def features(self, stage: str) -> types.Batch:
    """Returns what enters a stage, of all problems; computes it once."""
    if stage not in self.known_features:
      self.known_features[stage] = self.compute_features(stage)()
    return self.known_features[stage]

  def feature_shapes(self, masked_from: Any) -> types.Batch:
    """Returns shapes and dtypes of what enters the first masked stage."""
    stage = self.first_stage(masked_from)
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
    """Returns the study's settings with so many seeds of one setting."""
    config = self.study.search_config(batch_size=self.batch_size)
    return dataclasses.replace(
      config,
      seeds=tuple(range(num_candidates)),
      learning_rates=config.learning_rates[:1],
      init_logits=config.init_logits[:1],
      penalties=config.penalties[:1],
      vmap_width=width,
    )

  def search(
    self,
    masked_from: Any,
    *,
    is_cached: bool = False,
    num_candidates: int = 1,
    width: int = 0,
    **changes: Any,
  ) -> Steps:
    """Returns the steps of a mask search.

    Args:
      masked_from: the first masked stage.
      is_cached: whether it reads features instead of problems.
      num_candidates: rows.
      width: of them, computed at once; 0: all.
      **changes: to the settings of the search.
    """
    network, problems = self.read(masked_from, is_cached)
    spec = self.spec(masked_from)
    config = dataclasses.replace(
      self.search_config(num_candidates, width), **changes
    )
    return search_steps(network.loss_fn, self.params, spec, problems, config)

  def evaluation(
    self, masked_from: Any, *, num_networks: int, width: int, devices: Any
  ) -> tuple[evaluation.Networks, tuple[Any, ...]]:
    """Returns the program that tests what masks keep, and its arguments.

    Args:
      masked_from: the first masked stage.
      num_networks: one of each mask.
      width: of them, computed at once; 0: all.
      devices: they need not be there; arguments are shapes.
    """
    spec = self.spec(masked_from)
    leaves = trees.leaves_by_path(self.params)
    stacked = {
      path: jax.ShapeDtypeStruct((num_networks, *leaves[path].shape), "bool")
      for path in spec.paths
    }
    made = evaluation.make_program(
      self.network.metrics_fn,
      spec,
      {"kept": evaluation.Variant(stacked, list(range(num_networks)))},
      batch_size=self.batch_size,
      width=width,
      devices=devices,
    )
    shared = {
      "params": self.params,
      "masks": stacked,
      "key": jax.random.key(0),
      "chunk": self.problems,
    }
    return made, (made.rows, shared)

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
    config = train_config(self.study, batch_size=self.batch_size)
    network, key = self.network, jax.random.key(0)

    @jax.jit
    def init(params):
      return trees.stack([training.init_state(jnp.int32(0), params, config)])

    job = supervised.make_job(
      network.loss_fn,
      network.metrics_fn,
      functools.partial(init, self.params),
      supervised.Seed(jnp.zeros(1, jnp.int32)),
      self.problems,
      None,
      dataclasses.replace(config, look_every=NO_LOOK),
      key=key,
      draw_key=key if loss_draws(self.study) else None,
      moving_loss_fn=network.moving_loss_fn,
      devices=jax.devices()[:1],
    )
    return Steps(job)

  def useful_flops(self, masked_from: Any, *, is_cached: bool) -> float:
    """Returns the arithmetic that one step of one candidate cannot avoid.

    The loss and its gradient in the masked weights, as XLA counts them before
    any optimisation, with every convolution as `lax`'s own: products with
    padding, of pictures or of sentences, and windows do not count.
    """
    network, problems = self.network, self.problems
    if is_cached:
      stage = self.first_stage(masked_from)
      network = network.from_stage(stage)
      problems = self.feature_shapes(masked_from)
    return self._gradient_flops(network, problems, self.spec(masked_from).paths)

  def useful_training_flops(self) -> float:
    """Returns the same of a training step, whose gradient is in all weights."""
    return self._gradient_flops(
      self.network, self.problems, tuple(trees.leaves_by_path(self.params))
    )

  def useful_evaluation_flops(self) -> float:
    """Returns the same of what a network answers to one batch."""
    return self._counted(self.network.metrics_fn, self.params)

  def _gradient_flops(
    self, network: StagedNetwork, problems: types.Batch, paths: Sequence[str]
  ) -> float:
    leaves = trees.leaves_by_path(self.params)
    masked = {path: leaves[path] for path in paths}

    def loss(masked, batch):
      return network.loss_fn(trees.replace_leaves(self.params, masked), batch)

    return self._counted(
      jax.value_and_grad(loss), masked, problems, draws=loss_draws(self.study)
    )

  def _counted(
    self,
    fn: Callable[[Any, types.Batch], Any],
    learned: Any,
    problems: types.Batch | None = None,
    *,
    draws: bool = False,
  ) -> float:
    """Returns the arithmetic of `fn(learned, batch)`.

    Args:
      fn: as above.
      learned: its first argument.
      problems: of which a batch is one; default: those of the workload.
      draws: whether a batch has keys.
    """
    problems = self.problems if problems is None else problems

    def count(*length):
      """Counts a batch whose sentences are cut to `length`, if it is given."""
      batch = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(
          (
            self.batch_size,
            *leaf.shape[1:2],
            *length,
            *leaf.shape[2 + len(length) :],
          ),
          leaf.dtype,
        ),
        dict(problems),
      )
      if draws:
        batch["key"] = jax.eval_shape(
          lambda: jax.random.split(jax.random.key(0), self.batch_size)
        )
      compute = jax.jit(fn)
      counted = compute.lower(learned, batch).cost_analysis()["flops"]
      return max(counted, cost.product_flops(compute, learned, batch))

    if "attention_mask" not in self.problems:
      return count()
    # All sentences as long as the mean one: between two whole numbers.
    rest, length = math.modf(self.problems["attention_mask"].sum(-1).mean())
    shorter, longer = count(int(length)), count(int(length) + 1)
    return shorter + rest * (longer - shorter)
