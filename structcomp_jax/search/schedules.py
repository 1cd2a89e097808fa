"""How beta, the sharpness of the relaxed mask, grows over a search.

Every schedule is a function of the step (i32, from 0), the steps per epoch, the
steps of the whole search and the largest beta; it returns beta as f32.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from structcomp_jax import types

# (step i32, steps_per_epoch, num_steps, max_beta) -> beta f32
Schedule = Callable[[jax.Array, int, int, float], jax.Array]


def geometric(step, steps_per_epoch, num_steps, max_beta):
  """beta = max_beta^(step / last step): 1 at the first, max_beta at the last.

  >>> [round(float(geometric(step, 1, 3, 100.0))) for step in range(3)]
  [1, 10, 100]

  This is equation 4 of Savarese et al. 2020 (arXiv 1912.04427), with a step
  of the optimiser as its unit of time.
  """
  del steps_per_epoch
  last_step = max(num_steps - 1, 1)
  return jnp.float32(max_beta) ** (step / last_step)


def per_epoch(step, steps_per_epoch, num_steps, max_beta):
  """beta = max_beta^(epoch / num_epochs), epoch = 1, 2, ..., num_epochs.

  >>> [round(float(per_epoch(step, 1, 2, 100.0))) for step in range(2)]
  [10, 100]

  The code of Lepori et al. 2023 ran this. beta is constant within an epoch,
  and one epoch ahead of the formula in their paper, because a check before the
  training advanced it as well.
  """
  num_epochs = -(-num_steps // steps_per_epoch)
  epoch = step // steps_per_epoch + 1
  return jnp.float32(max_beta) ** (epoch / num_epochs)


def constant(step, steps_per_epoch, num_steps, max_beta):
  """beta = max_beta throughout; for relaxations that ignore it.

  >>> [float(constant(step, 1, 2, 100.0)) for step in range(2)]
  [100.0, 100.0]
  """
  del steps_per_epoch, num_steps
  return jnp.full_like(step, max_beta, jnp.float32)


SCHEDULES: dict[str, Schedule] = {
  "geometric": geometric,
  "per_epoch": per_epoch,
  "constant": constant,
}


def get_schedule(name: str) -> Schedule:
  """Returns the schedule called `name`.

  >>> float(get_schedule("constant")(0, 1, 2, 100.0))
  100.0

  Raises:
    UserError: there is none.
  """
  if name not in SCHEDULES:
    raise types.UserError(
      f"unknown schedule {name!r}; choose one of {', '.join(SCHEDULES)}"
    )
  return SCHEDULES[name]
