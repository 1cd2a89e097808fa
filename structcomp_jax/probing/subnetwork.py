"""Subnetwork probing: a probe and the mask of the network below, together."""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from structcomp_jax import masks, trees, types
from structcomp_jax.engine import batching, data, loop, parallel
from structcomp_jax.engine.learner import Keys, Now
from structcomp_jax.engine.plan import Machine, Plan
from structcomp_jax.probing import controls, problems, results, softmax
from structcomp_jax.probing.config import SubnetworkConfig
from structcomp_jax.probing.features import moments
from structcomp_jax.probing.linear import target_of

# (params, batch) -> float[batch, features].
VectorFn = Callable[[types.Params, types.Batch], jax.Array]
# What the task adds to the inputs of a network.
_TASK = ("labels", "types")


class SubnetworkRow(flax.struct.PyTreeNode):
  """One mask with its probe, as data.

  Attributes:
    seed: i32, decides the order of the examples and the noise of the mask.
    network: i32, which network is masked.
    target: i32, which column of labels is learned.
    penalty: f32, loss per weight that the mask is expected to keep.
    is_whole: bool. True: nothing is masked, the probe alone is learned.
  """

  seed: jax.Array
  network: jax.Array
  target: jax.Array
  penalty: jax.Array
  is_whole: jax.Array


class SubnetworkState(flax.struct.PyTreeNode):
  """Everything a mask and its probe need to go on; stacked over rows.

  Attributes:
    step: i32, optimiser steps done.
    learned: {"mask_logits": {path: f32[...]}, "probe": `softmax.Probe`}.
    opt_state: Adam's.
    finite: bool. False once a loss or gradient was not a finite number; the row
      then stands still.
    loss_sum: f32, training loss summed over the steps since the last look.
  """

  step: jax.Array
  learned: dict[str, Any]
  opt_state: Any
  finite: jax.Array
  loss_sum: jax.Array


