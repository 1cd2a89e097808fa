"""The two compiled programs of a loop: some steps, and a look at the rows.

Both are kept by value: loops that differ in data, weights, rows and keys alone
run what was compiled before.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from structcomp_jax import trees, types
from structcomp_jax.engine import batching, parallel
from structcomp_jax.engine.learner import Now, Setup

# Folded into the key of a step, this is the key of the look after it. Learners
# fold in small numbers only, such as that of a leaf.
_LOOK = 0x6C6F6F6B


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
    cuts=(setup.cuts, None, setup.cuts, None, *(None for _ in further_specs)),
    width=setup.machine.vmap_width,
    in_place=True,
  )
