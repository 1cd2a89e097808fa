"""The language domain: sentences, tokenizers, BERT."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from structcomp_jax import types
from structcomp_jax.models import bert
from structcomp_jax.models.pretrained import hugging_face, tokenizers
from structcomp_jax.studies.break_it_down.domain import Network
from structcomp_jax.tasks.odd_one_out import syntax

EXPERIMENTS = tuple(syntax.EXPERIMENTS)
CHOICES = {
  "data.policy": syntax.POLICIES,
  "regimes": ("scratch", "lm_pretrained", "pruned", "random_init"),
  "model.tokenizer": ("word", "checkpoint"),
}

# Products grow with the square of the width, moving tokens with the width; by
# estimate, moving costs less than padding from here on.
_LEAST_HIDDEN_SIZE = 256


@dataclasses.dataclass(frozen=True, eq=False)
class Language:
  """One language experiment; see `domain.Domain`.

  Attributes:
    subroutines: names of the two subroutines.
    test_tasks: names of the five test tasks.
    network: a BERT read out at its first token.
    frozen_network: the same, computing in `search.compute_dtype`.
    stages: of the network, first to last.
    tokenizer: text to ids.
    length: tokens every sentence is padded to.
    experiment: its name.
    policy: how sentences are split among data sets.
  """

  subroutines: tuple[str, ...]
  test_tasks: tuple[str, ...]
  network: Network
  frozen_network: Network
  stages: tuple[str, ...]
  tokenizer: Any
  length: int
  experiment: str
  policy: str

  def dataset_name(self, task: str) -> str:
    name = syntax.DatasetName(self.experiment, task, self.policy)
    return f"syntax_subroutines/{name}"

  def available(self, task: str) -> dict[str, int]:
    problems = syntax.make_datasets(self.experiment, self.policy)[task]
    return {split: len(found) for split, found in problems.items()}

  def separation(self) -> list[str]:
    return syntax.separation_report(self.experiment, self.policy)

  def encode(self, problems: np.ndarray) -> types.Batch:
    """{"token_ids": i32[N, 4, L], "attention_mask": bool[N, 4, L]}."""
    return tokenizers.encode(self.tokenizer, problems, length=self.length)

  def masked_stages(self, masked_from: int) -> tuple[str, ...]:
    """Every layer from `masked_from` on; never the embeddings (published)."""
    layers = self.stages[1:]
    if masked_from not in range(len(layers)):
      raise types.UserError(
        f"masked_from {masked_from!r} is not a layer of a network with "
        f"{len(layers)}; choose 0 to {len(layers) - 1}"
      )
    return layers[masked_from:]


def make(config: ConfigDict) -> Language:
  """Makes the encoder that the config describes, and what it reads.

  Raises:
    UserError: it needs a checkpoint that is not given, cannot be read, or
      has another tokenizer.
  """
  model, spec = config.model, syntax.experiment_spec(config.experiment)
  if not model.checkpoint:
    if model.tokenizer == "checkpoint" or "lm_pretrained" in config.regimes:
      raise types.UserError(
        "model.checkpoint is empty; give a directory with config.json, "
        "weights and tokenizer, or 'minilm' for the installed package"
      )
    tokenizer = tokenizers.word_tokenizer(syntax.vocabulary())
    pretrained = None
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
  lengths = _sentence_lengths(config, tokenizer)
  length = int(lengths.max())
  if length > sizes.max_positions:
    raise types.UserError(
      f"model.max_positions {sizes.max_positions} is too short for a sentence "
      f"of {length} tokens; set it to {length} or more"
    )
  encoder = bert.Bert(
    sizes,
    tokens_per_sentence=float(lengths.mean())
    if _packing_pays(config, sizes)
    else None,
  )
  make_network = functools.partial(_network, encoder, length, pretrained)
  return Language(
    subroutines=spec.subroutines,
    test_tasks=spec.test_tasks,
    network=make_network("float32"),
    frozen_network=make_network(config.search.compute_dtype),
    stages=bert.stages(sizes),
    tokenizer=tokenizer,
    length=length,
    experiment=config.experiment,
    policy=config.data.policy,
  )


def _network(
  model: bert.Bert, length: int, pretrained: types.Params | None, dtype: str
) -> Network:
  """Returns the encoder, read out at its first token."""
  model = model.clone(dtype=jnp.dtype(dtype))

  def init(key):
    token_ids = np.zeros((1, length), np.int32)
    return model.init(key, token_ids, token_ids == 0)["params"]

  def apply(params, items, attention_mask, **kwargs):
    """Applies the model to the sentences of all problems at once."""
    num_problems, num_items = items.shape[:2]
    result: Any = model.apply(
      {"params": params},
      items.reshape(-1, *items.shape[2:]),
      attention_mask.reshape(-1, attention_mask.shape[-1]),
      **kwargs,
    )
    return result.reshape(num_problems, num_items, *result.shape[1:])

  def features_before(params, batch, stage):
    mask = batch["attention_mask"]
    hidden = apply(
      params, batch["token_ids"], mask, stage=stage, method="hidden_before"
    )
    return {"hidden": hidden, "attention_mask": mask}

  return Network(
    init=init,
    embed=lambda params, batch: apply(
      params, batch["token_ids"], batch["attention_mask"], method="first_token"
    ),
    features_before=features_before,
    embed_from=lambda params, batch, stage: apply(
      params,
      batch["hidden"],
      batch["attention_mask"],
      stage=stage,
      method="first_token_from",
    ),
    dtype=dtype,
    pretrained=pretrained,
  )


def _sentence_lengths(config: ConfigDict, tokenizer: Any) -> np.ndarray:
  """Returns the number of tokens of every sentence of the experiment.

  Both tokenizers split at white space first, so that the tokens of a sentence
  are those of its words: a hundred words to look at, not all sentences.
  """
  problems = syntax.make_datasets(config.experiment, config.data.policy)
  sentences = [
    str(sentence)
    for splits in problems.values()
    for split in splits.values()
    for sentence in split.ravel()
  ]
  words = sorted({word for sentence in sentences for word in sentence.split()})
  ends = tokenizer.num_special_tokens_to_add(False)
  encoded = tokenizers.encode(tokenizer, words)["attention_mask"].sum(-1) - ends
  num_tokens = dict(zip(words, encoded.tolist(), strict=True))
  lengths = {
    sentence: ends + sum(num_tokens[word] for word in sentence.split())
    for sentence in set(sentences)
  }
  return np.array([lengths[sentence] for sentence in sentences])


def _packing_pays(config: ConfigDict, sizes: bert.BertConfig) -> bool:
  """Whether to compute padding in unusual batches only.

  Measured on a CPU; on an accelerator a branch waits for the host. Devices
  that share a batch would take different branches.
  """
  return (
    jax.default_backend() == "cpu"
    and config.runtime.data_devices == 1
    and sizes.hidden_size >= _LEAST_HIDDEN_SIZE
  )
