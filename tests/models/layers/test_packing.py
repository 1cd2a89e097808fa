"""Real tokens first: exact in every batch, cheaper in the usual one."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from structcomp_jax import trees
from structcomp_jax.engine import parallel
from structcomp_jax.models.bert import Bert, BertConfig
from structcomp_jax.models.layers.packing import Packing

CONFIG = BertConfig(
  vocab_size=40,
  hidden_size=16,
  num_layers=2,
  num_heads=2,
  intermediate_size=32,
  max_positions=50,
)
# Tokens of 16 sentences padded to 14: 80, as expected; 213, more than that.
USUAL = np.full(16, 5)
LONG = np.array([14] * 15 + [3])
PACKED = Bert(CONFIG, tokens_per_sentence=5.0)


def inputs(lengths):
  mask = np.arange(14) < lengths[:, None]
  ids = np.random.default_rng(0).integers(1, 40, mask.shape) * mask
  return jnp.asarray(ids), jnp.asarray(mask)


@functools.cache
def variables():
  initial = jax.jit(Bert(CONFIG).init)(jax.random.key(0), *inputs(USUAL))
  random = np.random.default_rng(1)
  return jax.tree.map(
    lambda leaf: leaf + 0.3 * random.standard_normal(leaf.shape, np.float32),
    initial,
  )


@functools.partial(jax.jit, static_argnums=0)
def vectors(model, variables, ids, mask):
  """Returns the sentence vectors."""
  return model.apply(variables, ids, mask, method="first_token")


@functools.partial(jax.jit, static_argnums=0)
def vectors_and_slopes(model, variables, ids, mask):
  """Returns the sentence vectors and the gradient of a sum of them."""

  def loss(variables):
    found = vectors(model, variables, ids, mask)
    return (found**2 * jnp.arange(16)).sum(), found

  slopes, found = jax.grad(loss, has_aux=True)(variables)
  return found, slopes


@pytest.mark.parametrize("lengths", [USUAL, LONG])
def test_packing_changes_neither_result_nor_gradient(lengths):
  packed, plain = (
    vectors_and_slopes(model, variables(), *inputs(lengths))
    for model in (PACKED, Bert(CONFIG))
  )
  chex.assert_trees_all_close(packed[0], plain[0], atol=1e-5)
  for path, slope in trees.leaves_by_path(plain[1]).items():
    np.testing.assert_allclose(
      trees.leaves_by_path(packed[1])[path],
      slope,
      atol=1e-4 * (1 + float(jnp.abs(slope).max())),
      err_msg=path,
    )


def test_candidates_on_devices_may_have_batches_of_both_kinds():
  batches = trees.stack([inputs(USUAL), inputs(LONG)])
  expected = [
    vectors(Bert(CONFIG), variables(), *inputs(lengths))
    for lengths in (USUAL, LONG)
  ]
  for num_devices, width in ((1, 1), (1, 0), (2, 0)):
    program = parallel.over_rows(
      lambda batch, variables: vectors(PACKED, variables, *batch),
      parallel.row_mesh(2, jax.devices()[:num_devices]),
      width=width,
    )
    chex.assert_trees_all_close(
      program(batches, variables()), jnp.stack(expected), atol=1e-5
    )


def test_usual_batch_computes_no_padding():
  """The second part is a branch, taken where real tokens reach into it."""

  class Ones(nn.Module):
    def __call__(self, tokens):
      return jnp.ones_like(tokens)

  def computed(lengths):
    _, mask = inputs(lengths)
    packing = Packing(mask, tokens_per_sentence=5.0)
    rows = packing.pack(jnp.zeros((16, 14, 3)))
    return packing.unpack(packing.map(Ones.__call__, Ones(), rows))[..., 0]

  usual = computed(USUAL)
  assert usual.sum() == Packing(inputs(USUAL)[1], 5.0).num_first == 128
  assert (usual[:, :5] == 1).all()
  assert (computed(LONG) == 1).all()


def test_packing_and_unpacking_gives_all_tokens_back():
  _, mask = inputs(np.arange(16) % 14 + 1)
  hidden = jax.random.normal(jax.random.key(0), (16, 14, 3))
  for tokens_per_sentence in (None, 5.0, 13.5):
    packing = Packing(mask, tokens_per_sentence)
    rows = packing.pack(hidden)
    assert len(rows) == (2 if tokens_per_sentence == 5.0 else 1)
    chex.assert_trees_all_equal(packing.unpack(rows), hidden)
