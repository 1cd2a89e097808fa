"""The loss and accuracy of a probe."""

import jax.numpy as jnp
import numpy as np
import optax

from structcomp_jax.probing import softmax

FEATURES = jnp.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
PROBE = {
  "kernel": jnp.array([[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]]),
  "bias": jnp.zeros(3),
}


def test_the_loss_is_the_cross_entropy():
  labels = jnp.array([0, 0, 2, 1])
  np.testing.assert_allclose(
    softmax.metrics(PROBE, FEATURES, labels)["loss"],
    optax.softmax_cross_entropy_with_integer_labels(
      FEATURES @ PROBE["kernel"], labels
    ),
    rtol=1e-5,
  )


def test_a_tie_counts_as_a_guess_among_equals():
  accuracy = softmax.metrics(PROBE, FEATURES, jnp.array([0, 0, 0, 2]))[
    "accuracy"
  ]
  np.testing.assert_allclose(accuracy, [1, 0, 1 / 2, 1 / 3])
