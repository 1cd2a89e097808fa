"""The steps of an experiment as a study lists them, and their programs.

A step is a kind of work that is done once or many times: a training, a search,
an evaluation. It makes the very loops that the experiment runs, of shapes.
"""

import abc
import contextlib
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import SingleDeviceSharding

from structcomp_jax import evaluation, masks, search, training, trees, types
from structcomp_jax.engine import loop, memory, parallel
from structcomp_jax.pipeline.forecast.dry import (
  DryNetwork,
  DryWorkplace,
  without_memory,
)
from structcomp_jax.pipeline.frozen import chunk_size
from structcomp_jax.pipeline.study import fresh_params
from structcomp_jax.training import simclr, supervised

# What the programs of a step do.
STEPS, LOOKS, TESTS, FEATURES = "steps", "looks", "tests", "features"


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Program:
  """One program of a step, not yet compiled.

  Attributes:
    does: one of the words above.
    rows: of a run.
    local: rows of a device.
    at_once: rows that a device computes at once.
    devices: that it runs on.
    lower: returns what the compiler gets.
    function, arguments: the jitted function and shapes to call it with.
    num_steps: of the whole experiment. A step of looks, tests and features is
      a batch of examples.
    loops: batches that one call computes, of which XLA counts one.
    chunks: groups of rows that a device computes one after the other, of which
      XLA counts `counted_chunks`.
    beside: bytes on a device that are not its own.
    parts: of a step, one after the other, of which XLA counts one.
  """

  does: str
  rows: int
  local: int
  at_once: int
  devices: int
  lower: Callable[[], jax.stages.Lowered]
  function: Callable[..., Any]
  arguments: tuple[Any, ...]
  num_steps: int
  loops: int = 1
  chunks: int = 1
  counted_chunks: int = 1
  beside: int = 0
  parts: int = 1


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Step(abc.ABC):
  """One kind of work.

  Attributes:
    label: for readers.
    section: of the config, that has its settings.
    times: runs, one after the other, for every task it is about.
    masked_from: the first masked stage, where there is one.
  """

  label: str
  section: str
  times: int = 1
  masked_from: Any = None

  @property
  def width(self) -> int:
    """Rows at once on a device, as the config says; 0: all."""
    return 0

  @abc.abstractmethod
  def programs(
    self, work: DryWorkplace, width: int | None = None
  ) -> list[Program]:
    """Returns its programs, the most important one first.

    Args:
      work: where, and for which machine.
      width: rows at once on a device; None: `width`.
    """


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Training(Step):
  """Base networks that are trained together.

  Attributes:
    task: whose problems are learned.
    config: shared settings.
    num_rows: networks.
    loss_draws: the loss draws at random.
    moving_loss_fn: of a network with running statistics.
  """

  section: str = "training"
  task: str
  config: training.TrainConfig
  num_rows: int
  loss_draws: bool = False
  moving_loss_fn: training.MovingLossFn | None = None

  @property
  def width(self) -> int:
    return self.config.vmap_width

  def programs(
    self, work: DryWorkplace, width: int | None = None
  ) -> list[Program]:
    network, key = work.study.network, jax.random.key(0)
    config = _wide(self.config, width)
    job = supervised.make_job(
      network.loss_fn,
      network.metrics_fn,
      lambda: self._start(network),
      _seeds(self.num_rows),
      work.load(self.task, "train"),
      work.load(self.task, "validation"),
      config,
      key=key,
      draw_key=key if self.loss_draws else None,
      moving_loss_fn=self.moving_loss_fn,
      devices=work.machine.devices,
    )
    return _of_loop(job, self.times * job.setup.num_steps)

  def _start(self, network: Any) -> training.TrainState:
    params = fresh_params(network, jax.random.key(0))
    state = training.init_state(jnp.int32(0), params, self.config)
    return trees.stack([state] * self.num_rows)


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Pretraining(Step):
  """A backbone that is pretrained by SimCLR.

  Attributes:
    embed_fn: (params, pictures) -> float[N, features].
    config: settings.
    num_tasks: data sets whose pictures are learned.
  """

  section: str = "simclr"
  embed_fn: Callable[[types.Params, jax.Array], jax.Array]
  config: training.SimclrConfig
  num_tasks: int

  def programs(
    self, work: DryWorkplace, width: int | None = None
  ) -> list[Program]:
    network: Any = work.study.network
    job = simclr.make_job(
      self.embed_fn,
      lambda: self._start(network),
      _seeds(1),
      self._pictures(work, "train"),
      self._pictures(work, "validation"),
      self.config,
      key=jax.random.key(0),
      devices=work.machine.devices,
    )
    return _of_loop(job, job.setup.num_steps)

  def _start(self, network: Any) -> training.TrainState:
    params = fresh_params(network, jax.random.key(0))
    return trees.stack([simclr.init_state(jnp.int32(0), params, self.config)])

  def _pictures(self, work: DryWorkplace, split: str) -> types.Batch:
    """Returns two pictures of every problem of every task."""
    images = work.load(next(iter(work.study.datasets)), split)["images"]
    count = self.num_tasks * len(images)
    return {
      "images": without_memory((count, 2, *images.shape[2:]), images.dtype)
    }


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Search(Step):
  """Masks that are searched together.

  Attributes:
    tasks: whose problems are learned, in a search each.
    config: settings and candidates.
    num_networks: base networks whose rows are searched together, each of which
      reads problems; 0: one network, which may read features.
    rest_task: of a two-sided search.
  """

  section: str = "search"
  tasks: Sequence[str]
  config: search.SearchConfig
  num_networks: int = 0
  rest_task: str = ""

  @property
  def width(self) -> int:
    return self.config.vmap_width

  def programs(
    self, work: DryWorkplace, width: int | None = None
  ) -> list[Program]:
    jobs = [self._job(work, task, width) for task in self.tasks]
    num_steps = self.times * sum(job.setup.num_steps for job in jobs)
    largest = max(jobs, key=lambda job: trees.num_bytes(job.dataset))
    steps, looks = _of_loop(largest, num_steps)
    parts = self.config.micro_batches
    return [dataclasses.replace(steps, parts=parts), looks]

  def _job(self, work: DryWorkplace, task: str, width: int | None) -> loop.Job:
    frozen, config = DryNetwork(work), _wide(self.config, width)
    if self.num_networks:
      network: Any = work.study.frozen_network
      splits = [self._problems(work, task, one) for one in _LEARNED]
    else:
      network = frozen.network(self.masked_from)
      config = dataclasses.replace(config, feed=frozen.feed(self.masked_from))
      splits = [
        frozen.examples(self.masked_from, task, split) for split in _LEARNED
      ]
    params, count = frozen.params, 1
    if self.num_networks:
      count = self.num_networks
      config = dataclasses.replace(
        config, seeds=tuple(range(count * len(config.seeds)))
      )
      rows = trees.num_rows(config.candidates())
      params = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((rows, *leaf.shape), leaf.dtype),
        params,
      )
    return search.make_job(
      network.loss_fn,
      params,
      frozen.mask_spec(self.masked_from),
      splits[0],
      config,
      key=jax.random.key(0),
      validation=splits[1],
      metrics_fn=network.metrics_fn,
      params_have_rows=bool(self.num_networks),
      devices=work.machine.devices,
    )

  def _problems(self, work: DryWorkplace, task: str, split: str) -> types.Batch:
    problems = work.load(task, split)
    if not self.rest_task:
      return problems
    return search.halves(problems, work.load(self.rest_task, split))


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Evaluation(Step):
  """Networks that masks make, tested together.

  Attributes:
    make_variants: {path: shape of all masks} -> the networks.
    num_masks: of a run.
    tasks, split: whose problems are tested on.
  """

  section: str = "evaluation"
  make_variants: Callable[[types.AnyMask], Mapping[Any, evaluation.Variant]]
  num_masks: int
  tasks: Sequence[str]
  split: str

  def programs(
    self, work: DryWorkplace, width: int | None = None
  ) -> list[Program]:
    frozen, key = DryNetwork(work), jax.random.key(0)
    spec = frozen.mask_spec(self.masked_from)
    batch_size = work.config.evaluation.batch_size
    variants = self.make_variants(_mask_shapes(spec, self.num_masks))
    width = self._width(work) if width is None else width
    made = evaluation.make_program(
      frozen.network(self.masked_from).metrics_fn,
      spec,
      variants,
      batch_size=batch_size,
      width=width,
      devices=work.machine.devices,
    )
    examples = [
      frozen.examples(self.masked_from, task, self.split) for task in self.tasks
    ]
    total = sum(map(trees.num_rows, examples))
    chunk = evaluation.examples_of_chunk(
      total, batch_size, chunk_size(examples[0])
    )
    stacks = {id(one.stacked): len(one.seeds) for one in variants.values()}
    shared = {
      "params": frozen.params,
      "masks": _mask_shapes(spec, sum(stacks.values())),
      "key": key,
      "chunk": jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((chunk, *leaf.shape[1:]), leaf.dtype),
        dict(examples[0]),
      ),
    }
    rows = trees.num_rows(made.rows)
    batches = -(-chunk // batch_size)
    return [
      _of_rows(
        TESTS,
        made.program,
        (made.rows, shared),
        rows=rows,
        local=rows // made.mesh.size,
        width=width,
        devices=made.mesh.size,
        num_steps=self.times * -(-total // chunk) * batches,
        loops=batches,
      )
    ]

  def _width(self, work: DryWorkplace) -> int:
    """Returns networks at once, as `widths.for_evaluation` chooses them."""
    chosen = work.runtime.vmap_width
    return 1 if chosen == "auto" else int(chosen)


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Features(Step):
  """What enters a stage, computed once for all steps of a search.

  Attributes:
    splits: (task, split) of each set of features that is made.
  """

  section: str = "evaluation"
  splits: Sequence[tuple[str, str]]

  def programs(
    self, work: DryWorkplace, width: int | None = None
  ) -> list[Program]:
    frozen = DryNetwork(work)
    if frozen.place(self.masked_from) == "off":
      return []
    sizes = [trees.num_rows(work.load(*one)) for one in self.splits]
    batch_size = min(work.config.evaluation.batch_size, max(sizes))
    sharding = SingleDeviceSharding(work.machine.devices[0])
    examples = work.load(*self.splits[0])
    function: Any = frozen.feature_program(self.masked_from)
    arguments = jax.tree.map(
      lambda leaf: jax.ShapeDtypeStruct(
        leaf.shape, leaf.dtype, sharding=sharding
      ),
      (
        frozen.params,
        jax.tree.map(
          lambda leaf: jax.ShapeDtypeStruct(
            (batch_size, *leaf.shape[1:]), leaf.dtype
          ),
          dict(examples),
        ),
      ),
    )
    return [
      Program(
        does=FEATURES,
        rows=1,
        local=1,
        at_once=1,
        devices=1,
        lower=lambda: function.lower(*arguments),
        function=function,
        arguments=arguments,
        num_steps=self.times * sum(-(-size // batch_size) for size in sizes),
      )
    ]


@dataclasses.dataclass(frozen=True, eq=False)
class Outline:
  """What an experiment does.

  Attributes:
    steps: in order.
    notes: what was assumed, and what is left out.
  """

  steps: Sequence[Step]
  notes: Sequence[str] = ()


_LEARNED = ("train", "validation")


def _mask_shapes(spec: masks.MaskSpec, count: int) -> Any:
  """Returns {path: bool[count, ...]} as shapes."""
  return {
    leaf.path: jax.ShapeDtypeStruct((count, *leaf.mask_shape), "bool")
    for leaf in spec.leaves
  }


def _wide(config: Any, width: int | None) -> Any:
  if width is None:
    return config
  return dataclasses.replace(config, vmap_width=width)


def _seeds(count: int) -> supervised.Seed:
  return supervised.Seed(jnp.zeros(count, jnp.int32))


def _of_loop(job: loop.Job, num_steps: int) -> list[Program]:
  """Returns the programs of a loop: its steps and its looks."""
  job = loop.filled_up(job)
  setup = job.setup
  with contextlib.closing(job.make_feed()) as feed:
    estimate = memory.Estimate(job, feed, room=0)
    width = job.machine.vmap_width
    steps, looks = estimate.steps(width), estimate.look()
  num_rows = trees.num_rows(job.rows)
  common = {
    "rows": num_rows,
    "local": estimate.num_local,
    "width": width,
    "devices": setup.mesh.size,
  }
  examples = trees.num_rows(job.validation)
  batches = -(-examples // min(job.machine.eval_batch_size, examples))
  num_looks = -(-num_steps // setup.look_every)
  return [
    _of_rows(STEPS, *steps, **common, num_steps=num_steps),
    _of_rows(
      LOOKS,
      *looks,
      **common,
      num_steps=num_looks * batches,
      loops=batches,
      beside=estimate.beside_look,
    ),
  ]


def _of_rows(
  does: str,
  program: parallel.Program,
  arguments: tuple[Any, ...],
  *,
  rows: int,
  local: int,
  width: int,
  devices: int,
  num_steps: int,
  loops: int = 1,
  beside: int = 0,
) -> Program:
  at_once = min(width or local, local)
  return Program(
    does=does,
    rows=rows,
    local=local,
    at_once=at_once,
    devices=devices,
    lower=lambda: program.lower(*arguments),
    function=program.function,
    arguments=arguments,
    num_steps=num_steps,
    loops=loops,
    chunks=-(-local // at_once),
    counted_chunks=1 + bool(local % at_once),
    beside=beside,
  )
