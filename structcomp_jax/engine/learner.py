"""The values of the loop: what is learned, where a row is, what is compiled."""

import dataclasses
from typing import Any, NamedTuple, Protocol

import jax
from jax.sharding import Mesh, PartitionSpec

from structcomp_jax import types
from structcomp_jax.engine import model_axis, parallel
from structcomp_jax.engine.plan import Machine, Plan


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
    cuts: where `fixed`, and what the state holds for each of its leaves, are
      cut; None: nowhere.
  """

  learner: Any
  plan: Plan
  machine: Machine
  mesh: Mesh
  steps_per_epoch: int
  fixed_has_rows: bool = False
  cuts: model_axis.Cuts | None = None

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

  @property
  def fixed_layout(self) -> parallel.Layout:
    """How `fixed` lies on its devices."""
    return parallel.Layout(self.mesh, self.fixed_spec(), self.cuts)

  @property
  def state_layout(self) -> parallel.Layout:
    """How the state lies on its devices."""
    return parallel.Layout(self.mesh, parallel.ROWS, self.cuts)

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
