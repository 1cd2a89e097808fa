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
from structcomp_jax.models.bert import Bert
from structcomp_jax.models.layers.packing import Packing
from tests.models import tiny

# Tokens of 16 sentences padded to 14: 80, as expected; 213, more than that.
USUAL = tiny.sentences(*[5] * 16)
LONG = tiny.sentences(*[14] * 15, 3)
PLAIN = Bert(tiny.BERT)
PACKED = Bert(tiny.BERT, tokens_per_sentence=5.0)


@functools.cache
def variables():
  return tiny.spread(jax.jit(PLAIN.init)(jax.random.key(0), USUAL))


@functools.partial(jax.jit, static_argnums=0)
def vectors(model, variables, inputs):
  """Returns the sentence vectors."""
  return model.apply(variables, inputs)


@functools.partial(jax.jit, static_argnums=0)
def vectors_and_slopes(model, variables, inputs):
  """Returns the sentence vectors and the gradient of a sum of them."""

  def loss(variables):
    found = vectors(model, variables, inputs)
    return (found**2 * jnp.arange(found.shape[-1])).sum(), found

  slopes, found = jax.grad(loss, has_aux=True)(variables)
  return found, slopes


@pytest.mark.parametrize("inputs", [USUAL, LONG], ids=["usual", "long"])
def test_packing_changes_neither_result_nor_gradient(inputs):
  packed, plain = (
    vectors_and_slopes(model, variables(), inputs) for model in (PACKED, PLAIN)
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
  batches = trees.stack([USUAL, LONG])
  expected = [vectors(PLAIN, variables(), inputs) for inputs in (USUAL, LONG)]
  for num_devices, width in ((1, 1), (1, 0), (2, 0)):
    program = parallel.over_rows(
      lambda batch, variables: vectors(PACKED, variables, batch),
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

  def computed(inputs):
    packing = Packing(inputs["attention_mask"], tokens_per_sentence=5.0)
    rows = packing.pack(jnp.zeros((16, 14, 3)))
    return packing.unpack(packing.map(Ones.__call__, Ones(), rows))[..., 0]

  usual = computed(USUAL)
  packing = Packing(USUAL["attention_mask"], 5.0)
  assert usual.sum() == packing.num_first == 128
  assert (usual[:, :5] == 1).all()
  assert (computed(LONG) == 1).all()


def test_packing_and_unpacking_gives_all_tokens_back():
  mask = tiny.sentences(*np.arange(16) % 14 + 1)["attention_mask"]
  hidden = jax.random.normal(jax.random.key(0), (16, 14, 3))
  for tokens_per_sentence in (None, 5.0, 13.5):
    packing = Packing(mask, tokens_per_sentence)
    rows = packing.pack(hidden)
    assert len(rows) == (2 if tokens_per_sentence == 5.0 else 1)
    chex.assert_trees_all_equal(packing.unpack(rows), hidden)
