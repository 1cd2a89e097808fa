"""Which key draws what."""

import jax

# One independent stream of randomness per purpose; append only.
_PURPOSES = (
  "init",
  "training",
  "search",
  "ablation",
  "control",
  "pruning",
  "pretraining",
  "draws",
  "cuts",
)


def purpose_key(seed: int, purpose: str, *more: int) -> jax.Array:
  """Returns the key of one purpose, folded with further integers."""
  key = jax.random.fold_in(jax.random.key(seed), _PURPOSES.index(purpose))
  for value in more:
    key = jax.random.fold_in(key, value)
  return key
