"""The two compiled programs of a loop: some steps, and a look at the rows.

Both are kept by value: loops that differ in data, weights, rows and keys alone
run what was compiled before.
"""

import dataclasses
import functools
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec

from structcomp_jax import trees, types
from structcomp_jax.engine import batching, parallel
from structcomp_jax.engine.plan import Machine, Plan

# Folded into the key of a step, this is the key of the look after it. Learners
# fold in small numbers only, such as that of a leaf.
_LOOK = 0x6C6F6F6B


class Keys(NamedTuple):
  """Base keys of a loop; every draw is folded with a row's seed and the step.

  Attributes:
    order: of the order of examples.
    draw: of all that a learner draws.
  """

  order: jax.Array
  draw: jax.Array


@dataclasses.dataclass(frozen=True)
class Now:
  """Where a row is.

  Attributes:
    setup: what does not change during the loop.
    step: i32, steps done before.
    key: of this row and step, for all that the learner draws.
    steps_since_look: i32, steps done since the last look.
    places: i32[batch]: which examples of the whole batch this device has;
      None at a look.
  """

  setup: "Setup"
  step: jax.Array
  key: jax.Array
  steps_since_look: jax.Array
  places: jax.Array | None = None

  @property
  def look(self) -> jax.Array:
    """i32: the number of this look, from 1."""
    return -(-self.step // self.setup.look_every)

  def example_keys(self) -> jax.Array:
    """Returns keys[batch], one for each example this device has."""
    keys = jax.random.split(self.key, self.setup.plan.batch_size)
    return keys[self.places]


class Learner(Protocol):
  """What is learned in steps; equal settings are equal learners.

  The state of a row is a `flax.struct.PyTreeNode` with a field `step`, i32,
  which the loop counts. Rows have a field `seed`, i32. All methods see one row
  and run inside jit.

  Attributes:
    row_name: what a row is called in the history and in messages.
    num_chunks: equal parts that a step cuts its batch into. Devices that share
      a batch have an equal part of each.
  """

  row_name: str

  @property
  def num_chunks(self) -> int: ...

  def step(
    self, state: Any, row: Any, fixed: Any, batch: types.Batch, *, now: Now
  ) -> Any:
    """Returns the state after one step.

    Args:
      state: of the row.
      row: its settings, as data.
      fixed: what no step changes, e.g. a frozen network.
      batch: {name: array [batch, ...]}.
      now: where the row is.
    """

  def look(
    self, state: Any, row: Any, fixed: Any, validation: Any, *, now: Now
  ) -> tuple[Any, dict[str, jax.Array]]:
    """Returns the state after a look, and {name: scalar} for the history.

    A second look at the same state must change nothing. A row whose metrics
    have `active` and it is False adds nothing to the history.

    Args:
      state, row, fixed: as for `step`.
      validation: what was given to the loop, or None.
      now: where the row is.
    """

  def active(self, state: Any) -> jax.Array | None:
    """Returns bool[rows], those that go on; None if none ever stops."""


@dataclasses.dataclass(frozen=True)
class Setup:
  """All that decides how a loop is compiled; equal by value.

  Attributes:
    learner: what is learned.
    plan: how long and on which batches.
    machine: how it is laid out.
    mesh: over which devices.
    steps_per_epoch: full batches of the training set.
    fixed_has_rows: `fixed` has a leading row axis, e.g. one network per row.
  """

  learner: Any
  plan: Plan
  machine: Machine
  mesh: Mesh
  steps_per_epoch: int
  fixed_has_rows: bool = False

  @property
  def num_steps(self) -> int:
    """Steps of the whole loop."""
    return self.plan.total_steps(self.steps_per_epoch)

  @property
  def look_every(self) -> int:
    """Steps between two looks."""
    return self.plan.look_every or self.steps_per_epoch

  def steps_until_stop(self, done: int) -> int:
    """Returns the steps to the end of the epoch, the next look, or the plan.

    The steps of one call see batches of one epoch, and a look ends a call.
    """
    return min(
      self.steps_per_epoch - done % self.steps_per_epoch,
      self.look_every - done % self.look_every,
      self.num_steps - done,
    )

  @property
  def data_axis(self) -> str | None:
    """The mesh axis along which batches are cut, if there is one."""
    return parallel.DATA_AXIS if self.machine.data_devices > 1 else None

  def with_width(self, width: int) -> "Setup":
    """Returns the setup with so many rows at once on a device."""
    machine = dataclasses.replace(self.machine, vmap_width=width)
    return dataclasses.replace(self, machine=machine)

  def compiled(self) -> "Setup":
    """Returns the setup without what the programs do not depend on."""
    machine = dataclasses.replace(self.machine, steps_per_call=0)
    return dataclasses.replace(self, machine=machine)

  def fixed_spec(self) -> PartitionSpec:
    """Returns how `fixed` lies on the mesh."""
    return parallel.ROWS if self.fixed_has_rows else parallel.EVERYWHERE

  def batch_spec(self) -> PartitionSpec:
    """Returns how batches [rows, steps, batch, ...] from the host lie.

    In a shared order there is no axis of rows. The data axis cuts the batches.
    """
    if self.plan.data_order == "shared":
      return PartitionSpec(None, self.data_axis)
    return PartitionSpec(parallel.ROW_AXIS, None, self.data_axis)

  def parts(self, order: jax.Array) -> jax.Array:
    """Cuts batches among the devices that share them.

    Args:
      order: i32[steps, batch].

    Returns:
      i32[steps, data_devices, batch / data_devices]: every device has an equal
      part of each chunk.
    """
    devices = self.machine.data_devices
    parts = order.reshape(len(order), self.learner.num_chunks, devices, -1)
    return parts.swapaxes(1, 2).reshape(len(order), devices, -1)


def epoch_order(
  setup: Setup,
  key: jax.Array,
  seed: jax.Array,
  epoch: jax.Array,
  num_examples: int,
) -> jax.Array:
  """Returns which examples each device sees in each step of an epoch.

  Args:
    setup: of the loop.
    key: `Keys.order`.
    seed: i32, of the row.
    epoch: i32, from 0.
    num_examples: size of the training set.

  Returns:
    i32[steps, data_devices, batch / data_devices].
  """
  plan, num_steps = setup.plan, setup.steps_per_epoch
  if plan.data_order == "per_candidate":
    key = jax.random.fold_in(key, seed)
  if plan.with_replacement:
    order = batching.draws(
      key,
      epoch * num_steps + jnp.arange(num_steps),
      num_examples,
      plan.batch_size,
    )
  else:
    order = batching.epoch_order(key, epoch, num_examples, plan.batch_size)
  return setup.parts(order)


def run_steps(
  state: Any,
  row: Any,
  fixed: Any,
  shared: dict[str, Any],
  *batches: types.Batch,
  setup: Setup,
) -> tuple[Any, dict[str, jax.Array]]:
  """Takes `shared["num_steps"]` steps of one row, within one epoch.

  Args:
    state: of the row.
    row: its settings.
    fixed: what no step changes.
    shared: "keys" (`Keys`), "done" and "num_steps" (i32: steps before and in
      this call), and "dataset" (arrays [examples, ...]) unless there are
      `batches`.
    *batches: {name: array [steps, batch, ...]} of these steps, or more.
    setup: of the loop.

  Returns:
    The state, and nothing else.
  """
  learner, keys = setup.learner, shared["keys"]
  row_key = jax.random.fold_in(keys.draw, row.seed)
  device = jax.lax.axis_index(setup.data_axis) if setup.data_axis else 0
  places = setup.parts(jnp.arange(setup.plan.batch_size)[None])[0, device]
  # Not `state.step`, which counts the same: it has rows, so that what depends
  # on the step alone would be computed once for each of them.
  epoch, first_step = jnp.divmod(shared["done"], setup.steps_per_epoch)
  if not batches:
    num_examples = trees.num_rows(shared["dataset"])
    order = epoch_order(setup, keys.order, row.seed, epoch, num_examples)

  def batch_of(index):
    if batches:
      return trees.row(batches[0], index)
    examples = order[first_step + index, device]
    return batching.take(shared["dataset"], examples)

  def body(index, state):
    step = shared["done"] + index
    now = Now(
      setup=setup,
      step=step,
      key=jax.random.fold_in(row_key, step),
      steps_since_look=step % setup.look_every,
      places=places,
    )
    new = learner.step(state, row, fixed, batch_of(index), now=now)
    return new.replace(step=state.step + 1)

  return jax.lax.fori_loop(0, shared["num_steps"], body, state), {}


def look_at_rows(
  state: Any, row: Any, fixed: Any, shared: dict[str, Any], *, setup: Setup
) -> tuple[Any, dict[str, jax.Array]]:
  """Looks at one row; `shared` has "keys" and "validation".

  Returns:
    Its state, and metrics for the history.
  """
  row_key = jax.random.fold_in(shared["keys"].draw, row.seed)
  step_key = jax.random.fold_in(row_key, state.step)
  now = Now(
    setup=setup,
    step=state.step,
    key=jax.random.fold_in(step_key, _LOOK),
    steps_since_look=(state.step - 1) % setup.look_every + 1,
  )
  return setup.learner.look(state, row, fixed, shared["validation"], now=now)


def advance(setup: Setup) -> parallel.Program:
  """Returns program(state, rows, fixed, shared[, batches]) -> (state, {}).

  The memory of `state` is reused. See `run_steps` for `shared`, and
  `Setup.batch_spec` for where the batches of `feed = "host"` lie.
  """
  return _advance(setup.compiled())


def look(setup: Setup) -> parallel.Program:
  """Returns program(state, rows, fixed, shared) -> (state, {name: f32[rows]}).

  The memory of `state` is reused. See `look_at_rows` for `shared`.
  """
  return _look(setup.compiled())


@functools.lru_cache(maxsize=16)
def _advance(setup: Setup) -> parallel.Program:
  from_host = (setup.batch_spec(),) if setup.machine.feed == "host" else ()
  return _program(run_steps, setup, from_host)


@functools.lru_cache(maxsize=16)
def _look(setup: Setup) -> parallel.Program:
  return _program(look_at_rows, setup, ())


def _program(fn, setup, further_specs):
  # The name under which JAX reports what it compiles.
  of_setup = functools.wraps(fn)(functools.partial(fn, setup=setup))
  return parallel.over_rows(
    of_setup,
    setup.mesh,
    specs=(
      parallel.ROWS,
      parallel.ROWS,
      setup.fixed_spec(),
      parallel.EVERYWHERE,
      *further_specs,
    ),
    width=setup.machine.vmap_width,
    in_place=True,
  )
