"""From a config to the objects of an experiment: names are resolved here."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from structcomp_jax import masks, search, training, types
from structcomp_jax.models import bert, hugging_face, tokenizers
from structcomp_jax.recipes import checks, paths
from structcomp_jax.tasks import datasets, odd_one_out, syntax


@dataclasses.dataclass(frozen=True)
class Experiment:
  """One experiment, ready to run.

  Attributes:
    config: the locked config.
    paths: of its work directory.
    subroutines: names of the two subroutines.
    test_tasks: names of the five test tasks.
    network: the model and its starting weights.
  """

  config: ConfigDict
  paths: paths.Paths
  subroutines: tuple[str, ...]
  test_tasks: tuple[str, ...]
  network: "Network"

  def dataset_name(self, task: str) -> str:
    """Returns builder/config of one task."""
    name = syntax.DatasetName(
      self.config.experiment, task, self.config.data.policy
    )
    return f"syntax_subroutines/{name}"

  @property
  def data_dir(self) -> pathlib.Path:
    """The TFDS directory."""
    data_dir = self.config.runtime.data_dir
    return pathlib.Path(data_dir) if data_dir else self.paths.workdir / "data"

  def num_problems(self, task: str) -> dict[str, int]:
    """Returns the sizes of the splits of one task.

    The configured ones, but never more than the task has: the odd_* tasks
    are smaller than the others and have no training split.
    """
    wanted = self.config.data.num_problems
    problems = syntax.make_datasets(
      self.config.experiment, self.config.data.policy
    )
    return {
      split: min(wanted[split] or len(found), len(found))
      for split, found in problems[task].items()
    }

  def separation(self) -> list[str]:
    """Says which data sets of the experiment share sentences."""
    return syntax.separation_report(
      self.config.experiment, self.config.data.policy
    )

  def load(self, task: str, split: str) -> types.Batch:
    """Returns {"token_ids": i32[N, 4, L], "attention_mask": bool[N, 4, L]}."""
    sentences = datasets.load(self.dataset_name(task), self.data_dir, split)
    expected = self.num_problems(task)[split]
    if len(sentences) != expected:
      raise types.UserError(
        f"{self.data_dir} holds {len(sentences)} {split} problems of {task}, "
        f"the config wants {expected}; use another runtime.data_dir"
      )
    return tokenizers.encode(
      self.network.tokenizer, sentences, length=self.network.length
    )

  def train_config(self, regime: str) -> training.TrainConfig:
    """Returns how the base networks of one regime are trained."""
    fields = self.config.training.to_dict()
    pretrained_rate = fields.pop("pretrained_learning_rate")
    if regime == "lm_pretrained" and pretrained_rate:
      fields["learning_rate"] = pretrained_rate
    return training.TrainConfig(**fields, **self._runtime())

  def search_config(self, **axes: Any) -> search.SearchConfig:
    """Returns the shared settings of a search over the given axes."""
    fields = self.config.search.to_dict()
    for name in ("unit", "masked_from", "grid_seed", "selection"):
      del fields[name]
    return search.SearchConfig(**{**fields, **axes}, **self._runtime())

  def mask_spec(self, params: types.Params, masked_from: int) -> masks.MaskSpec:
    """Selects the weight matrices of every layer from `masked_from` on.

    Embeddings, biases and norms are never masked (published).
    """
    num_layers = self.network.model.config.num_layers
    layers = "|".join(map(str, range(masked_from, num_layers)))
    return masks.select(
      params,
      [
        (rf"layer_({layers})/.*kernel", self.config.search.unit),
        (".*", "frozen"),
      ],
    )

  def _runtime(self) -> dict[str, Any]:
    runtime = self.config.runtime
    return {
      "steps_per_call": runtime.steps_per_call,
      "vmap_width": runtime.vmap_width,
      "eval_batch_size": self.config.evaluation.batch_size,
    }


@dataclasses.dataclass(frozen=True, eq=False)
class Network:
  """A model that embeds sentences, and its starting weights.

  Attributes:
    model: the encoder.
    tokenizer: text to ids.
    length: tokens every sentence is padded to.
    pretrained: weights of the checkpoint, or None.
  """

  model: bert.Bert
  tokenizer: Any
  length: int
  pretrained: types.Params | None

  def init(self, key: jax.Array) -> types.Params:
    """Draws fresh weights."""
    token_ids = np.zeros((1, self.length), np.int32)
    return self.model.init(key, token_ids, token_ids == 0)["params"]

  @functools.cached_property
  def metrics_fn(self) -> Callable[..., dict[str, jax.Array]]:
    """(params, batch) -> {"loss", "accuracy", "margin": f32[batch]}."""
    model = self.model

    def metrics(params, batch):
      num_problems, num_items, length = batch["token_ids"].shape
      vectors = model.apply(
        {"params": params},
        batch["token_ids"].reshape(-1, length),
        batch["attention_mask"].reshape(-1, length),
        method="first_token",
      )
      return odd_one_out.problem_metrics(
        vectors.reshape(num_problems, num_items, -1)
      )

    return metrics

  @functools.cached_property
  def loss_fn(self) -> types.LossFn:
    """(params, batch) -> mean loss."""
    metrics_fn = self.metrics_fn
    return lambda params, batch: metrics_fn(params, batch)["loss"].mean()


def load(config: ConfigDict, workdir: str | pathlib.Path) -> Experiment:
  """Checks a config and makes its objects; reads no data yet.

  Raises:
    UserError: a value names nothing that exists or fits nothing else.
  """
  checks.check(config)
  spec = syntax.experiment_spec(config.experiment)
  experiment = Experiment(
    config=config,
    paths=paths.Paths(pathlib.Path(workdir), config.regimes[0]),
    subroutines=spec.subroutines,
    test_tasks=spec.test_tasks,
    network=_make_network(config, spec.vocabulary),
  )
  # All raise on bad values: before the first hour of work, not after it.
  _check_sizes(experiment)
  _check_constant_betas(experiment)
  for regime in config.regimes:
    with checks.section("training"):
      experiment.train_config(regime)
  with checks.section("search"):
    experiment.search_config().candidates()
  return experiment


def _check_sizes(experiment: Experiment) -> None:
  """Raises UserError where there are too few problems."""
  config = experiment.config
  found = experiment.num_problems("base")
  for split, wanted in config.data.num_problems.items():
    if wanted > found[split]:
      raise types.UserError(
        f"data.num_problems.{split} {wanted} is more than the {found[split]} "
        f"of {experiment.dataset_name('base')}; lower it, or 0 for all"
      )
  smallest = min(
    experiment.num_problems(task)["train"]
    for task in ("base", *experiment.subroutines)
  )
  for section in ("training", "search"):
    if config[section].batch_size > smallest:
      raise types.UserError(
        f"{section}.batch_size {config[section].batch_size} is more than the "
        f"{smallest} training problems; lower it to {smallest} or less"
      )


def _check_constant_betas(experiment: Experiment) -> None:
  """Raises UserError for a rule of search.constant_beta that matches nothing.

  Every value of masked_from must leave it something to match.
  """
  search_config = experiment.config.search
  if search_config.constant_beta:
    params = jax.eval_shape(experiment.network.init, jax.random.key(0))
    for masked_from in search_config.masked_from:
      spec = experiment.mask_spec(params, masked_from)
      with checks.section("search"):
        masks.leaf_betas(spec, 1.0, search_config.constant_beta)


def _make_network(config: ConfigDict, vocabulary: tuple[str, ...]) -> Network:
  """Makes the encoder that the config describes.

  Raises:
    UserError: it needs a checkpoint that is not given, cannot be read, or
      has another tokenizer.
  """
  model = config.model
  if not model.checkpoint:
    if model.tokenizer == "checkpoint" or "lm_pretrained" in config.regimes:
      raise types.UserError(
        "model.checkpoint is empty; give a directory with config.json, "
        "weights and tokenizer, or 'minilm' for the installed package"
      )
    tokenizer, pretrained = tokenizers.word_tokenizer(vocabulary), None
    sizes = bert.BertConfig(
      vocab_size=tokenizers.vocabulary_size(tokenizer),
      hidden_size=model.hidden_size,
      num_layers=model.num_layers,
      num_heads=model.num_heads,
      intermediate_size=model.intermediate_size,
      max_positions=model.max_positions,
      initializer_range=model.initializer_range,
    )
  else:
    directory = (
      hugging_face.minilm_directory()
      if model.checkpoint == "minilm"
      else model.checkpoint
    )
    sizes, pretrained, tokenizer = hugging_face.load(directory)
    if model.tokenizer == "word":
      raise types.UserError(
        "model.tokenizer 'word' does not fit the weights of a checkpoint; "
        "set it to 'checkpoint'"
      )
  for masked_from in config.search.masked_from:
    if not 0 <= masked_from < sizes.num_layers:
      raise types.UserError(
        f"search.masked_from {masked_from} is not a layer of a network with "
        f"{sizes.num_layers}; choose 0 to {sizes.num_layers - 1}"
      )
  length = _longest(config, tokenizer)
  if length > sizes.max_positions:
    raise types.UserError(
      f"model.max_positions {sizes.max_positions} is too short for a sentence "
      f"of {length} tokens; set it to {length} or more"
    )
  return Network(
    model=bert.Bert(sizes),
    tokenizer=tokenizer,
    length=length,
    pretrained=pretrained,
  )


def _longest(config: ConfigDict, tokenizer: Any) -> int:
  """Returns the number of tokens of the experiment's longest sentence.

  Both tokenizers split at white space first, so that the tokens of a sentence
  are those of its words: a hundred words to look at, not all sentences.
  """
  problems = syntax.make_datasets(config.experiment, config.data.policy)
  sentences = {
    str(sentence)
    for splits in problems.values()
    for split in splits.values()
    for sentence in split.ravel()
  }
  words = sorted({word for sentence in sentences for word in sentence.split()})
  ends = tokenizer.num_special_tokens_to_add(False)
  encoded = tokenizers.encode(tokenizer, words)["attention_mask"].sum(-1) - ends
  num_tokens = dict(zip(words, encoded.tolist(), strict=True))
  return ends + max(
    sum(map(num_tokens.get, sentence.split())) for sentence in sentences
  )
