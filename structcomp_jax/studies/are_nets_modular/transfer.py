"""One permuted task after another, in one network (Csordás et al. 2021).

The pixels of permutation p are those of the pictures in another order. Weights
that masks of earlier permutations keep stay as they are; the mask of p may use
them or not, and the others are drawn anew and learned. The first layer, which
has to undo the permutation, is always drawn anew.
"""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from structcomp_jax import masks, search, trees, types
from structcomp_jax.engine import parallel
from structcomp_jax.io import checkpoints, files
from structcomp_jax.pipeline import resumable, search_together
from structcomp_jax.pipeline.experiment import Experiment
from structcomp_jax.search import joint
from structcomp_jax.search.candidates import Candidate
from structcomp_jax.types import UserError

# Weights that are used again stay as they were learned; in the control, they
# are drawn anew and then stay: all else is the same, but nothing was learned.
TRANSFER, REDRAWN = "transfer", "redrawn"
_FINAL = "final"


@dataclasses.dataclass(frozen=True)
class Row:
  """One chain of permutations.

  Attributes:
    regime: `TRANSFER` or `REDRAWN`.
    base_seed: of weights, order and noise.
    new_init: logit of weights that no mask has used yet; that of the others is
      the initial logit of the search.
  """

  regime: str
  base_seed: int
  new_init: float


def rows_of(config: Any) -> list[Row]:
  """Returns all chains of an experiment."""
  return [
    Row(regime, seed, new_init)
    for regime in config.regimes
    for new_init in config.transfer.new_inits
    for seed in config.base_seeds
  ]


def permuted(pixels: np.ndarray, number: int) -> np.ndarray:
  """Returns pictures with their pixels in the order of a permutation.

  Args:
    pixels: uint8[pictures, side, side, 1].
    number: of the permutation; 0: as they are. The order is that of the
      published system.
  """
  if not number:
    return pixels
  flat = pixels.reshape(len(pixels), -1)
  order = np.random.RandomState(number).permutation(flat.shape[1])
  return flat[:, order].reshape(pixels.shape)


def used_before(
  earlier: Sequence[types.AnyMask], first_layer: str
) -> dict[str, np.ndarray] | None:
  """Returns {path: bool[...]}: what any earlier mask keeps, None if none is.

  Args:
    earlier: masks, all of the same leaves.
    first_layer: the stage none of whose weights is used again.
  """
  if not earlier:
    return None
  return {
    path: np.zeros_like(np.asarray(leaf))
    if path.split("/")[0] == first_layer
    else np.any([np.asarray(mask[path]) for mask in earlier], axis=0)
    for path, leaf in earlier[0].items()
  }


def xavier(key: jax.Array, shapes: types.Params) -> types.Params:
  """Returns fresh weights: normal, 2 gain^2 / (inputs + outputs), biases 0.

  The squared gain is 2 before a ReLU and 1 in the last layer.
  """
  leaves = trees.leaves_by_path(shapes)
  keys = trees.leaf_keys(key, leaves)
  made = {}
  for path, leaf in leaves.items():
    if len(leaf.shape) == 1:
      made[path] = jnp.zeros(leaf.shape, leaf.dtype)
      continue
    gain = 1.0 if path.startswith("output/") else 2.0
    deviation = (2 * gain / sum(leaf.shape)) ** 0.5
    made[path] = deviation * jax.random.normal(
      keys[path], leaf.shape, leaf.dtype
    )
  return trees.replace_leaves(shapes, made)


def begin(
  row: Row,
  fresh: types.Params,
  before: types.Params | None,
  used: Mapping[str, np.ndarray] | None,
  logit: float,
) -> tuple[types.Params, dict[str, np.ndarray], dict[str, np.ndarray]]:
  """Returns weights and logits before a permutation, and what stays.

  Args:
    row: the chain.
    fresh: weights that are drawn for this permutation.
    before: weights after the one before.
    used: of `used_before`; None: it is the first one.
    logit: of weights that are used again, and of all in the first permutation.

  Returns:
    Weights, {path: f32[...]} and {path: bool[...]}.
  """
  leaves = trees.leaves_by_path(fresh)
  if used is None or before is None:
    shapes = {path: leaf.shape for path, leaf in leaves.items()}
    return (
      fresh,
      {path: np.full(s, logit, np.float32) for path, s in shapes.items()},
      {path: np.zeros(s, bool) for path, s in shapes.items()},
    )
  logits = {
    path: np.where(one, logit, row.new_init).astype(np.float32)
    for path, one in used.items()
  }
  if row.regime == REDRAWN:
    return fresh, logits, dict(used)
  old = trees.leaves_by_path(before)
  kept = {
    path: jnp.where(one, old[path], leaves[path]) for path, one in used.items()
  }
  return trees.replace_leaves(fresh, kept), logits, dict(used)


@dataclasses.dataclass(frozen=True, eq=False)
class Learned:
  """What one permutation has left behind, all stacked over rows.

  Attributes:
    params: the weights.
    logits: {path: f32[rows, ...]}.
    finite: bool[rows].
  """

  params: types.Params
  logits: Mapping[str, np.ndarray]
  finite: np.ndarray

  def masks(self, row: int) -> dict[str, np.ndarray]:
    """Returns the hard mask of a row."""
    return {path: leaf[row] > 0 for path, leaf in self.logits.items()}


