"""Many rows, many steps: the loop of everything that is learned."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding

from structcomp_jax import trees, types
from structcomp_jax.engine import memory, model_axis, parallel, programs
from structcomp_jax.engine.feed import make_feed
from structcomp_jax.engine.learner import Keys, Learner, Setup
from structcomp_jax.engine.plan import Machine, Plan

# (state, new history rows) each time the host sees the devices. The state may
# have more rows than the job, see `filled_up`.
OnCall = Callable[[Any, list[dict[str, Any]]], None]


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Job:
  """Everything that a loop needs.

  Attributes:
    learner: what is learned, see `Learner`.
    init: returns the state, stacked over rows, before the first step. It is
      called when it is known that the loop fits in memory.
    init_arguments: arrays that `init` is called with.
    rows: settings of the rows, with a field `seed`; a leading axis on every
      leaf.
    dataset: {name: array [examples, ...]}; NumPy arrays, also `np.memmap`, if
      `machine.feed` is "host".
    plan: how long and on which batches.
    machine: how it is laid out.
    keys: of order and draws.
    state: where to go on, from a checkpoint; default: the beginning. Its
      arrays are reused: copy what must last.
    fixed: what no step changes, e.g. a frozen network.
    fixed_has_rows: `fixed` has a leading row axis.
    validation: for the looks; on every device.
    devices: default: all of `jax.devices()`.
  """

  learner: Any
  init: Callable[..., Any]
  rows: Any
  dataset: types.Batch
  plan: Plan
  machine: Machine
  keys: Keys
  init_arguments: tuple[Any, ...] = ()
  state: Any = None
  fixed: Any = None
  fixed_has_rows: bool = False
  validation: Any = None
  devices: Sequence[Any] | None = None

  @functools.cached_property
  def setup(self) -> Setup:
    """What decides how it is compiled.

    Raises:
      UserError: the data set is smaller than one batch.
    """
    return Setup(
      learner=self.learner,
      plan=self.plan,
      machine=self.machine,
      mesh=parallel.row_mesh(
        trees.num_rows(self.rows),
        self.devices,
        self.machine.data_devices,
        self.machine.model_devices,
      ),
      steps_per_epoch=self.plan.steps_per_epoch(self.dataset),
      fixed_has_rows=self.fixed_has_rows,
      cuts=self._cuts(),
    )

  @property
  def num_filled(self) -> int:
    """Rows with which devices have least to do, see `filled_up`."""
    num_rows, machine = trees.num_rows(self.rows), self.machine
    if machine.model_devices > 1:
      return num_rows
    return parallel.num_filled(num_rows, self.devices, machine.data_devices)

  def _cuts(self) -> model_axis.Cuts | None:
    machine = self.machine
    if machine.model_devices == 1:
      return None
    return model_axis.cut(
      self.fixed,
      machine.model_devices,
      machine.model_axes,
      have_rows=self.fixed_has_rows,
    )

  def state_shapes(self) -> Any:
    """Returns the state before the first step as `jax.ShapeDtypeStruct`."""
    return jax.eval_shape(self.init, *self.init_arguments)

  def first_state(self) -> Any:
    """Returns the state before the first step, on its devices."""
    layout = self.setup.state_layout
    if layout.cuts is None:
      return parallel.spread(self.init(*self.init_arguments), self.setup.mesh)
    # As a whole it would not fit on a device.
    arguments = parallel.Layout(
      self.setup.mesh, parallel.EVERYWHERE, layout.cuts
    ).place(self.init_arguments)
    shardings = layout.shardings(self.state_shapes())
    return jax.jit(self.init, out_shardings=shardings)(*arguments)

  def make_feed(self) -> Any:
    """Returns how batches reach the devices; close it after use."""
    seeds = np.asarray(parallel.fetch(self.rows.seed))
    return make_feed(self.dataset, self.setup, self.keys.order, seeds)


def filled_up(job: Job) -> Job:
  """Returns the job with as many rows as its devices share best.

  Further rows are copies of the first ones: 7 rows would all be on one of 4
  devices, 8 rows are two on each (`parallel.num_filled`).
  """
  num_rows, num_filled = trees.num_rows(job.rows), job.num_filled
  state = job.state
  if state is not None and trees.num_rows(state) != num_filled:
    # Another number of devices may have filled it up.
    state = parallel.fill_up(state, num_rows, num_filled)
  job = dataclasses.replace(job, state=state)
  if num_filled == num_rows:
    return job
  fill = functools.partial(
    parallel.fill_up, num_rows=num_rows, num_filled=num_filled
  )
  return dataclasses.replace(
    job,
    rows=fill(job.rows),
    init=lambda *arguments: fill(job.init(*arguments)),
    fixed=fill(job.fixed) if job.fixed_has_rows else job.fixed,
  )


def run(
  job: Job, *, on_call: OnCall | None = None
) -> tuple[Any, list[dict[str, Any]]]:
  """Steps all rows until the plan ends or the last row has stopped.

  Args:
    job: what is run.
    on_call: called with the state and the new history rows each time the host
      sees the devices: for checkpoints and progress. The next call begins when
      it returns and reuses the state's arrays; copy what must last. Rows of the
      state beyond those of the job fill up the devices; leave them in a
      checkpoint or cut them off. Without `on_call` the host asks for nothing
      before the end, unless rows may stop.

  Returns:
    The final state, and the history: one dict per row and look.

  Raises:
    UserError: settings that do not fit the data, or a loop that does not fit
      in memory, known before it begins.
  """
  num_rows = trees.num_rows(job.rows)
  job = filled_up(job)
  setup, learner = job.setup, job.learner
  with contextlib.closing(job.make_feed()) as feed:
    memory.check(job, feed)
    fixed = setup.fixed_layout.place(job.fixed)
    shared, validation = parallel.replicate(
      ({"keys": job.keys, **feed.shared}, job.validation), setup.mesh
    )
    history = _History(
      job, fixed, {"keys": job.keys, "validation": validation}, num_rows
    )
    advance = programs.advance(setup)
    if job.state is None:
      state = job.first_state()
    elif setup.cuts is None:
      state = parallel.spread(job.state, setup.mesh)
    else:
      state = setup.state_layout.place(job.state)
    done = int(parallel.fetch(state.step)[0])
    # A loop that had ended before looks again: its `history` is empty, and
    # callers choose the best row by the last look.
    if done == setup.num_steps:
      state = history.look(state, done)
    while done < setup.num_steps and _any_active(learner, state):
      num_steps = min(feed.max_steps, setup.steps_until_stop(done))
      counts = {"done": np.int32(done), "num_steps": np.int32(num_steps)}
      state, _ = advance(
        state, job.rows, fixed, {**shared, **counts}, *feed.batches(done)
      )
      done += num_steps
      if done % setup.look_every == 0 or done == setup.num_steps:
        state = history.look(state, done)
      if on_call is not None:
        on_call(state, history.read())
      elif setup.machine.feed == "host":
        # Otherwise the host would gather batches faster than they are used.
        jax.block_until_ready(state.step)
    history.read()
  return _first_rows(state, num_rows, job), history.rows


def _first_rows(state: Any, num_rows: int, job: Job) -> Any:
  """Returns the rows that were wanted, on as many devices as divide them."""
  if trees.num_rows(state) == num_rows:
    return state
  mesh = parallel.row_mesh(num_rows, job.devices, job.machine.data_devices)
  sharding = NamedSharding(mesh, parallel.ROWS)
  # One leaf after the other: the host needs little memory.
  return jax.tree.map(
    lambda leaf: parallel.place(parallel.fetch(leaf)[:num_rows], sharding),
    state,
  )


def _any_active(learner: Learner, state: Any) -> bool:
  active = learner.active(state)
  return active is None or bool(parallel.fetch(active).any())


class _History:
  """The metrics of all looks, read from the devices when asked for.

  Attributes:
    rows: what was read, one dict per row and look.
  """

  def __init__(
    self, job: Job, fixed: Any, shared: dict[str, Any], num_rows: int
  ):
    self._num_rows = num_rows
    self.rows: list[dict[str, Any]] = []
    self._look = programs.look(job.setup)
    self._arguments = (job.rows, fixed, shared)
    self._steps_per_epoch = job.setup.steps_per_epoch
    self._row_name = job.learner.row_name
    self._unread: list[tuple[int, Any]] = []

  def look(self, state: Any, done: int) -> Any:
    """Starts a look at the state, and returns the state after it."""
    state, metrics = self._look(state, *self._arguments)
    self._unread.append((done, metrics))
    return state

  def read(self) -> list[dict[str, Any]]:
    """Returns the new rows; waits for the devices if there are any."""
    new_rows = [
      row
      for done, metrics in self._unread
      for row in self._named(parallel.fetch(metrics), done)
    ]
    self._unread = []
    self.rows += new_rows
    return new_rows

  def _named(self, metrics: Any, done: int) -> list[dict[str, Any]]:
    """Returns one dict of NumPy scalars for every row that is active."""
    num_rows = trees.num_rows(metrics)
    active = metrics.pop("active", np.ones(num_rows, bool))
    return [
      {
        "step": done,
        "epoch": done // self._steps_per_epoch,
        self._row_name: index,
        **{name: values[index] for name, values in metrics.items()},
      }
      for index in range(self._num_rows)
      if active[index]
    ]
