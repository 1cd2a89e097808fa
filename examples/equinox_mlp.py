"""An Equinox network: partition it, search its arrays, combine it again."""

import equinox as eqx
import jax

from examples import two_rules
from structcomp_jax import masks, search

# The arrays are the params; all else (activations, sizes) is static.
INITIAL_PARAMS, STATIC = eqx.partition(
  eqx.nn.MLP(8, 1, width_size=32, depth=1, key=jax.random.key(0)),
  eqx.is_inexact_array,
)


def apply(params, inputs):
  """Returns f32[batch, 1]; Equinox layers take one example at a time."""
  return jax.vmap(eqx.combine(params, STATIC))(inputs)


def loss_fn(params, batch):
  """All that the search needs to know about a network and its task."""
  return two_rules.mean_squared_error(apply(params, batch["inputs"]), batch)


def main():
  """Trains, searches for the first rule and reports."""
  params = two_rules.train(loss_fn, INITIAL_PARAMS)
  spec = masks.select(params, [(".*/weight", "weight"), (".*", "frozen")])
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