@dataclasses.dataclass(frozen=True)
class SubnetworkLearner:
  """Learns a mask and a probe per row; rows are `SubnetworkRow`s.

  What is fixed are the networks, stacked, with mean and scale of their whole
  features: {"networks", "mean": f32[networks, 1, width], "scale": likewise}.

  Attributes:
    feature_fn: (params, batch) -> float[batch, width].
    spec: the masked leaves.
    relaxation: how logits become masks.
    learning_rate, mask_learning_rate, weight_decay: see `SubnetworkConfig`.
  """

  feature_fn: VectorFn
  spec: masks.MaskSpec
  relaxation: masks.Relaxation
  learning_rate: float
  mask_learning_rate: float
  weight_decay: float
  row_name = "probe"
  num_chunks = 1

  def start(
    self, width: int, num_classes: int, init_logit: float
  ) -> SubnetworkState:
    """Returns the state of one row before its first step."""
    learned = {
      "mask_logits": masks.init(self.spec, init_logit),
      "probe": softmax.zeros(width, num_classes),
    }
    return SubnetworkState(
      step=jnp.int32(0),
      learned=learned,
      opt_state=softmax.ADAM.init(learned),
      finite=jnp.bool_(True),
      loss_sum=jnp.float32(0),
    )

  def step(
    self,
    state: SubnetworkState,
    row: SubnetworkRow,
    fixed: Mapping[str, Any],
    batch: types.Batch,
    *,
    now: Now,
  ) -> SubnetworkState:
    """Takes one Adam step on mask logits and probe; see `engine.Learner`."""

    def loss_of(learned):
      mask = masks.sample(
        self.relaxation, learned["mask_logits"], beta=1.0, key=now.key
      )
      features, labels = self._read(fixed, row, mask, batch)
      probe = learned["probe"]
      loss = softmax.mean_loss(probe, features, labels, now.setup.data_axis)
      size = masks.penalty(
        self.relaxation, learned["mask_logits"], self.spec, beta=1.0
      )
      price = jnp.where(row.is_whole, 0, row.penalty * size)
      return loss + price + softmax.decay(probe, self.weight_decay), loss

    (total, loss), gradient = jax.value_and_grad(loss_of, has_aux=True)(
      state.learned
    )
    # One number that is not finite makes a norm so.
    finite = (
      state.finite
      & jnp.isfinite(total)
      & jnp.isfinite(optax.tree.norm(gradient))
    )
    is_first = now.steps_since_look == 0
    state = state.replace(
      finite=finite, loss_sum=jnp.where(is_first, 0, state.loss_sum)
    )

    def update(state: SubnetworkState) -> SubnetworkState:
      direction, opt_state = softmax.ADAM.update(gradient, state.opt_state)
      step_sizes = {
        "mask_logits": self.mask_learning_rate,
        "probe": self.learning_rate,
      }
      moved = {
        part: optax.tree.scale(-size, direction[part])
        for part, size in step_sizes.items()
      }
      return state.replace(
        learned=optax.apply_updates(state.learned, moved),
        opt_state=opt_state,
        loss_sum=state.loss_sum + loss,
      )

    # `where` would write the new state, read both states and write again.
    return jax.lax.cond(finite, update, lambda state: state, state)

  def look(
    self,
    state: SubnetworkState,
    row: SubnetworkRow,
    fixed: Mapping[str, Any],
    validation: types.Batch | None,
    *,
    now: Now,
  ) -> tuple[SubnetworkState, dict[str, jax.Array]]:
    """Measures the hard mask on validation data; see `engine.Learner`."""
    mask = self.hard_mask(state, row)
    found = {
      "seed": row.seed,
      "network": row.network,
      "target": row.target,
      "penalty": row.penalty,
      "is_whole": row.is_whole,
      "train/loss": state.loss_sum / now.steps_since_look,
      "density": masks.weight_density(mask, self.spec),
      "finite": state.finite,
    }
    if validation is not None:
      means = batching.mean_over(
        functools.partial(self.metrics, state, row, fixed),
        validation,
        now.setup.machine.eval_batch_size,
        data_axis=now.setup.data_axis,
      )
      found |= {f"validation/{name}": value for name, value in means.items()}
    return state, found

  def active(self, state: SubnetworkState) -> None:
    """Returns None: no row stops before the end."""
    return None

  def metrics(
    self,
    state: SubnetworkState,
    row: SubnetworkRow,
    fixed: Mapping[str, Any],
    batch: types.Batch,
  ) -> dict[str, jax.Array]:
    """Returns {"loss", "accuracy"}: f32[batch], under the hard mask."""
    mask = self.hard_mask(state, row)
    features, labels = self._read(fixed, row, mask, batch)
    return softmax.metrics(state.learned["probe"], features, labels)

  def hard_mask(self, state: SubnetworkState, row: SubnetworkRow) -> types.Mask:
    """Returns {path: bool[...]}: what the row keeps."""
    mask = masks.binarize(state.learned["mask_logits"], self.relaxation)
    return {path: leaf | row.is_whole for path, leaf in mask.items()}

  def _read(self, fixed, row, mask, batch):
    """Returns scaled features of a masked network, and labels."""
    # A single network is not copied for every row.
    index = row.network if trees.num_rows(fixed) > 1 else 0
    of_network = trees.row(fixed, index)
    mask = {
      path: jnp.where(row.is_whole, 1.0, leaf) for path, leaf in mask.items()
    }
    features = self.feature_fn(
      masks.merge(of_network["networks"], mask), _inputs(batch)
    )
    scaled = (features - of_network["mean"]) / of_network["scale"]
    return scaled, batch["labels"][:, row.target]


@dataclasses.dataclass(frozen=True)
class SubnetworkResult:
  """What masks with probes found.

  Attributes:
    rows: one dict per row: "network", "penalty" (None: a probe alone on the
      whole network), "task" ("labels" or "control"), "seed", "accuracy" (of the
      test examples, hard mask), "kept" (weights), "density" (part of the
      maskable weights) and "finite" (False: stopped by a loss that was no
      number, do not use).
    masks: {path: bool[rows, ...]}.
    majority: test accuracy of the most frequent training label.
    seen: part of the test examples whose type occurs in training; None where
      there are no types, and hence no control task.
    history: one dict per row and look.
  """

  rows: list[dict[str, Any]]
  masks: types.Mask
  majority: float
  seen: float | None
  history: list[dict[str, Any]]

  def summary(self) -> list[dict[str, Any]]:
    """Returns a line per network and penalty, see `summarise`."""
    return results.summarise(self.rows, ("network", "penalty"))

  def describe(self) -> str:
    """Returns the summary as a table of text."""
    return results.describe(self.summary(), ("network", "penalty"))


