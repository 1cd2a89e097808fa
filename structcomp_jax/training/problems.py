"""Whether data, loss and metrics of a training are what they should be."""

from typing import Any

import jax

from structcomp_jax import trees, types
from structcomp_jax.engine import data


def check(
  loss: tuple[types.LossFn, types.Batch],
  metrics: tuple[types.MetricsFn, types.Batch],
  stacked_params: types.Params,
  config: Any,
  draw_key: jax.Array | None = None,
) -> None:
  """Raises UserError unless loss and metrics fit their data sets.

  Args:
    loss: the loss, and the training set.
    metrics: the metrics, and the validation data.
    stacked_params: networks, with a leading axis on every leaf.
    config: `TrainConfig`.
    draw_key: of a loss that draws; its batches have a field "key".
  """
  (loss_fn, dataset), (metrics_fn, validation) = loss, metrics
  data.check(dataset, "dataset")
  data.check(validation, "validation")
  params = jax.eval_shape(lambda tree: trees.row(tree, 0), stacked_params)
  if draw_key is not None:
    trees.check_key(draw_key, "draw_key")
    dataset = {**dataset, "key": jax.eval_shape(jax.random.split, draw_key)}
  batch_size = config.batch_size // config.data_devices
  data.check_loss(loss_fn, params, batch_size, {"dataset": dataset})
  size = min(config.eval_batch_size, trees.num_rows(validation))
  data.check_metrics(
    metrics_fn, params, size, {"validation": validation}, needs="loss"
  )