def directory_of(work: Experiment, number: int) -> pathlib.Path:
  """Returns where a permutation is learned and stored."""
  return work.paths.workdir / "permutations" / str(number)


def learn(study: Any, work: Experiment) -> None:
  """Learns every permutation that is not there yet, one after another."""
  rows = rows_of(work.config)
  found: list[Learned] = []
  for number in range(study.num_permutations):
    if not files.is_done(directory_of(work, number)):
      _learn_one(study, work, rows, found, number)
    found.append(load(study, work, number))


def load(study: Any, work: Experiment, number: int) -> Learned:
  """Returns what a permutation has left behind.

  Raises:
    UserError: it is not finished, or for other rows.
  """
  directory, rows = directory_of(work, number), rows_of(work.config)
  if not files.is_done(directory):
    raise UserError(
      f"{directory} is not finished; run {types.command('search')} with the"
      " same config and work directory"
    )
  if files.read_done(directory)["rows"] != [_listed(row) for row in rows]:
    raise UserError(
      f"{directory} has other base seeds, regimes or initial logits; start in a"
      " new work directory"
    )
  restored = checkpoints.restore(directory / _FINAL, _abstract(study, rows))
  if restored is None:
    raise UserError(f"{directory} has lost its checkpoint; delete it")
  tree = restored[1]
  return Learned(tree["params"], tree["logits"], tree["finite"])


def _listed(row: Row) -> list[Any]:
  return [row.regime, row.base_seed, row.new_init]


def _stacked_shapes(study: Any, count: int) -> types.Params:
  shapes = study.shapes()
  return jax.tree.map(
    lambda leaf: jnp.zeros((count, *leaf.shape), leaf.dtype), shapes
  )


def _abstract(study: Any, rows: Sequence[Row]) -> Any:
  """Returns the shapes of what is stored."""

  def make():
    params = _stacked_shapes(study, len(rows))
    return {
      "params": params,
      "logits": {
        path: jnp.zeros((len(rows), *leaf.mask_shape), jnp.float32)
        for path, leaf in zip(study.spec.paths, study.spec.leaves, strict=True)
      },
      "finite": jnp.zeros(len(rows), bool),
    }

  return jax.eval_shape(make)


def _learn_one(
  study: Any,
  work: Experiment,
  rows: Sequence[Row],
  earlier: Sequence[Learned],
  number: int,
) -> None:
  """Learns one permutation, going on where it was, and stores it."""
  directory, config = directory_of(work, number), study.search_config()
  begun = [
    _begin(study, work, row, earlier, index) for index, row in enumerate(rows)
  ]
  dataset = work.load(study.task(number), "train")
  candidates = _candidates(rows, config)
  with resumable.Run(
    work,
    directory,
    trees.stack([joint.start(params, logits) for params, logits, _ in begun]),
    total_steps=config.total_steps(config.steps_per_epoch(dataset)),
    label=f"permutation {number} of {study.num_permutations - 1}",
    accuracy="validation/hard/accuracy",
  ) as run:
    state = joint.run_together(
      study.network.loss_fn,
      study.network.metrics_fn,
      run.state,
      study.spec,
      dataset,
      work.load(study.task(number), "validation"),
      config,
      fixed=trees.stack([stays for _, _, stays in begun]),
      rows=candidates,
      key=work.key("search", number),
      on_call=run,
    )
  _store(directory, rows, parallel.fetch(state))


def _store(directory: pathlib.Path, rows: Sequence[Row], state: Any) -> None:
  checkpoints.save(
    directory / _FINAL,
    0,
    {
      "params": state.params,
      "logits": dict(state.mask_logits),
      "finite": state.finite,
    },
    {},
  )
  files.mark_done(directory, {"rows": [_listed(row) for row in rows]})
  resumable.forget_checkpoint(directory)


def _begin(
  study: Any,
  work: Experiment,
  row: Row,
  earlier: Sequence[Learned],
  index: int,
) -> tuple[types.Params, dict[str, np.ndarray], dict[str, np.ndarray]]:
  (logit,) = study.mask_search.init_logits
  fresh = xavier(work.key("init", row.base_seed, len(earlier)), study.shapes())
  used = used_before(
    [one.masks(index) for one in earlier], study.network.stages[0]
  )
  before = trees.row(earlier[-1].params, index) if earlier else None
  return begin(row, fresh, before, used, logit)


def _candidates(rows: Sequence[Row], config: search.SearchConfig) -> Candidate:
  """Returns the settings of all rows; those of one seed see the same noise."""
  count = len(rows)
  seeds = [search_together.row_seed(row.base_seed, 0) for row in rows]
  return Candidate(
    seed=jnp.array(seeds, jnp.int32),
    learning_rate=jnp.full(count, config.learning_rates[0], jnp.float32),
    init_logit=jnp.array([row.new_init for row in rows], jnp.float32),
    penalty=jnp.full(count, config.penalties[0], jnp.float32),
  )


def spec_of(shapes: types.Params) -> masks.MaskSpec:
  """Returns that all weights and biases are masked."""
  return masks.select(shapes, [(".*", "weight")])
