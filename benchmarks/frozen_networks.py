"""Two small trained networks and their tasks, to be searched side by side."""

import dataclasses
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.workload import load_study, train_config
from structcomp_jax import masks, search, training, trees, types
from structcomp_jax.models.pretrained import hugging_face
from structcomp_jax.pipeline.study import fresh_params
from structcomp_jax.tasks.odd_one_out import syntax

_BERT = "configs/quickstart.py"
_NUM_BITS = 10
_WIDTHS = (_NUM_BITS, 64, 64)


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
  """A trained network, the task of its masks, and tests.

  Attributes:
    about: what it is, in words.
    params: the network, float32.
    spec: the masked leaves, all of them kernels [in, out].
    loss_fn: (params, batch) -> mean loss.
    metrics_fn: (params, batch) -> {"loss", "accuracy": f32[batch]}.
    train: the examples of the task.
    tests: {test task: examples}, that of the masks first.
    settings: {relaxation: settings of its search}, seeds apart.
    sizes: of the network, for whom has to build it again.
  """

  about: str
  params: types.Params
  spec: masks.MaskSpec
  loss_fn: types.LossFn
  metrics_fn: types.MetricsFn
  train: types.Batch
  tests: Mapping[str, types.Batch]
  settings: Mapping[str, Mapping[str, Any]]
  sizes: Any = None

  def config(
    self, relaxation: str, seeds: tuple[int, ...], **changes: Any
  ) -> search.SearchConfig:
    """Returns the search of one mask per seed, some of it changed."""
    return search.SearchConfig(
      relaxation=relaxation,
      seeds=seeds,
      **{**self.settings[relaxation], **changes},
    )


def perceptron() -> Case:
  """A multilayer perceptron that counts which of two rules hold.

  Rule 1: bits 0 and 1 differ; rule 2: bits 2 and 3 differ.
  """
  bits = np.array(
    list(itertools.product((-1, 1), repeat=_NUM_BITS)), np.float32
  )
  rules = [1.0 * (bits[:, 2 * i] != bits[:, 2 * i + 1]) for i in range(2)]
  count, *tasks = (
    {"x": bits, "y": np.float32(y)} for y in (sum(rules), *rules)
  )
  params = _trained(
    _perceptron_loss,
    _perceptron_metrics,
    _perceptron_weights(),
    count,
    training.TrainConfig(num_epochs=60, batch_size=64, learning_rate=3e-3),
  )
  common = {"num_epochs": 60, "batch_size": 64, "init_logits": (0.1,)}
  return Case(
    about="perceptron 10-64-64-1 that counts which of two rules hold; masks "
    "for rule 1",
    params=params,
    spec=masks.select(params, [(".*kernel", "weight"), (".*", "frozen")]),
    loss_fn=_perceptron_loss,
    metrics_fn=_perceptron_metrics,
    train=tasks[0],
    tests={"rule 1": tasks[0], "rule 2": tasks[1]},
    settings={
      "continuous_sparsification": {
        **common,
        "learning_rates": (0.01,),
        "penalties": (1e-4,),
      },
      "hard_concrete": {
        **common,
        "learning_rates": (0.1,),
        "penalties": (1e-4,),
      },
    },
  )


def _perceptron_weights() -> types.Params:
  sizes = [*itertools.pairwise(_WIDTHS), (_WIDTHS[-1], 1)]
  names = [f"hidden_{place}" for place in range(len(sizes) - 1)] + ["output"]
  keys = jax.random.split(jax.random.key(0), len(sizes))
  return {
    name: {
      "kernel": jax.random.normal(key, size) * (2 / size[0]) ** 0.5,
      "bias": jnp.zeros(size[1]),
    }
    for name, key, size in zip(names, keys, sizes, strict=True)
  }


def _perceptron_metrics(
  params: types.Params, batch: types.Batch
) -> dict[str, jax.Array]:
  x = batch["x"]
  for name in sorted(params.keys() - {"output"}):
    x = jax.nn.relu(x @ params[name]["kernel"] + params[name]["bias"])
  output = x @ params["output"]["kernel"] + params["output"]["bias"]
  error = output[:, 0] - batch["y"]
  return {"loss": error**2, "accuracy": 1.0 * (jnp.abs(error) < 0.5)}


def _perceptron_loss(params: types.Params, batch: types.Batch) -> jax.Array:
  return _perceptron_metrics(params, batch)["loss"].mean()


def bert() -> Case:
  """The BERT of the quickstart, trained on subject-verb agreement."""
  study = load_study(_BERT)
  problems = syntax.make_datasets(
    study.config.experiment, study.config.data.policy
  )

  def encoded(task, split):
    size = study.datasets[task].sizes[split]
    return study.domain.encode(problems[task][split][:size])

  network = study.frozen_network
  params = _trained(
    network.loss_fn,
    network.metrics_fn,
    fresh_params(network, jax.random.key(0)),
    encoded("base", "train"),
    train_config(study),
    encoded("base", "validation"),
  )
  common = {"num_epochs": 1, "batch_size": 64, "init_logits": (0.1,)}
  return Case(
    about="the BERT of the quickstart (2 layers of width 64), trained on "
    "sv_singular; masks for the subject",
    params=params,
    spec=masks.select(params, study.mask_rules(0)),
    loss_fn=network.loss_fn,
    metrics_fn=network.metrics_fn,
    train=encoded("subject", "train"),
    tests={
      task: encoded(task, "test")
      for task in ("subject", "odd_subject", "odd_verb")
    },
    settings={
      "continuous_sparsification": {
        **common,
        "learning_rates": (0.03,),
        "penalties": (1e-5,),
      },
      "hard_concrete": {
        **common,
        "learning_rates": (0.1,),
        "penalties": (1e-5,),
      },
    },
    sizes=network.model.config,
  )


CASES: Mapping[str, Callable[[], Case]] = {
  "perceptron": perceptron,
  "bert": bert,
}


def _trained(
  loss_fn: types.LossFn,
  metrics_fn: types.MetricsFn,
  params: types.Params,
  dataset: types.Batch,
  config: training.TrainConfig,
  validation: types.Batch | None = None,
) -> types.Params:
  """Returns the trained weights of one network."""
  seed = training.init_state(jnp.int32(0), params, config)
  final = training.run(
    loss_fn,
    metrics_fn,
    trees.stack([seed]),
    jax.device_put(dataset),
    jax.device_put(dataset if validation is None else validation),
    config,
    key=jax.random.key(1),
  )
  return trees.row(final.best.value, 0)


def layer_names(case: Case) -> dict[str, str]:
  """Returns {path of a masked kernel: name of its layer in PyTorch}."""
  if case.sizes is None:
    return {path: path.removesuffix("/kernel") for path in case.spec.paths}
  places = hugging_face.bert_layout(case.sizes).places
  return {
    path: places[path].name.removesuffix(".weight") for path in case.spec.paths
  }
