"""One random key per leaf."""

from collections.abc import Iterable

import jax


def leaf_keys(key: jax.Array, paths: Iterable[str]) -> dict[str, jax.Array]:
  """Returns {path: key}, independent of the order in which paths come.

  Args:
    key: typed key, shape ().
    paths: path strings; the n-th in sorted order gets `fold_in(key, n)`.
  """
  return {
    path: jax.random.fold_in(key, index)
    for index, path in enumerate(sorted(paths))
  }
