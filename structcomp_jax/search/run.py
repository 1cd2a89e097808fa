"""Many mask searches on one frozen network, in one compiled program."""

import dataclasses
import functools
import logging
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from structcomp_jax import masks, trees, types
from structcomp_jax.engine import loop, parallel, width
from structcomp_jax.engine.learner import Keys
from structcomp_jax.engine.plan import Machine, Plan
from structcomp_jax.search import candidates, notices, problems
from structcomp_jax.search.config import SearchConfig
from structcomp_jax.search.learner import MaskLearner
from structcomp_jax.search.state import SearchState, initial_state

_LOG = logging.getLogger("structcomp_jax")


@dataclasses.dataclass(frozen=True)
class SearchResult:
  """What a search found; every array has the candidate axis in front.

  Attributes:
    candidates: the K rows.
    mask_logits: {path: f32[K, ...]} after the last step, or of the best look
      where candidates stop early.
    masks: {path: bool[K, ...]}, the logits hardened by the relaxation.
    finite: bool[K]. False: stopped by a non-finite loss, do not use.
    history: one dict per candidate and look.
    best: the finite candidate with the lowest final loss (validation loss
      with the hard mask where there was validation data).
  """

  candidates: candidates.Candidate
  mask_logits: types.MaskLogits
  masks: types.Mask
  finite: np.ndarray
  history: list[dict[str, Any]]
  best: int

  @property
  def mask(self) -> types.Mask:
    """{path: bool[...]}: the mask of the best candidate."""
    return trees.row(self.masks, self.best)


def run(
  loss_fn: types.LossFn,
  params: types.Params,
  spec: masks.MaskSpec,
  dataset: types.Batch,
  config: SearchConfig | None = None,
  *,
  key: jax.Array,
  validation: types.Batch | None = None,
  metrics_fn: types.MetricsFn | None = None,
  start: types.MaskLogits | None = None,
  held: Sequence[str] = (),
  params_have_rows: bool = False,
  state: SearchState | None = None,
  on_call: loop.OnCall | None = None,
  devices: Sequence[Any] | None = None,
) -> SearchResult:
  """Learns one mask per candidate; `params` are never changed.

  >>> params = {"kernel": np.ones(2, np.float32)}
  >>> inputs = np.repeat(np.eye(2, dtype=np.float32), 8, axis=0)
  >>> def loss_fn(params, batch):
  ...   return ((batch["x"] @ params["kernel"] - batch["y"]) ** 2).mean()
  >>> result = run(
  ...   loss_fn,
  ...   params,
  ...   masks.select(params, [(".*", "weight")]),
  ...   {"x": inputs, "y": inputs[:, 0]},  # The first weight alone is needed.
  ...   SearchConfig(num_epochs=2, batch_size=8, learning_rates=(0.1,)),
  ...   key=jax.random.key(0),
  ... )
  >>> result.mask["kernel"].tolist()
  [True, False]

  Args:
    loss_fn: (params, batch) -> mean loss, f32 scalar. Any network will do.
    params: the frozen network. With `config.model_devices`, leaves may also be
      arrays that lie on several devices, or anything with a shape, a dtype and
      parts (`leaf[index]`), which are then read for each device alone.
    spec: which leaves are masked, from `masks.select`.
    dataset: {name: array [examples, ...]}; NumPy arrays, also `np.memmap`, if
      `config.feed` is "host". Of a two-sided search: what `halves` returns.
    config: shared settings and the axes of the candidate grid.
    key: base key of data order and mask noise; one key, same bits.
    validation: like `dataset`, on the devices; used at every look.
    metrics_fn: per-example metrics for `validation`; needs a "loss".
    start: {path: f32[...]}, mask logits to start from, the same for all
      candidates or with a leading candidate axis; default: the candidate's
      initial logit everywhere.
    held: path regexes of masked leaves that are not learned: their mask stays
      the hard mask of `start`.
    params_have_rows: every leaf of `params` has a leading axis: one network
      per candidate. `spec` is that of one of them.
    state: where to go on, from a checkpoint; default: the beginning. Its
      arrays are reused: copy what must last.
    on_call: called with the state and the new history rows each time the
      host sees the device: for checkpoints and progress. The next call begins
      when it returns and reuses the state's arrays; copy what must last.
      Without it the host asks for nothing before the end.
    devices: default: all of `jax.devices()`.

  Returns:
    A `SearchResult`.

  Raises:
    UserError: settings, data, loss and metrics that do not fit each other, a
      search that does not fit in memory, or no candidate is finite.
  """
  config = SearchConfig() if config is None else config
  if (validation is None) != (metrics_fn is None):
    raise types.UserError("give validation and metrics_fn together, or neither")
  if config.patience and validation is None:
    raise types.UserError(
      f"patience {config.patience} needs validation data; give validation and "
      "metrics_fn, or set patience to 0"
    )
  trees.check_key(key)
  one_network = _one_network(params, params_have_rows)
  masks.check_spec(spec, one_network)
  problems.check(config, dataset, validation)
  problems.check_functions(
    config, one_network, (loss_fn, dataset), (metrics_fn, validation)
  )
  job = make_job(
    loss_fn,
    params,
    spec,
    dataset,
    config,
    key=key,
    validation=validation,
    metrics_fn=metrics_fn,
    start=start,
    held=held,
    params_have_rows=params_have_rows,
    state=state,
    devices=devices,
  )
  job.state_shapes()  # Raises if `start` does not fit.
  _say(notices.about_settings(config, job.setup.num_steps))
  final, history = loop.run(job, on_call=on_call)
  return _result(job.learner.relaxation, job.rows, final, history)


