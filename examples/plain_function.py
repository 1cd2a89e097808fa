"""Any function of weights and inputs can be searched: no library needed."""

import jax
import jax.numpy as jnp

from examples import two_rules
from structcomp_jax import masks, search


def init(key):
  """Returns the weights of a network with one hidden layer of 32 units."""
  hidden_key, output_key = jax.random.split(key)
  return {
    "hidden": {
      "kernel": jax.random.normal(hidden_key, (8, 32)) / 8**0.5,
      "bias": jnp.zeros(32),
    },
    "output": {
      "kernel": jax.random.normal(output_key, (32, 1)) / 32**0.5,
      "bias": jnp.zeros(1),
    },
  }


def apply(params, inputs):
  """Returns f32[batch, 1]."""
  hidden, output = params["hidden"], params["output"]
  features = jax.nn.relu(inputs @ hidden["kernel"] + hidden["bias"])
  return features @ output["kernel"] + output["bias"]


def loss_fn(params, batch):
  """All that the search needs to know about a network and its task."""
  return two_rules.mean_squared_error(apply(params, batch["inputs"]), batch)


def main():
  """Trains, searches for the first rule and reports."""
  params = two_rules.train(loss_fn, init(jax.random.key(0)))
  spec = masks.select(params, [(".*/kernel", "weight"), (".*", "frozen")])
  result = search.run(
    loss_fn,
    params,
    spec,
    two_rules.dataset("first"),
    two_rules.SEARCH,
    key=jax.random.key(1),
  )
  subnetwork = masks.merge(params, result.mask)
  ablated = masks.merge(params, masks.complement(result.mask))
  return two_rules.report(
    apply, {"whole": params, "subnetwork": subnetwork, "ablated": ablated}
  )


if __name__ == "__main__":
  main()
