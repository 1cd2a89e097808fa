"""Path strings, one key per leaf, stacking and fingerprints of PyTrees.

A leaf has one path string, such as `layer_0/attention/query/kernel`, in rules,
mask files, tables and figures.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np

from structcomp_jax.types import UserError


def path_string(path: Sequence[Any]) -> str:
  """Returns the `/`-joined name of a JAX key path.

  >>> keys = jax.tree_util.DictKey("dense"), jax.tree_util.SequenceKey(0)
  >>> path_string(keys)
  'dense/0'
  """
  return jax.tree_util.keystr(tuple(path), simple=True, separator="/")


def leaves_by_path(tree: chex.ArrayTree) -> dict[str, Any]:
  """Returns {path: leaf} in leaf order.

  >>> leaves_by_path({"dense": {"kernel": 1, "bias": 2}})
  {'dense/bias': 2, 'dense/kernel': 1}

  Raises:
    UserError: two leaves have the same path string (`0` and `"0"`), or a dict
      has keys that cannot be sorted.
  """
  leaves = {}
  try:
    with_paths = jax.tree_util.tree_leaves_with_path(tree)
  except ValueError as error:  # JAX sorts the keys of a dict.
    raise UserError(
      "a dict of the tree has keys of several types, which have no order; give "
      "all of its keys as texts"
    ) from error
  for path, leaf in with_paths:
    name = path_string(path)
    if name in leaves:
      raise UserError(
        f"two leaves of the tree share the path {name!r}; rename one of their "
        "keys, since rules and masks tell leaves apart by their paths"
      )
    leaves[name] = leaf
  return leaves


def is_array(leaf: Any) -> bool:
  """Returns whether JAX computes with a leaf, or it stands for such an array.

  >>> is_array(np.ones(2)), is_array(0.5), is_array(np.array("text"))
  (True, True, False)
  """
  if isinstance(leaf, (bool, int, float, complex)):
    return True
  dtype = getattr(leaf, "dtype", None)
  if dtype is None or not hasattr(leaf, "shape"):
    return False
  return is_key(leaf) or jnp.issubdtype(dtype, jnp.number) or dtype == np.bool_


def is_key(leaf: Any) -> bool:
  """Returns whether a leaf is an array of typed random keys.

  >>> is_key(jax.random.key(0)), is_key(jax.random.PRNGKey(0))
  (True, False)
  """
  dtype = getattr(leaf, "dtype", None)
  return dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key)


def check_key(key: Any, name: str = "key") -> None:
  """Raises UserError unless `key` is one typed key.

  >>> check_key(jax.random.key(0))

  Args:
    key: what is meant to be a key.
    name: of the argument, for the error.
  """
  if is_key(key) and key.shape == ():
    return
  if is_key(key):
    found = f"an array of keys of shape {key.shape}"
  elif hasattr(key, "dtype"):
    found = f"an array of dtype {key.dtype}, as keys of the old kind are"
  else:
    found = f"{key!r}"
  raise UserError(
    f"{name} is {found}; make one typed key with jax.random.key(seed)"
  )


def replace_leaves(
  tree: chex.ArrayTree, new_leaves: Mapping[str, Any]
) -> chex.ArrayTree:
  """Returns `tree` with the leaves named in `new_leaves` exchanged.

  >>> replace_leaves({"dense": {"kernel": 1, "bias": 2}}, {"dense/bias": 3})
  {'dense': {'bias': 3, 'kernel': 1}}

  Raises:
    KeyError: `new_leaves` names a path that `tree` does not have.
  """
  unknown = set(new_leaves) - set(leaves_by_path(tree))
  if unknown:
    raise KeyError(f"the tree has no leaf {sorted(unknown)[0]!r}")
  return jax.tree_util.tree_map_with_path(
    lambda path, leaf: new_leaves.get(path_string(path), leaf), tree
  )


def leaf_keys(key: jax.Array, paths: Iterable[str]) -> dict[str, jax.Array]:
  """Returns {path: key}, whatever the order of the paths.

  >>> list(leaf_keys(jax.random.key(0), ["kernel", "bias"]))
  ['bias', 'kernel']

  Args:
    key: typed key, shape ().
    paths: path strings; the n-th in sorted order gets `fold_in(key, n)`.

  Raises:
    UserError: `key` is not one typed key.
  """
  check_key(key)
  return {
    path: jax.random.fold_in(key, index)
    for index, path in enumerate(sorted(paths))
  }


def stack(trees: Sequence[chex.ArrayTree]) -> chex.ArrayTree:
  """Stacks equal trees along a new leading axis.

  >>> stack([{"seed": 0}, {"seed": 7}])["seed"].tolist()
  [0, 7]
  """
  return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def row(stacked: chex.ArrayTree, index: Any) -> chex.ArrayTree:
  """Returns entry `index` of the leading axis of every leaf.

  >>> row({"x": np.array([[1, 2], [3, 4]])}, 1)["x"].tolist()
  [3, 4]
  """
  return jax.tree.map(lambda leaf: leaf[index], stacked)


def num_rows(stacked: chex.ArrayTree) -> int:
  """Returns the length of the leading axis.

  >>> num_rows({"x": np.zeros((5, 2)), "y": np.zeros(5)})
  5
  """
  return jax.tree.leaves(stacked)[0].shape[0]


def num_elements(tree: chex.ArrayTree) -> int:
  """Returns the number of elements of all leaves.

  >>> num_elements({"kernel": np.zeros((3, 2)), "bias": np.zeros(2)})
  8
  """
  return sum(int(np.size(leaf)) for leaf in jax.tree.leaves(tree))


def num_bytes(tree: chex.ArrayTree) -> int:
  """Returns the bytes of all leaves, arrays or `jax.ShapeDtypeStruct`.

  >>> num_bytes({"kernel": jax.ShapeDtypeStruct((3, 2), np.float32)})
  24
  """
  return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def fingerprint(tree: chex.ArrayTree) -> str:
  """Returns a SHA-256 hex digest of paths, shapes, dtypes and bits.

  >>> zeros = {"kernel": np.zeros(2, np.float32)}
  >>> fingerprint(zeros) == fingerprint({"kernel": np.zeros(2, np.float16)})
  False

  Raises:
    UserError: a leaf is no array of numbers; its bits could differ in every
      process.
  """
  digest = hashlib.sha256()
  for path, leaf in sorted(leaves_by_path(tree).items()):
    if not is_array(leaf):
      raise UserError(
        f"leaf {path!r} is a {type(leaf).__name__}, not an array; leave it out "
        "of the tree, e.g. with equinox.partition(model, equinox.is_array)"
      )
    array = np.asarray(jax.random.key_data(leaf) if is_key(leaf) else leaf)
    digest.update(f"{path} {array.dtype} {array.shape}\n".encode())
    digest.update(np.ascontiguousarray(array).tobytes())
  return digest.hexdigest()