def make_job(
  loss_fn: types.LossFn,
  params: types.Params,
  spec: masks.MaskSpec,
  dataset: types.Batch,
  config: SearchConfig,
  *,
  key: jax.Array,
  validation: types.Batch | None = None,
  metrics_fn: types.MetricsFn | None = None,
  start: types.MaskLogits | None = None,
  held: Sequence[str] = (),
  params_have_rows: bool = False,
  state: SearchState | None = None,
  devices: Sequence[Any] | None = None,
) -> loop.Job:
  """Returns the loop of a search, which it checks little and does not run.

  >>> params = {"kernel": jax.ShapeDtypeStruct((2,), "float32")}
  >>> job = make_job(
  ...   lambda params, batch: (params["kernel"] * batch["x"]).mean(),
  ...   params,
  ...   masks.select(params, [(".*", "weight")]),
  ...   {"x": np.ones((8, 2), np.float32)},
  ...   SearchConfig(batch_size=2, num_epochs=3),
  ...   key=jax.random.key(0),
  ... )
  >>> job.setup.num_steps
  12

  Args: those of `run`; of `params` the shapes are enough where nothing runs.
  """
  one_network, rows = (
    _one_network(params, params_have_rows),
    config.candidates(),
  )
  return loop.Job(
    learner=MaskLearner(
      loss_fn=loss_fn,
      metrics_fn=metrics_fn,
      spec=spec,
      config=config.objective(),
      held=masks.matching(spec, held, "held"),
    ),
    init=lambda start: initial_state(
      rows, spec, config, start=start, held=held, params=one_network
    ),
    init_arguments=(start,),
    state=state,
    rows=rows,
    dataset=dataset,
    plan=Plan.of(config),
    machine=Machine.of(config),
    keys=Keys(*jax.random.split(key)),
    fixed=params,
    fixed_has_rows=params_have_rows,
    validation=validation,
    devices=devices,
  )


def _say(notice: str | None) -> None:
  """Logs what is no error; of several processes, the first speaks for all."""
  if notice is not None and jax.process_index() == 0:
    _LOG.warning("search: %s", notice)


def choose_width(
  loss_fn: types.LossFn,
  params: types.Params,
  spec: masks.MaskSpec,
  dataset: types.Batch,
  config: SearchConfig | None = None,
  *,
  key: jax.Array,
  params_have_rows: bool = False,
  devices: Sequence[Any] | None = None,
) -> width.Width:
  """Measures how many candidates a device should compute at once.

  >>> params = {"kernel": np.ones(2)}
  >>> choose_width(
  ...   lambda params, batch: (params["kernel"] * batch["x"]).mean(),
  ...   params,
  ...   masks.select(params, [(".*", "weight")]),
  ...   {"x": np.ones((4, 2), np.float32)},
  ...   SearchConfig(batch_size=2),
  ...   key=jax.random.key(0),
  ... ).width  # There is but one candidate.
  1

  See `engine.width.choose_width`.

  Args:
    loss_fn, params, spec, dataset, config, key, params_have_rows, devices: as
      for `run`; the `vmap_width` of `config` is not looked at.

  Raises:
    UserError: not even one candidate at a time fits in memory.
  """
  config = SearchConfig() if config is None else config
  trees.check_key(key)
  one_network = _one_network(params, params_have_rows)
  masks.check_spec(spec, one_network)
  problems.check(config, dataset, None)
  return width.choose_width(
    make_job(
      loss_fn,
      params,
      spec,
      dataset,
      config,
      key=key,
      params_have_rows=params_have_rows,
      devices=devices,
    )
  )


def _one_network(params, params_have_rows):
  """Returns the shapes of one network."""
  masks.check_network(params)
  return jax.eval_shape(
    lambda params: trees.row(params, 0) if params_have_rows else params, params
  )


@functools.partial(jax.jit, static_argnums=0)
def _hard_masks(relaxation, mask_logits):
  """Returns the masks of all candidates, and which of them keep nothing."""

  def harden(mask_logits):
    mask = masks.binarize(mask_logits, relaxation)
    return mask, ~jnp.stack([jnp.any(leaf) for leaf in mask.values()]).any()

  return jax.vmap(harden)(mask_logits)


def _result(relaxation, rows, state, history):
  """Returns the result of a finished search."""
  finite = parallel.fetch(state.finite)
  if not finite.any():
    raise types.UserError(
      f"all {finite.size} candidates stopped at a non-finite loss (the first: "
      f"{trees.row(rows, 0).describe()}); lower the learning rate or look "
      "for non-finite weights in the network"
    )
  if state.best is None:
    mask_logits, final = state.mask_logits, np.full(finite.size, np.nan)
    for line in history:
      final[line["candidate"]] = line.get(
        "validation/hard/loss", line["train/loss"]
      )
  else:
    mask_logits, final = state.best.value, parallel.fetch(state.best.score)
  final = np.where(finite & ~np.isnan(final), final, np.inf)
  if np.isinf(final).all():
    raise types.UserError(
      f"no candidate of {finite.size} has a finite final loss; look for what "
      "makes the loss of masked networks no number, in metrics_fn if there is "
      "validation data"
    )
  hard_masks, is_empty = _hard_masks(relaxation, mask_logits)
  _say(notices.about_masks(parallel.fetch(is_empty)))
  return SearchResult(
    candidates=rows,
    mask_logits=mask_logits,
    masks=hard_masks,
    finite=finite,
    history=history,
    best=int(np.argmin(final)),
  )
