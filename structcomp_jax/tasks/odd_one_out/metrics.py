"""Score, loss and accuracy of an odd-one-out problem.

A problem is a handful of items, one of which breaks a rule that the others
obey. A network embeds every item on its own; the odd one is the item least
similar to all of them (Lepori, Serre & Pavlick 2023, section 4).
"""

import chex
import jax
import jax.numpy as jnp

# A vector this short (squared norm) has no direction: its cosine with
# anything is 0, and it receives no gradient.
_SMALLEST_SQUARED_NORM = 1e-24


def scores(embeddings: jax.Array) -> jax.Array:
  """Returns how odd every item is: minus its summed cosine similarity.

  score_i = - sum_j cos(e_i, e_j), where j runs over all items, i included.
  Permuting the items permutes the scores.

  >>> vectors = jnp.array([[[1.0, 0.0], [1.0, 0.0], [0.0, 2.0]]])
  >>> scores(vectors).tolist()
  [[-2.0, -2.0, -1.0]]

  Args:
    embeddings: float[batch, items, features], of any float dtype.

  Returns:
    f32[batch, items], between -items and items. Computed in float32.

  Raises:
    AssertionError: `embeddings` does not have three axes.
  """
  chex.assert_rank(embeddings, 3)
  directions = _unit_vectors(embeddings.astype(jnp.float32))
  # Products and sums instead of a matmul: float32 on every backend, and
  # equal items get bitwise equal scores, so that ties are ties.
  total = directions.sum(axis=1, keepdims=True)
  return -(directions * total).sum(axis=-1)


def problem_metrics(embeddings: jax.Array) -> dict[str, jax.Array]:
  """Returns loss, accuracy and margin of problems whose last item is odd.

  Lepori et al. 2023 permute the items on every pass. Since the scores are
  symmetric in the items, the permutation only decides which of several equal
  scores is picked. The accuracy here is its expectation over permutations, so
  a network that maps all items to one point has accuracy 1 / items.

  >>> vectors = jnp.array([[[1.0, 0.0], [1.0, 0.0], [0.0, 2.0]]])
  >>> {k: round(v.item(), 4) for k, v in problem_metrics(vectors).items()}
  {'loss': 0.5514, 'accuracy': 1.0, 'margin': 1.0}

  Args:
    embeddings: float[batch, items, features], the odd item last.

  Returns:
    Three f32[batch]:
      loss: softmax cross entropy (nats) of the scores.
      accuracy: 1 where the odd item alone has the greatest score, 1 / k
        where it shares it with k - 1 others, else 0.
      margin: score of the odd item minus the greatest other score.

  Raises:
    AssertionError: `embeddings` does not have three axes.
  """
  item_scores = scores(embeddings)
  odd = item_scores[:, -1]
  is_greatest = item_scores == item_scores.max(axis=1, keepdims=True)
  return {
    "loss": jax.nn.logsumexp(item_scores, axis=1) - odd,
    "accuracy": is_greatest[:, -1] / is_greatest.sum(axis=1),
    "margin": odd - item_scores[:, :-1].max(axis=1),
  }


def _unit_vectors(vectors: jax.Array) -> jax.Array:
  """Divides by the Euclidean norm of the last axis; zero stays zero."""
  squared = (vectors * vectors).sum(axis=-1, keepdims=True)
  has_direction = squared > _SMALLEST_SQUARED_NORM
  # The inner `where` keeps the unused branch's gradient finite.
  inverse_norm = jax.lax.rsqrt(jnp.where(has_direction, squared, 1.0))
  return jnp.where(has_direction, vectors * inverse_norm, 0.0)
