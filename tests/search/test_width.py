"""How many candidates run at once: what fits, and what is fastest."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import masks, search, trees
from structcomp_jax.engine import memory, parallel, width
from structcomp_jax.types import UserError

from . import compilations

# Large enough that its arrays are what takes the memory.
_SIZE = 64
_GENERATOR = np.random.default_rng(0)
PARAMS = {
  name: _GENERATOR.normal(size=(_SIZE, _SIZE)).astype(np.float32) / 8
  for name in ("first", "second")
}
DATASET = {"x": _GENERATOR.normal(size=(4096, _SIZE)).astype(np.float32)}
SPEC = masks.select(PARAMS, [(".*", "weight")])
CONFIG = search.SearchConfig(num_epochs=1, batch_size=32, seeds=tuple(range(6)))
STATE_BYTES = 3 * 4 * SPEC.num_weights  # logits and two moments


def loss_fn(params, batch):
  hidden = jnp.tanh(batch["x"] @ params["first"])
  return jnp.mean((hidden @ params["second"] - batch["x"]) ** 2)


def call(function, config=CONFIG):
  """Calls `search.run` or `search.choose_width` on one device."""
  return function(
    loss_fn,
    PARAMS,
    SPEC,
    DATASET,
    config,
    key=jax.random.key(0),
    devices=jax.devices()[:1],
  )


@pytest.fixture
def seconds(monkeypatch):
  """{width: seconds of a step}, in place of a measurement."""
  table = {1: 3.0, 2: 2.0, 6: 1.0}
  monkeypatch.setattr(
    width, "_seconds_per_step", lambda job, width, *_: table[width]
  )
  return table


@pytest.fixture
def needed(seconds):
  """{width: bytes}."""
  return call(search.choose_width).bytes_per_device


def limit_memory(monkeypatch, num_bytes):
  """Pretends that a device has so much memory left."""
  monkeypatch.setattr(memory, "free_bytes", lambda mesh: num_bytes)


@pytest.mark.parametrize(
  ("number", "expected"),
  [(1, [1]), (6, [1, 2, 6]), (7, [1, 7]), (8, [1, 2, 4, 8]), (9, [1, 3, 9])],
)
def test_widths_divide_the_candidates(number, expected):
  assert memory.widths(number) == expected


@pytest.mark.parametrize(
  ("table", "expected"),
  [
    ({1: 6.0, 2: 4.0, 6: 1.0}, 6),
    ({1: 6.0, 2: 4.0, 6: 5.0}, 2),
    ({1: 6.0, 2: 5.9, 6: 5.95}, 1),  # equally fast: the narrowest
    ({1: 6.0, 2: 7.0}, 1),  # no wider one is tried
  ],
)
def test_the_fastest_width_is_chosen(seconds, table, expected):
  seconds.clear()
  seconds.update(table)
  chosen = call(search.choose_width)
  assert chosen.width == expected
  assert chosen.seconds_per_step == table


def test_the_steps_measured_are_not_compiled_again(monkeypatch):
  monkeypatch.setattr(width, "_SECONDS", 0.05)
  chosen = call(search.choose_width)
  assert all(value > 0 for value in chosen.seconds_per_step.values())
  config = dataclasses.replace(CONFIG, vmap_width=chosen.width)
  with compilations.counted() as names:
    call(search.run, config)
  assert "jit(run_steps)" not in names
  assert "jit(look_at_rows)" in names  # the metrics at the end of the epoch


def test_memory_counts_the_states_of_all_candidates_once(needed):
  data = trees.num_elements((PARAMS, DATASET)) * 4
  states = len(CONFIG.seeds) * STATE_BYTES
  assert list(needed) == [1, 2, 6]
  for at_once, num_bytes in needed.items():
    assert num_bytes > data + states
    # On top of them, what the steps of one chunk make on their way.
    assert num_bytes < data + states + 3 * at_once * STATE_BYTES


def test_what_does_not_fit_is_not_run(monkeypatch, needed):
  limit_memory(monkeypatch, needed[2])
  chosen = call(search.choose_width)
  assert chosen.width == 2
  assert chosen.bytes_per_device == needed


def test_a_run_that_does_not_fit_names_a_width_that_does(monkeypatch, needed):
  limit_memory(monkeypatch, needed[2])
  with pytest.raises(
    UserError,
    match=r"^6 candidates, 6 at once, need .* GB; a device has room for .* GB; "
    r"set vmap_width to 2 \(.* GB\)$",
  ):
    call(search.run)
  call(search.run, dataclasses.replace(CONFIG, vmap_width=2))


def test_what_is_on_the_device_already_needs_no_more_room(monkeypatch, needed):
  arguments = 6 * STATE_BYTES + trees.num_elements((PARAMS, DATASET)) * 4
  limit_memory(monkeypatch, needed[6] - arguments)
  with pytest.raises(UserError, match="a device has room for"):
    call(search.run)
  search.run(
    loss_fn,
    *jax.tree.map(jnp.asarray, (PARAMS,)),
    SPEC,
    jax.tree.map(jnp.asarray, DATASET),
    CONFIG,
    key=jax.random.key(0),
    state=search.initial_state(CONFIG.candidates(), SPEC),
    devices=jax.devices()[:1],
  )


def test_validation_that_does_not_fit_is_refused_before_the_run(
  monkeypatch, needed
):
  # The validation examples, and a tenth for what a look makes on its way.
  limit_memory(monkeypatch, needed[1] + 1.1 * 4096 * _SIZE * 4)

  def metrics_fn(params, batch):
    hidden = jnp.tanh(batch["x"] @ params["first"])
    return {"loss": jnp.mean((hidden @ params["second"]) ** 2, axis=1)}

  def run(batch_size):
    search.run(
      loss_fn,
      PARAMS,
      SPEC,
      DATASET,
      dataclasses.replace(CONFIG, vmap_width=1, eval_batch_size=batch_size),
      key=jax.random.key(0),
      validation=DATASET,
      metrics_fn=metrics_fn,
      devices=jax.devices()[:1],
    )

  with pytest.raises(
    UserError,
    match=r"^validation, 1 candidates at once, needs .* GB; a device has "
    r"room for .* GB; choose a smaller eval_batch_size",
  ):
    run(4096)
  run(32)


@pytest.mark.parametrize(
  ("states_too_many", "remedy"),
  [
    (2, "run at most 4 at a time, or choose a smaller batch_size"),
    (6.5, r"keep the training set on the host \(feed\), or"),
    (20, "learn less of the network, e.g. mask fewer layers, or"),
  ],
)
def test_error_when_nothing_fits(monkeypatch, needed, states_too_many, remedy):
  limit_memory(monkeypatch, needed[1] - states_too_many * STATE_BYTES)
  for function in (search.run, search.choose_width):
    with pytest.raises(
      UserError,
      match=r"^6 candidates, one at once, need .* GB; a device has room for "
      rf".* GB; {remedy}",
    ):
      call(function)


def test_memory_of_the_machine_is_shared_by_its_cpu_devices():
  one = memory.free_bytes(parallel.row_mesh(1))
  eight = memory.free_bytes(parallel.row_mesh(8))
  np.testing.assert_allclose(one / eight, 8, rtol=0.2)
