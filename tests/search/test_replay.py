"""A whole search, replayed step by step in plain JAX and optax.

Which examples, which noise and which sharpness a step uses, and what the
history says of it, written out here a second time.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from structcomp_jax import masks, search, trees
from structcomp_jax.engine import batching

from . import tiny

# 4 steps an epoch.
CONFIG = search.SearchConfig(
  num_epochs=2,
  batch_size=4,
  max_beta=50.0,
  seeds=(5, 6),
  learning_rates=(0.3,),
  init_logits=(0.2,),
  penalties=(0.02,),
)
CLOSE = {"rtol": 2e-4, "atol": 2e-5}


def beta_of(config, step):
  """Returns the sharpness at a step, from 0."""
  if config.schedule == "geometric":
    return 50.0 ** (step / (config.total_steps(4) - 1))
  if config.schedule == "per_epoch":
    return 50.0 ** ((step // 4 + 1) / 2)
  return 50.0


def batch_of(config, seed, step):
  """Returns the examples that one candidate sees at a step."""
  key, _ = jax.random.split(tiny.KEY)
  if config.data_order == "per_candidate":
    key = jax.random.fold_in(key, seed)
  if config.with_replacement:
    order = jax.random.randint(jax.random.fold_in(key, step), (4,), 0, 16)
  else:
    order = batching.epoch_order(key, step // 4, 16, 4)[step % 4]
  return jax.tree.map(lambda array: array[order], dataset_of(config))


def dataset_of(config):
  return tiny.TWO_TASKS if config.two_sided else tiny.DATASET


@functools.cache
def gradient_function(relaxation, num_samples, two_sided):
  """Returns the gradient of one candidate's loss, compiled once.

  Args:
    relaxation: its name.
    num_samples: masks that are drawn at every step.
    two_sided: what a mask removes learns a task, too.

  Returns:
    (logits, weights, sharpness of every leaf, key, batch) -> ((loss, (loss of
    the task, expected size)), (gradient of logits, gradient of weights)).
  """
  relaxation = masks.get_relaxation(relaxation)

  def chunk_loss(logits, weights, betas, key, chunk):
    mask = masks.sample(relaxation, logits, beta=betas, key=key)
    network = {path: weights[path] * mask[path] for path in mask}
    if not two_sided:
      return tiny.loss_fn(network, chunk)
    rest = {path: weights[path] * (1 - mask[path]) for path in mask}
    return tiny.loss_fn(network, chunk["kept"]) + tiny.loss_fn(
      rest, chunk["rest"]
    )

  def loss_of(logits, weights, betas, key, batch):
    keys = [key] if num_samples == 1 else jax.random.split(key, num_samples)
    size = 4 // num_samples
    task_loss = sum(
      chunk_loss(
        logits,
        weights,
        betas,
        keys[index],
        trees.row(batch, slice(index * size, (index + 1) * size)),
      )
      / num_samples
      for index in range(num_samples)
    )
    cost, size = (
      sum(
        amount(logits[path], beta=betas[path]).sum() for path in sorted(logits)
      )
      for amount in (relaxation.penalty, relaxation.expected_size)
    )
    return task_loss + 0.02 * cost, (task_loss, size)

  return jax.jit(jax.value_and_grad(loss_of, argnums=(0, 1), has_aux=True))


def replay(config, seed):
  """Returns logits, and task losses and sizes of all steps."""
  _, noise_key = jax.random.split(tiny.KEY)
  noise_key = jax.random.fold_in(noise_key, seed)
  logits = {
    leaf.path: jnp.full(leaf.mask_shape, 0.2) for leaf in tiny.SPEC.leaves
  }
  adam = optax.adam(0.3, b1=0.9, b2=0.999, eps=1e-8)
  moments, losses, sizes, norms = adam.init(logits), [], [], []

  gradient_of = gradient_function(
    config.relaxation, config.num_mask_samples, config.two_sided
  )
  stale = {path: 0.0 for path in logits}
  for step in range(config.total_steps(4)):
    betas = {
      path: 1.0 if path in config.constant_beta else beta_of(config, step)
      for path in logits
    }
    (_, (task_loss, size)), (gradient, of_weights) = gradient_of(
      logits,
      tiny.NETWORK.params,
      betas,
      jax.random.fold_in(noise_key, step),
      batch_of(config, seed, step),
    )
    if config.clip_norm:
      leaves = list(gradient.values())
      if config.clip_scope == "reference":
        stale = {path: stale[path] + of_weights[path] for path in stale}
        leaves += stale.values()
      norm = np.sqrt(sum(float((leaf**2).sum()) for leaf in leaves))
      scale = min(1.0, config.clip_norm / norm)
      gradient = {path: scale * leaf for path, leaf in gradient.items()}
      stale = {path: scale * leaf for path, leaf in stale.items()}
      norms.append(norm)
    update, moments = adam.update(gradient, moments)
    logits = optax.apply_updates(logits, update)
    losses.append(float(task_loss))
    sizes.append(float(size))
  # Some gradients are clipped, others are not.
  assert not norms or min(norms) < config.clip_norm < max(norms)
  return logits, losses, sizes


@pytest.mark.parametrize(
  "changes",
  [
    {},
    {"data_order": "shared"},
    {"schedule": "per_epoch"},
    {"constant_beta": ("output",)},
    {"relaxation": "gumbel_sigmoid"},
    {"relaxation": "gumbel_sigmoid", "data_order": "shared"},
    {"relaxation": "hard_concrete", "data_order": "shared"},
    {"relaxation": "gumbel_sigmoid", "num_mask_samples": 2},
    {"relaxation": "hard_concrete", "num_mask_samples": 4},
    {"clip_norm": 0.15},
    {"clip_norm": 0.4, "clip_scope": "reference"},
    {"with_replacement": True},
    {"with_replacement": True, "data_order": "shared", "feed": "host"},
    {"num_steps": 6},
    {"num_steps": 7, "look_every": 3, "relaxation": "gumbel_sigmoid"},
    {"num_steps": 7, "look_every": 3, "feed": "host"},
    {"two_sided": True, "feed": "host"},
    {
      "two_sided": True,
      "relaxation": "gumbel_sigmoid",
      "num_mask_samples": 2,
    },
  ],
  ids=str,
)
def test_every_step_is_the_one_written_out(changes):
  config = dataclasses.replace(CONFIG, **changes)
  result = tiny.run(config, dataset=dataset_of(config))
  for index, seed in enumerate(config.seeds):
    logits, losses, sizes = replay(config, seed)
    for path, expected in logits.items():
      np.testing.assert_allclose(
        result.mask_logits[path][index], expected, **CLOSE
      )
    rows = [row for row in result.history if row["candidate"] == index]
    num_steps, every = config.total_steps(4), config.look_every or 4
    ends = [*range(every, num_steps, every), num_steps]
    assert [row["step"] for row in rows] == ends
    assert [row["epoch"] for row in rows] == [end // 4 for end in ends]
    for row, first, end in zip(rows, [0, *ends], ends, strict=False):
      # Of the steps since the last look alone.
      for name, values in (("train/loss", losses), ("train/size", sizes)):
        np.testing.assert_allclose(
          row[name], np.mean(values[first:end]), rtol=1e-3
        )
      assert row["beta"] == pytest.approx(beta_of(config, end - 1), rel=1e-5)


def test_noise_differs_between_seeds_that_see_the_same_examples():
  config = dataclasses.replace(
    CONFIG, relaxation="gumbel_sigmoid", data_order="shared"
  )
  hidden = np.asarray(tiny.run(config).mask_logits["hidden"])
  assert (hidden[0] != hidden[1]).any()


def test_the_best_is_judged_on_validation_not_on_training():
  """Validation wants what training does not: the ranking turns around."""
  config = dataclasses.replace(CONFIG, learning_rates=(0.3, 1e-6), seeds=(5,))
  on_training = tiny.run(config)
  losses = [row["train/loss"] for row in on_training.history[-2:]]
  assert losses[on_training.best] == min(losses)
  network = trees.row(on_training.masks, 1)
  ideal = {
    path: jnp.where(network[path], leaf, 0)
    for path, leaf in tiny.NETWORK.params.items()
  }
  # The labels that the candidate gives which learned nothing.
  outputs = tiny.planted.apply(ideal, tiny.DATASET["inputs"])
  validated = tiny.run(
    config,
    validation={**tiny.DATASET, "label": outputs},
    metrics_fn=tiny.metrics_fn,
  )
  hard = [row["validation/hard/loss"] for row in validated.history[-2:]]
  assert on_training.best == 0
  assert validated.best == int(np.argmin(hard)) == 1


def test_a_candidate_that_stopped_at_once_is_not_best():
  """Its losses sum up to nothing, the lowest there is."""
  config = dataclasses.replace(CONFIG, init_logits=(3e38, 0.2), seeds=(5,))
  result = tiny.run(config)
  losses = [row["train/loss"] for row in result.history[-2:]]
  assert losses[0] == 0 < losses[1]
  assert result.finite.tolist() == [False, True]
  assert result.best == 1


def test_a_candidate_that_stopped_is_never_best():
  config = dataclasses.replace(
    CONFIG, learning_rates=(1e18, 0.3, 0.01), seeds=(5,)
  )
  result = tiny.run(config)
  assert result.finite.tolist() == [False, True, True]
  losses = [row["train/loss"] for row in result.history[-3:]]
  assert result.best == 1 + int(np.argmin(losses[1:]))


def test_density_counts_the_weights_of_a_neuron():
  spec = masks.select(tiny.NETWORK.params, [(".*", "neuron", -1)])
  result = search.run(
    tiny.loss_fn,
    tiny.NETWORK.params,
    spec,
    tiny.DATASET,
    CONFIG,
    key=tiny.KEY,
    devices=jax.devices()[:1],
  )
  for index, row in enumerate(result.history[-2:]):
    kept = [
      np.broadcast_to(result.masks[path][index], leaf.shape).sum()
      for path, leaf in tiny.NETWORK.params.items()
    ]
    sizes = [leaf.size for leaf in tiny.NETWORK.params.values()]
    assert row["density"] == pytest.approx(sum(kept) / sum(sizes), rel=1e-5)
