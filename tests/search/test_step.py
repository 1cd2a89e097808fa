"""The objective and one optimiser step, against arithmetic in the open."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import masks, search, trees
from structcomp_jax.engine import parallel
from structcomp_jax.engine.learner import Now, Setup
from structcomp_jax.engine.plan import Machine, Plan
from structcomp_jax.search import MaskLearner
from structcomp_jax.search import learner as learner_module

from . import tiny

KEY = jax.random.key(11)


def random_logits():
  """Returns mask logits of the tiny network."""
  generator = np.random.default_rng(2)
  return {
    leaf.path: jnp.asarray(generator.normal(size=leaf.mask_shape), jnp.float32)
    for leaf in tiny.SPEC.leaves
  }


def learner_of(config, loss_fn=tiny.loss_fn):
  """Returns the learner of masks of the tiny network."""
  return MaskLearner(loss_fn, None, tiny.SPEC, config.objective())


def now_of(config, learner):
  """Returns the first step of a loop."""
  setup = Setup(
    learner=learner,
    plan=Plan.of(config),
    machine=Machine.of(config),
    mesh=parallel.row_mesh(1),
    steps_per_epoch=1,
  )
  return Now(
    setup=setup,
    step=jnp.int32(0),
    key=KEY,
    steps_since_look=jnp.int32(1),
    places=jnp.arange(config.batch_size),
  )


def config_at_beta_3(**changes):
  """Returns a config whose beta is 3 throughout."""
  changes = {"batch_size": 16, **changes}
  return search.SearchConfig(schedule="constant", max_beta=3.0, **changes)


AT_BETA_3 = config_at_beta_3()


@functools.partial(jax.jit, static_argnames="config")
def objective(mask_logits, batch, config, *, penalty=0.0):
  """Returns the loss, the task loss and the expected number of weights."""
  learner = learner_of(config)
  loss, (task_loss, size) = learner.objective(
    mask_logits,
    tiny.NETWORK.params,
    batch,
    penalty,
    now=now_of(config, learner),
  )
  return loss, task_loss, size


def test_objective_of_a_deterministic_relaxation_by_hand():
  logits = random_logits()
  config = config_at_beta_3()
  loss, task_loss, size = objective(logits, tiny.DATASET, config, penalty=0.1)
  soft = {path: 1 / (1 + np.exp(-3.0 * leaf)) for path, leaf in logits.items()}
  network = {path: tiny.NETWORK.params[path] * soft[path] for path in soft}
  expected = tiny.loss_fn(network, tiny.DATASET)
  kept = sum(leaf.sum() for leaf in soft.values())
  np.testing.assert_allclose(task_loss, expected, rtol=1e-5)
  np.testing.assert_allclose(size, kept, rtol=1e-5)
  np.testing.assert_allclose(loss, expected + 0.1 * kept, rtol=1e-5)


@pytest.mark.parametrize("num_samples", [1, 4])
def test_every_chunk_sees_its_own_sample(num_samples):
  logits = random_logits()
  config = config_at_beta_3(
    relaxation="gumbel_sigmoid", num_mask_samples=num_samples
  )
  _, task_loss, _ = objective(logits, tiny.DATASET, config)
  relaxation = masks.get_relaxation("gumbel_sigmoid")
  keys = [KEY] if num_samples == 1 else jax.random.split(KEY, num_samples)
  chunk_losses = []
  for index, key in enumerate(keys):
    mask = masks.sample(relaxation, logits, beta=3.0, key=key)
    rows = slice(index * 16 // num_samples, (index + 1) * 16 // num_samples)
    chunk_losses.append(
      tiny.loss_fn(
        masks.merge(tiny.NETWORK.params, mask),
        {name: array[rows] for name, array in tiny.DATASET.items()},
      )
    )
  # So few weights are hidden that two chunks may have the same error.
  assert len(set(map(float, chunk_losses))) >= min(num_samples, 3)
  np.testing.assert_allclose(task_loss, np.mean(chunk_losses), rtol=1e-6)


def test_many_draws_are_those_of_a_few(monkeypatch):
  config = config_at_beta_3(relaxation="gumbel_sigmoid", num_mask_samples=4)

  def found():
    def loss_of(logits):
      # Not compiled before, with the other limit.
      return objective.__wrapped__(logits, tiny.DATASET, config)[0]

    logits = random_logits()
    loops = str(jax.make_jaxpr(loss_of)(logits)).count(" scan[")
    return loops, jax.jit(jax.value_and_grad(loss_of))(logits)

  loops, few = found()
  monkeypatch.setattr(learner_module, "_MOST_WRITTEN_OUT", 0)
  more_loops, many = found()
  assert more_loops == loops + 1
  chex.assert_trees_all_close(many, few, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("relaxation", sorted(masks.RELAXATIONS))
def test_penalty_does_not_depend_on_the_batch_size(relaxation):
  logits = random_logits()
  config = config_at_beta_3(batch_size=1, relaxation=relaxation)
  costs = []
  for num_examples in (1, 4, 16):
    batch = trees.row(tiny.DATASET, slice(num_examples))
    loss, task_loss, _ = objective(logits, batch, config, penalty=2.0)
    costs.append(float(loss - task_loss))
  np.testing.assert_allclose(costs, costs[0], rtol=1e-5)
  amount = masks.penalty(
    masks.get_relaxation(relaxation), logits, tiny.SPEC, beta=3.0
  )
  np.testing.assert_allclose(costs[0], 2 * amount, rtol=1e-5)


@pytest.mark.parametrize("num_samples", [1, 4])
def test_penalty_pulls_every_raw_logit_as_much(num_samples):
  """Of Gumbel-sigmoid masks, whatever the logit and the batch."""
  config = config_at_beta_3(
    relaxation="gumbel_sigmoid", num_mask_samples=num_samples
  )

  @jax.jit
  def pull_of(logits, batch):
    def cost(logits):
      loss, task_loss, _ = objective(logits, batch, config, penalty=2.0)
      return loss - task_loss

    return jax.grad(cost)(logits)

  for scale, num_examples in ((1, 16), (200, 16), (0, 16), (1, 8)):
    logits = jax.tree.map(lambda leaf, by=scale: by * leaf, random_logits())
    batch = trees.row(tiny.DATASET, slice(num_examples))
    for leaf in jax.tree.leaves(pull_of(logits, batch)):
      np.testing.assert_allclose(leaf, 2.0, rtol=1e-6)


@functools.partial(jax.jit, static_argnames=("loss_fn", "config"))
def take_step(state, candidate, batch, loss_fn=tiny.loss_fn, config=AT_BETA_3):
  """Returns the state after one step at beta = 3."""
  learner = learner_of(config, loss_fn)
  new = learner.step(
    state,
    candidate,
    tiny.NETWORK.params,
    batch,
    now=now_of(config, learner),
  )
  return new.replace(step=state.step + 1)


def state_of(candidate, **kwargs):
  """Returns the state of one candidate before its first step."""
  rows = jax.tree.map(lambda leaf: leaf[None], candidate)
  return trees.row(search.initial_state(rows, tiny.SPEC, **kwargs), 0)


def test_first_adam_step_moves_every_logit_by_the_learning_rate():
  candidate = trees.row(
    search.grid(learning_rates=(0.25,), init_logits=(0.5,), penalties=(0.1,)), 0
  )
  state = state_of(candidate)
  new_state = take_step(state, candidate, tiny.DATASET)
  gradient = jax.grad(
    lambda logits: objective(
      logits, tiny.DATASET, config_at_beta_3(), penalty=0.1
    )[0]
  )(state.mask_logits)
  # Adam divides the first gradient by its own size.
  chex.assert_trees_all_close(
    new_state.mask_logits,
    {path: 0.5 - 0.25 * jnp.sign(leaf) for path, leaf in gradient.items()},
    atol=1e-4,
  )
  assert int(new_state.step) == 1
  assert bool(new_state.finite)
  assert float(new_state.loss_sum) > 0
  assert float(new_state.size_sum) > 0


def test_step_with_a_non_finite_loss_changes_nothing_but_the_flag():
  candidate = trees.row(search.grid(learning_rates=(0.25,)), 0)
  state = state_of(candidate)
  state = take_step(state, candidate, tiny.DATASET)
  bad = tiny.DATASET | {"label": jnp.full(16, jnp.nan)}
  stopped = take_step(state, candidate, bad)
  chex.assert_trees_all_equal(
    stopped, state.replace(step=jnp.int32(2), finite=jnp.bool_(False))
  )
  # Nothing wakes it up again.
  after = take_step(stopped, candidate, tiny.DATASET)
  chex.assert_trees_all_equal(after, stopped.replace(step=jnp.int32(3)))


def test_step_with_a_non_finite_gradient_changes_nothing_but_the_flag():
  def loss_fn(params, batch):
    # Finite, but its slope at 0 is not.
    return tiny.loss_fn(params, batch) + jnp.sqrt(0 * params["output"].sum())

  candidate = trees.row(search.grid(learning_rates=(0.25,)), 0)
  state = state_of(candidate)
  assert bool(jnp.isfinite(loss_fn(tiny.NETWORK.params, tiny.DATASET)))
  chex.assert_trees_all_equal(
    take_step(state, candidate, tiny.DATASET, loss_fn=loss_fn),
    state.replace(step=jnp.int32(1), finite=jnp.bool_(False)),
  )
