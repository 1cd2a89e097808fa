"""A Flax NNX network: split it, search its state, merge it back."""

import jax
from flax import nnx

from examples import two_rules
from structcomp_jax import masks, search


class Network(nnx.Module):
  """One hidden layer; nothing in it knows about masks."""

  def __init__(self, rngs):
    self.hidden = nnx.Linear(8, 32, rngs=rngs)
    self.output = nnx.Linear(32, 1, rngs=rngs)

  def __call__(self, inputs):
    """Returns f32[batch, 1]."""
    return self.output(nnx.relu(self.hidden(inputs)))


# The graph is static; the params are a tree of arrays, which the search needs.
# A network with other state: nnx.split(network, nnx.Param, ...), and merge the
# rest inside `apply`.
GRAPH, INITIAL_PARAMS = nnx.split(Network(nnx.Rngs(0)))


def apply(params, inputs):
  """Returns f32[batch, 1]."""
  return nnx.merge(GRAPH, params)(inputs)


def loss_fn(params, batch):
  """All that the search needs to know about a network and its task."""
  return two_rules.mean_squared_error(apply(params, batch["inputs"]), batch)


def main():
  """Trains, searches for the first rule and reports."""
  params = two_rules.train(loss_fn, INITIAL_PARAMS)
  spec = masks.select(params, [(".*/kernel.*", "weight"), (".*", "frozen")])
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
