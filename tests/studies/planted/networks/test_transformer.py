"""The transformer is one, though its keys and values are never made."""

import jax.numpy as jnp
import numpy as np

from structcomp_jax.models.layers import transformer as layers
from structcomp_jax.studies.planted.networks.transformer import Transformer
from tests.studies.planted.conftest import SMALL, embed, two


def reference(params, items, num_heads):
  """Computes the same token by token."""
  kernels = {name: layer.get("kernel") for name, layer in params.items()}
  tokens = params["embed"]["places"] + items[..., None] * params["embed"]["bit"]
  read = np.broadcast_to(
    params["embed"]["read"], (len(items), 1, tokens.shape[-1])
  )
  flat = {
    name: kernels[name].reshape(tokens.shape[-1], -1)
    for name in ("query", "key", "value")
  }
  values = layers.attend(
    jnp.asarray(read @ flat["query"]),
    jnp.asarray(tokens @ flat["key"]),
    jnp.asarray(tokens @ flat["value"]),
    num_heads=num_heads,
  )[:, 0]
  attended = kernels["attended"].reshape(values.shape[-1], -1)
  stream = read[:, 0] + values @ attended
  inner = stream @ kernels["inner"] + params["inner"]["bias"]
  stream += np.maximum(inner, 0) @ kernels["outer"] + params["outer"]["bias"]
  return stream @ kernels["output"] + params["output"]["bias"]


def test_it_is_a_layer_of_attention_and_units():
  network = SMALL["transformer"]
  params, _ = two(network)
  items = np.random.default_rng(0).choice([-1.0, 1], (50, 10))
  found = embed(network, params, np.float32(items))
  expected = reference(params, np.float32(items), network.num_heads)
  np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_items_may_have_any_axes():
  network = Transformer()
  params = two(network)[0]
  items = np.float32(np.random.default_rng(0).choice([-1, 1], (3, 4, 10)))
  np.testing.assert_allclose(
    embed(network, params, items)[1, 2],
    embed(network, params, items[1, 2]),
    rtol=1e-3,
    atol=1e-4,
  )