def run_subnetwork(
  feature_fn: VectorFn,
  networks: Mapping[str, types.Params],
  spec: masks.MaskSpec,
  dataset: types.Batch,
  test: types.Batch,
  config: SubnetworkConfig | None = None,
  *,
  key: jax.Array,
  validation: types.Batch | None = None,
  state: SubnetworkState | None = None,
  on_call: loop.OnCall | None = None,
  devices: Sequence[Any] | None = None,
) -> SubnetworkResult:
  """Learns masks of frozen networks, each with a linear probe on its features.

  Cao, Sanh and Rush 2021 (arXiv 2104.03514): the weights stay as they are, and
  a mask keeps those from whose features a linear probe can read the labels. One
  program has all networks, penalties, seeds and tasks, and for each network,
  task and seed a row whose network stays whole: the probe alone.

  The features are shifted and scaled to mean 0 and standard deviation 1 of the
  whole network's on the training set, whatever a mask makes of them.

  >>> params = {"kernel": np.eye(2, dtype=np.float32)}
  >>> def feature_fn(params, batch):
  ...   return batch["x"] @ params["kernel"]
  >>> inputs = np.tile(np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "f4"), (8, 1))
  >>> split = {"x": inputs, "labels": inputs[:, 0].astype(int)}
  >>> found = run_subnetwork(
  ...   feature_fn,
  ...   {"identity": params},
  ...   masks.select(params, [(".*", "weight")]),
  ...   split,
  ...   split,
  ...   SubnetworkConfig(
  ...     num_epochs=30, batch_size=8, seeds=(0,), penalties=(0.1,)),
  ...   key=jax.random.key(0))
  >>> [(row["penalty"], row["kept"], row["accuracy"]) for row in found.rows]
  [(None, 4, 1.0), (0.1, 1, 1.0)]

  Args:
    feature_fn: (params, batch) -> float[batch, width]; a batch has the arrays
      of `dataset` but labels and types.
    networks: {name: params}, of one structure: say "trained" and, as a control,
      "untrained".
    spec: which leaves are masked, from `masks.select`.
    dataset: {name: array [N, ...], "labels": i[N]}, and "types": i[N] where
      there is to be a control task, see `run_linear`.
    test: the same, for the accuracies.
    config: settings and seeds.
    key: base key of order, masks and control labels; one key, same bits.
    validation: the same as `dataset`, for the history; nothing is chosen by it.
    state: where to go on, from a checkpoint; default: the beginning. Its
      arrays are reused: copy what must last.
    on_call: called with the state and the new history rows each time the host
      sees the devices: for checkpoints and progress.
    devices: default: all of `jax.devices()`.

  Returns:
    A `SubnetworkResult`.

  Raises:
    UserError: settings, networks and data that do not fit each other, or no
      row has a finite loss.
  """
  config = SubnetworkConfig() if config is None else config
  trees.check_key(key)
  splits = {"dataset": dataset, "test": test}
  if validation is not None:
    splits["validation"] = validation
  num_classes = problems.check_splits(splits)
  _check_networks(networks, spec)
  one_network = next(iter(networks.values()))
  data.check_features(
    feature_fn,
    one_network,
    config.batch_size // config.data_devices,
    {name: _inputs(split) for name, split in splits.items()},
  )
  order_key, draw_key, control_key = jax.random.split(key, 3)
  prepared = _prepare(splits, config.seeds, num_classes, control_key)
  fixed = _fixed(feature_fn, networks, dataset, config.eval_batch_size)
  names = _names(networks, "types" in dataset, config)
  rows = _rows(names, tuple(networks), config)
  learner = SubnetworkLearner(
    feature_fn,
    spec,
    masks.get_relaxation(config.relaxation),
    config.learning_rate,
    config.mask_learning_rate,
    config.weight_decay,
  )
  width = fixed["mean"].shape[-1]
  job = loop.Job(
    learner=learner,
    init=lambda: jax.vmap(
      lambda row: learner.start(width, num_classes, config.init_logit)
    )(rows),
    state=state,
    rows=rows,
    dataset=prepared["dataset"],
    plan=Plan.of(config),
    machine=Machine.of(config),
    keys=Keys(order_key, draw_key),
    fixed=fixed,
    validation=prepared.get("validation"),
    devices=devices,
  )
  final, history = loop.run(job, on_call=on_call)
  hard_masks, accuracies = _test(job, final, fixed, prepared["test"])
  return SubnetworkResult(
    rows=_with_results(
      names, parallel.fetch(final.finite), accuracies, hard_masks, spec
    ),
    masks=hard_masks,
    majority=problems.majority(test["labels"], dataset["labels"]),
    seen=problems.share_seen(test, dataset) if "types" in test else None,
    history=history,
  )


def _inputs(batch: types.Batch) -> types.Batch:
  """Returns what a network reads of a batch."""
  return {name: part for name, part in batch.items() if name not in _TASK}


