"""Whether data, loss and metrics of a search are what they should be."""

from collections.abc import Mapping
from typing import Any

import jax

from structcomp_jax import types
from structcomp_jax.engine import data
from structcomp_jax.search import two_sided
from structcomp_jax.search.config import SearchConfig


def check(
  config: SearchConfig, dataset: types.Batch, validation: types.Batch | None
) -> None:
  """Raises UserError unless data sets can be searched with.

  >>> import numpy as np
  >>> check(SearchConfig(), {"x": np.ones(3)}, None)

  Args:
    config: of the search.
    dataset, validation: as for `search.run`.
  """
  for name, part in (("dataset", dataset), ("validation", validation)):
    if part is None:
      continue
    if config.two_sided and isinstance(part, Mapping):
      two_sided.check(part, name)
    data.check(part, name)
    if config.loss_draws and name == "dataset" and "key" in part:
      raise types.UserError(
        "dataset has a field 'key', which loss_draws adds; rename it"
      )


def check_functions(
  config: SearchConfig,
  params: types.Params,
  loss: tuple[types.LossFn, types.Batch],
  metrics: tuple[types.MetricsFn | None, types.Batch | None],
) -> None:
  """Raises UserError unless loss and metrics fit the data sets.

  >>> import numpy as np
  >>> params, dataset = {"scale": np.ones(1)}, {"x": np.ones(64)}
  >>> def loss_fn(params, batch):
  ...   return (params["scale"] * batch["x"]).mean()
  >>> check_functions(SearchConfig(), params, (loss_fn, dataset), (None, None))

  Args:
    config: of the search.
    params: one network, or its shapes.
    loss: the loss, and the data set.
    metrics: the metrics, and the validation data; or None and None.
  """
  loss_fn, dataset = loss
  batch_size = config.batch_size // config.num_parts // config.data_devices
  datasets = _halves(config, "dataset", dataset)
  if config.loss_draws:
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), 1))
    datasets = {name: {**part, "key": keys} for name, part in datasets.items()}
  data.check_loss(loss_fn, params, batch_size, datasets)
  metrics_fn, validation = metrics
  if metrics_fn is not None and validation is not None:
    datasets = _halves(config, "validation", validation)
    length = min(
      len(array) for part in datasets.values() for array in part.values()
    )
    size = min(config.eval_batch_size, length)
    data.check_metrics(metrics_fn, params, size, datasets, needs="loss")


def _halves(config: SearchConfig, name: str, dataset: Any) -> dict[str, Any]:
  """Returns the data sets that a function sees, by name."""
  if not config.two_sided:
    return {name: dataset}
  return {f"{name} {half}": part for half, part in dataset.items()}
