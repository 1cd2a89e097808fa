"""The probe itself: a linear map to classes, and its loss."""

import jax
import jax.numpy as jnp
import optax

# Adam as everywhere in this library; step sizes are settings.
ADAM = optax.scale_by_adam(b1=0.9, b2=0.999, eps=1e-8)

# {"kernel": f32[width, classes], "bias": f32[classes]}
Probe = dict[str, jax.Array]


def zeros(width: int, num_classes: int) -> Probe:
  """Returns the probe that finds all classes equally likely.

  >>> zeros(2, 3)["kernel"].shape
  (2, 3)

  The loss of a linear probe is convex: where it starts does not matter, and
  from zero the weights of features that are always zero stay zero.
  """
  return {
    "kernel": jnp.zeros((width, num_classes), jnp.float32),
    "bias": jnp.zeros(num_classes, jnp.float32),
  }


def metrics(
  probe: Probe, features: jax.Array, labels: jax.Array
) -> dict[str, jax.Array]:
  """Returns {"loss", "accuracy"}: f32[batch].

  >>> found = metrics(zeros(2, 2), jnp.ones((1, 2)), jnp.array([1]))
  >>> round(found["loss"].item(), 3), found["accuracy"].item()
  (0.693, 0.5)

  Args:
    probe: the weights.
    features: f32[batch, width].
    labels: i32[batch].

  Returns:
    The loss is the cross entropy in nats. The accuracy is 1 where the label
    alone has the highest logit, 1 / k where it shares it with k - 1 others.
  """
  # In full float32: accelerators have products of fewer digits.
  logits = probe["bias"] + jnp.matmul(
    features, probe["kernel"], precision=jax.lax.Precision.HIGHEST
  )
  of_label = jnp.take_along_axis(logits, labels[:, None], axis=1)[:, 0]
  is_highest = logits == logits.max(axis=1, keepdims=True)
  is_right = jnp.take_along_axis(is_highest, labels[:, None], axis=1)[:, 0]
  return {
    "loss": jax.nn.logsumexp(logits, axis=1) - of_label,
    "accuracy": is_right / is_highest.sum(axis=1),
  }


def mean_loss(
  probe: Probe,
  features: jax.Array,
  labels: jax.Array,
  data_axis: str | None,
) -> jax.Array:
  """Returns the mean loss of a batch, over all devices that share it.

  >>> loss = mean_loss(zeros(2, 2), jnp.ones((1, 2)), jnp.array([1]), None)
  >>> round(loss.item(), 3)
  0.693

  Args:
    probe, features, labels: as for `metrics`.
    data_axis: mesh axis whose devices share the batch; None: one device.
  """
  loss = jnp.mean(metrics(probe, features, labels)["loss"])
  return jax.lax.pmean(loss, data_axis) if data_axis else loss


def decay(probe: Probe, weight_decay: float) -> jax.Array:
  """Returns the loss of large weights; the bias is free.

  >>> decay({"kernel": jnp.array([[2.0]]), "bias": jnp.ones(1)}, 0.5).item()
  1.0
  """
  return 0.5 * weight_decay * jnp.sum(probe["kernel"] ** 2)
