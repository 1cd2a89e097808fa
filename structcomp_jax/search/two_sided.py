"""Data of a two-sided search: a task for what a mask keeps, one for the rest.

A two-sided search looks for a cut: one mask m, with the loss of one task on the
weights w m plus the loss of another task on w (1 - m). A network made of two
parts can be cut in few steps. With more steps nearly every network can, so that
a cut means something beside its controls only: how many steps it took, and what
the same search finds in networks that were never trained.
"""

from collections.abc import Mapping

import jax

from structcomp_jax import trees, types

# What the mask keeps, and what it removes.
HALVES = ("kept", "rest")


def halves(
  kept: types.Batch, rest: types.Batch
) -> dict[str, dict[str, types.Batch]]:
  """Returns the data set of a two-sided search.

  >>> data = halves({"x": [[1], [2]]}, {"x": [[3], [4], [5]]})
  >>> data["rest"]["x"]
  [[3], [4]]

  Args:
    kept: {name: array [examples, ...]}, problems of what the mask keeps.
    rest: the same of what it removes. The longer one is cut: a step sees as
      many examples of both.
  """
  length = min(len(array) for part in (kept, rest) for array in part.values())
  return {
    name: {key: array[:length] for key, array in part.items()}
    for name, part in zip(HALVES, (kept, rest), strict=True)
  }


def check(dataset: types.Batch, name: str) -> None:
  """Raises UserError unless a data set has two halves of one length.

  >>> dataset = halves({"x": jax.numpy.ones(3)}, {"x": jax.numpy.ones(4)})
  >>> check(dataset, "dataset")

  Args:
    dataset: of a two-sided search.
    name: what the error calls it.
  """
  if set(dataset) != set(HALVES) or not all(
    isinstance(part, Mapping) for part in dataset.values()
  ):
    raise types.UserError(
      f"the {name} of a two-sided search has the fields "
      f"{', '.join(map(str, dataset))}; make it with search.halves(kept, rest)"
    )
  lengths = {len(leaf) for leaf in jax.tree.leaves(dict(dataset))}
  if len(lengths) > 1:
    sizes = " and ".join(str(trees.num_rows(dataset[half])) for half in HALVES)
    raise types.UserError(
      f"the {name} of a two-sided search has {sizes} examples; make it with "
      "search.halves(kept, rest), which cuts the longer one"
    )
