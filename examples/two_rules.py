"""The task of all examples: count how many of two rules eight bits obey.

Rule "first": bits 0 and 1 differ. Rule "second": bits 2 and 3 differ. Bits 4
to 7 do not matter. A network learns the count; does it hold a subnetwork that
tests one rule alone, and does the other rule survive without it?
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax

from structcomp_jax import search

# Every input there is, 256 rows of -1 and 1.
INPUTS = jnp.asarray(
  list(itertools.product((-1, 1), repeat=8)), dtype=jnp.float32
)
LABELS = {
  "first": (INPUTS[:, 0] != INPUTS[:, 1]).astype(jnp.float32),
  "second": (INPUTS[:, 2] != INPUTS[:, 3]).astype(jnp.float32),
}
LABELS["count"] = LABELS["first"] + LABELS["second"]

SEARCH = search.SearchConfig(
  num_epochs=80, learning_rates=(0.05,), penalties=(3e-4,), seeds=(0, 1, 2)
)


def dataset(task):
  """Returns the examples of "count", "first" or "second"."""
  return {"inputs": INPUTS, "label": LABELS[task]}


def mean_squared_error(outputs, batch):
  """Returns the loss of outputs f32[batch, 1]."""
  return jnp.mean((outputs[:, 0] - batch["label"]) ** 2)


def train(loss_fn, params, num_steps=1500):
  """Returns the weights after Adam with weight decay on the count."""
  optimizer = optax.adamw(3e-3, weight_decay=0.1)

  def step(_, carry):
    params, state = carry
    gradient = jax.grad(loss_fn)(params, dataset("count"))
    updates, state = optimizer.update(gradient, state, params)
    return optax.apply_updates(params, updates), state

  state = optimizer.init(params)
  loop = jax.jit(lambda *carry: jax.lax.fori_loop(0, num_steps, step, carry))
  return loop(params, state)[0]


def report(apply_fn, networks):
  """Prints and returns {network: {task: accuracy of the rounded output}}."""
  table = {}
  for name, params in networks.items():
    outputs = np.asarray(apply_fn(params, INPUTS))[:, 0]
    table[name] = {
      task: float(np.mean(np.abs(outputs - label) < 0.5))
      for task, label in LABELS.items()
    }
    cells = "  ".join(f"{task} {x:4.0%}" for task, x in table[name].items())
    print(f"{name:10s}  {cells}")
  return table
