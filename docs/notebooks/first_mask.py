# %% [markdown]
# # A first mask
#
# The parts of this network are known, weight by weight, because it was made by
# hand: does a mask find them? All of it takes half a minute. To run it
# yourself, save [its file](first_mask.py) and make a notebook of it:
# `jupytext --to ipynb first_mask.py`.

# %%
import jax
import jax.numpy as jnp
import pandas as pd

from structcomp_jax import masks, search
from structcomp_jax.evaluation import Variant, evaluate
from structcomp_jax.models import planted
from structcomp_jax.structure.view import View

# %% [markdown]
# ## A network made of parts
#
# Two pairs of words of two bits go in, the sum of their two Hamming distances
# comes out. One block of weights computes the first distance, another one the
# second, and six units of junk cancel each other.

# %%
network = planted.build(key=jax.random.key(0))
params, names = network.params, planted.SUBROUTINES
View(network.truth, title="The truth")

# %% [markdown]
# A search knows the network by its weights and by a function of them, and a
# subroutine by its problems.

# %%
tasks = {
  name: {"inputs": network.inputs, "label": network.distances[name]}
  for name in names
}


def metrics_fn(params, batch):
  """Returns the loss and the accuracy of every example."""
  error = planted.apply(params, batch["inputs"]) - batch["label"]
  return {"loss": error**2, "accuracy": 1.0 * (jnp.abs(error) < 0.5)}


def loss_fn(params, batch):
  """Returns the mean loss."""
  return metrics_fn(params, batch)["loss"].mean()


# %% [markdown]
# ## Select, search
#
# Every weight has a switch. Three seeds are three candidates of one search; the
# penalty is the loss per kept weight.

# %%
spec = masks.select(params, [(".*", "weight")])
print(spec.describe())

# %%
SEEDS = (0, 1, 2)


def masks_for(name, params, penalty=1e-3):
  """Returns what a search for a subroutine found."""
  config = search.SearchConfig(
    num_epochs=80, learning_rates=(0.05,), penalties=(penalty,), seeds=SEEDS
  )
  return search.run(
    loss_fn, params, spec, tasks[name], config, key=jax.random.key(1),
    validation=tasks[name], metrics_fn=metrics_fn,
  )  # fmt: skip


found = {name: masks_for(name, params) for name in names}

# %% [markdown]
# ## What masks keep, and what is left without them
#
# The subnetwork is what a mask keeps, the ablated network all the rest. A part
# that is one does its own subroutine alone; without it only the other one is
# left. Here a network is right if its output is nearer than 0.5.


# %%
def tested(params, found):
  """Returns the accuracies of both networks of every mask, as a table."""
  rows = {}
  for name, result in found.items():
    variants = {
      "subnetwork": Variant(result.masks, SEEDS),
      "ablated network": Variant(result.masks, SEEDS, inverted=True),
    }
    by_network = evaluate(
      metrics_fn, params, spec, variants, tasks, key=jax.random.key(2)
    )
    for kind, by_task in by_network.items():
      rows[name, kind] = {
        f"accuracy on {task}": values["accuracy"].mean()
        for task, values in by_task.items()
      }
  return pd.DataFrame(rows).T.rename_axis(["mask for", "network"])


accuracies = tested(params, found)
accuracies.astype(float).round(2)

# %% [markdown]
# ## Is it the right mask?
#
# Usually nobody knows. Here the truth stands beside what was found:
# intersection over union, 1 for the very same weights.

# %%
recovered = {
  name: float(masks.total_iou(result.mask, network.truth[name]))
  for name, result in found.items()
}
print(recovered)
View({name: result.mask for name, result in found.items()}, title="Found")

# %% [markdown]
# ## How much the penalty decides
#
# Too low, and a mask keeps what it does not need; too high, and it gives up the
# task. A statement that holds for one penalty alone is about the search.

# %%
PENALTIES = (0.0, 1e-3, 1e-2, 1e-1, 1.0)
swept = {penalty: masks_for("first", params, penalty) for penalty in PENALTIES}
by_penalty = pd.DataFrame(
  [
    {
      "penalty": penalty,
      "kept": float(masks.total_density(result.mask)),
      "accuracy": result.history[-1]["validation/hard/accuracy"],
      "iou with the truth": float(
        masks.total_iou(result.mask, network.truth["first"])
      ),
    }
    for penalty, result in swept.items()
  ]
)
by_penalty.round(2)

# %% [markdown]
# ## The control: weights that know nothing
#
# Among enough random weights a search finds something, too. The same search in
# a network of the same shape with random weights says how much of the above the
# search itself makes. No answer is worth much without it.

# %%
keys = jax.random.split(jax.random.key(3), len(params))
random_params = {
  name: jax.random.normal(key, params[name].shape) * jnp.std(params[name])
  for key, name in zip(keys, sorted(params), strict=True)
}
control = tested(
  random_params, {name: masks_for(name, random_params) for name in names}
)
control.astype(float).round(2)

# %% [markdown]
# Next: [your own network](../own_network.md), and a whole experiment in
# [a published row](published_row.py).