def _check_networks(
  networks: Mapping[str, types.Params], spec: masks.MaskSpec
) -> None:
  """Raises UserError unless there are networks of one structure."""
  if not isinstance(networks, Mapping) or not networks:
    raise types.UserError("networks has none; give {name: params}")
  shapes = {}
  for name, params in networks.items():
    masks.check_network(params)
    masks.check_spec(spec, params)
    shapes[name] = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), params)
  first = next(iter(shapes))
  for name, shape in shapes.items():
    if shape != shapes[first]:
      raise types.UserError(
        f"networks {first!r} and {name!r} have leaves of other names, shapes "
        "or dtypes; probe them one by one"
      )


def _prepare(splits, seeds, num_classes, control_key):
  """Returns {split: inputs, and "labels": i32[N, targets]}."""
  counts = np.bincount(splits["dataset"]["labels"], minlength=num_classes)
  return {
    name: {
      **_inputs(split),
      "labels": controls.with_controls(
        np.asarray(split["labels"]),
        split.get("types"),
        counts / counts.sum(),
        seeds,
        key=control_key,
      ),
    }
    for name, split in splits.items()
  }


@functools.partial(jax.jit, static_argnums=(0, 3))
def _compute(feature_fn, params, inputs, batch_size):
  return batching.per_example(
    lambda batch: {"features": feature_fn(params, batch)}, inputs, batch_size
  )["features"]


def _fixed(feature_fn, networks, dataset, batch_size) -> dict[str, Any]:
  """Returns the networks with moments of their features, all stacked."""
  found = [
    moments(
      np.asarray(_compute(feature_fn, params, _inputs(dataset), batch_size))
    )
    for params in networks.values()
  ]
  mean, scale = (np.stack(part) for part in zip(*found, strict=True))
  return {
    "networks": trees.stack(list(networks.values())),
    "mean": mean,
    "scale": scale,
  }


def _names(networks, has_control, config):
  """Returns (network, penalty or None, task, seed) of every row."""
  return list(
    itertools.product(
      networks,
      (None, *config.penalties),
      results.TASKS if has_control else results.TASKS[:1],
      config.seeds,
    )
  )


def _rows(names, networks, config) -> SubnetworkRow:
  """Returns the stacked rows of their names."""
  return SubnetworkRow(
    seed=jnp.array([seed for *_, seed in names], jnp.int32),
    network=jnp.array([networks.index(one) for one, *_ in names], jnp.int32),
    target=jnp.array(
      [target_of(task, seed, config.seeds) for *_, task, seed in names],
      jnp.int32,
    ),
    penalty=jnp.array(
      [penalty or 0.0 for _, penalty, *_ in names], jnp.float32
    ),
    is_whole=jnp.array([penalty is None for _, penalty, *_ in names]),
  )


@functools.lru_cache(maxsize=16)
def _test_program(learner, mesh, batch_size, width):
  """Returns program((state, row), (fixed, split)) -> masks and accuracies."""

  def test(state_and_row, shared):
    state, row = state_and_row
    fixed, split = shared
    metrics = batching.per_example(
      functools.partial(learner.metrics, state, row, fixed), split, batch_size
    )
    return learner.hard_mask(state, row), metrics["accuracy"]

  return parallel.over_rows(test, mesh, width=width)


def _test(job, state, fixed, split):
  """Returns {path: bool[rows, ...]} and f64[rows], accuracies on a split."""
  machine = job.machine
  program = _test_program(
    job.learner, job.setup.mesh, machine.eval_batch_size, machine.vmap_width
  )
  hard_masks, right = parallel.fetch(program((state, job.rows), (fixed, split)))
  return hard_masks, right.mean(axis=1, dtype=np.float64)


def _with_results(names, finite, accuracies, hard_masks, spec):
  """Returns a dict per row."""
  if not finite.any():
    raise types.UserError(
      f"all {len(names)} probes stopped at a loss that is no finite number; "
      "lower learning_rate and mask_learning_rate, or look for non-finite "
      "weights in the network"
    )
  kept = sum(
    leaf.weights_per_unit
    * hard_masks[leaf.path].reshape(len(names), -1).sum(1, dtype=np.int64)
    for leaf in spec.leaves
  )
  return [
    {
      "network": network,
      "penalty": penalty,
      "task": task,
      "seed": seed,
      "accuracy": float(accuracies[index]),
      "kept": int(kept[index]),
      "density": float(kept[index] / spec.num_weights),
      "finite": bool(finite[index]),
    }
    for index, (network, penalty, task, seed) in enumerate(names)
  ]
