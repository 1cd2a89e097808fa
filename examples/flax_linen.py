"""A Flax Linen network: its params are the tree, its apply the function."""

import jax
from flax import linen as nn

from examples import two_rules
from structcomp_jax import masks, search


class Network(nn.Module):
  """One hidden layer; nothing in it knows about masks."""

  @nn.compact
  def __call__(self, inputs):
    """Returns f32[batch, 1]."""
    features = nn.relu(nn.Dense(32, name="hidden")(inputs))
    return nn.Dense(1, name="output")(features)


def apply(params, inputs):
  """Returns f32[batch, 1]."""
  return Network().apply({"params": params}, inputs)


def loss_fn(params, batch):
  """All that the search needs to know about a network and its task."""
  return two_rules.mean_squared_error(apply(params, batch["inputs"]), batch)


def main():
  """Trains, searches for the first rule and reports."""
  variables = Network().init(jax.random.key(0), two_rules.INPUTS)
  params = two_rules.train(loss_fn, variables["params"])
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
