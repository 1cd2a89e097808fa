"""The language domain: sentences, tokenizers, encoders of sentences."""

import dataclasses
import os
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from ml_collections import ConfigDict
from tokenizers import Tokenizer

from structcomp_jax import target, types
from structcomp_jax.models import bert, staged
from structcomp_jax.models.pretrained import hugging_face, tokenizers
from structcomp_jax.pipeline.sizes import make_sizes
from structcomp_jax.studies.break_it_down.network import Input, OddOneOutNetwork
from structcomp_jax.tasks.odd_one_out import nonsense, syntax

EXPERIMENTS = tuple(syntax.EXPERIMENTS)
# Packing saves products of padding, whose cost grows with the square of the
# width, and moves tokens, whose cost grows with the width. By estimate it pays
# from this width on.
_LEAST_PACKED_WIDTH = 256
# What nonsense properties are random bits of: the noun of the subject ("the
# author near ...") and the last word, in which predicate or pronoun end.
_NONSENSE_WORDS: tuple[Callable[[str], str], ...] = (
  lambda sentence: sentence.split()[1],
  lambda sentence: sentence.split()[-1],
)


@dataclasses.dataclass(frozen=True)
class _Family:
  """A kind of language model.

  Attributes:
    config_class: of its sizes; has the fields `vocab_size` and `max_positions`.
    model: (sizes, mean tokens of a sentence, devices that share a batch) -> the
      network.
    load: directory of a checkpoint -> (sizes, weights, tokenizer); None: there
      is no reader.
    packages: {name of an installed checkpoint: returns its directory}.
  """

  config_class: Callable[..., Any]
  model: Callable[[Any, float, int], staged.Staged]
  load: (
    Callable[[str | os.PathLike[str]], tuple[Any, types.Params, Tokenizer]]
    | None
  ) = None
  packages: Mapping[str, Callable[[], pathlib.Path]] = dataclasses.field(
    default_factory=dict
  )


def _make_bert(
  sizes: bert.BertConfig, tokens_per_sentence: float, data_devices: int
) -> bert.Bert:
  """Returns a BERT, which packs its tokens where that pays.

  Packing was measured on a CPU; on an accelerator a branch waits for the host.
  Devices that share a batch would take different branches.
  """
  packs = (
    target.platform() == "cpu"
    and data_devices == 1
    and sizes.hidden_size >= _LEAST_PACKED_WIDTH
  )
  return bert.Bert(
    sizes, tokens_per_sentence=tokens_per_sentence if packs else None
  )


_FAMILIES = {
  "bert": _Family(
    config_class=bert.BertConfig,
    model=_make_bert,
    load=hugging_face.load,
    packages={"minilm": hugging_face.minilm_directory},
  ),
}
CHOICES = {
  "data.policy": syntax.POLICIES,
  "regimes": ("scratch", "lm_pretrained", "pruned", "random_init"),
  "model.family": tuple(_FAMILIES),
  "model.tokenizer": ("word", "checkpoint"),
}


@dataclasses.dataclass(frozen=True, eq=False)
class Language:
  """One language experiment; see `domain.Domain`.

  Attributes:
    subroutines: names of the two subroutines.
    test_tasks: names of the five test tasks.
    network: embeds sentences.
    frozen_network: the same, computing in `search.compute_dtype`.
    pretrained: weights of the checkpoint, or None.
    tokenizer: text to ids.
    length: tokens every sentence is padded to.
    experiment: its name.
    policy: how sentences are split among data sets.
  """

  subroutines: tuple[str, ...]
  test_tasks: tuple[str, ...]
  network: OddOneOutNetwork
  frozen_network: OddOneOutNetwork
  pretrained: types.Params | None
  tokenizer: Tokenizer
  length: int
  experiment: str
  policy: str

  def dataset_name(self, task: str) -> str:
    name = syntax.DatasetName(self.experiment, task, self.policy)
    return f"syntax_subroutines/{name}"

  def available(self, task: str) -> dict[str, int]:
    problems = syntax.make_datasets(self.experiment, self.policy)[task]
    return {split: len(found) for split, found in problems.items()}

  def assumptions(self) -> list[str]:
    return [
      f"sentences are padded to {self.length} tokens, the longest of the "
      "experiment"
    ]

  def sample(self, num_problems: int) -> np.ndarray:
    """Real problems."""
    found = syntax.make_datasets(self.experiment, self.policy)["base"]["train"]
    return found[:num_problems]

  def separation(self) -> list[str]:
    return syntax.separation_report(self.experiment, self.policy)

  def encode(self, problems: np.ndarray) -> types.Batch:
    """{"token_ids": i32[N, 4, L], "attention_mask": bool[N, 4, L]}."""
    return tokenizers.encode(self.tokenizer, problems, length=self.length)

  def nonsense(
    self, place: int, number: int
  ) -> Callable[[np.ndarray], types.Batch]:
    """Deals sentences by a random bit of their subject or of their end."""
    word = _NONSENSE_WORDS[place]
    seed = len(_NONSENSE_WORDS) * number + place

    def encode(problems: np.ndarray) -> types.Batch:
      # Of all sentences, so that every split has the same bits.
      sentences = _sentences(self.experiment, self.policy)
      bits = nonsense.random_bits(map(word, sentences), seed)
      items = problems.ravel()
      places = nonsense.deal(map(word, items), bits, seed=seed)
      return self.encode(items[places])

    return encode

  def masked_stages(self, masked_from: str | int) -> tuple[str, ...]:
    """Every layer from `masked_from` on; never the embeddings (published)."""
    layers = self.network.stages[1:]
    return staged.stages_from(layers, masked_from, name="masked_from")


def make(config: ConfigDict) -> Language:
  """Makes the network that the config describes, and what it reads.

  Raises:
    UserError: it needs a checkpoint that is not given, cannot be read, or
      has another tokenizer; or its sizes fit nothing.
  """
  spec = syntax.experiment_spec(config.experiment)
  family = _FAMILIES[config.model.family]
  if config.model.checkpoint:
    sizes, pretrained, tokenizer = _read_checkpoint(config.model, family)
  else:
    _check_needs_no_checkpoint(config)
    pretrained = None
    tokenizer = tokenizers.word_tokenizer(syntax.vocabulary())
    sizes = make_sizes(
      config.model,
      family.config_class,
      vocab_size=tokenizers.vocabulary_size(tokenizer),
    )
  lengths = _sentence_lengths(config, tokenizer)
  length = int(lengths.max())
  if length > sizes.max_positions:
    raise types.UserError(
      f"model.sizes.max_positions {sizes.max_positions} is too short for a "
      f"sentence of {length} tokens; set it to {length} or more"
    )
  network = OddOneOutNetwork(
    model=family.model(
      sizes, float(lengths.mean()), config.runtime.data_devices
    ),
    inputs=(
      Input("token_ids", (length,), "int32"),
      Input("attention_mask", (length,), "bool"),
    ),
  )
  return Language(
    subroutines=spec.subroutines,
    test_tasks=spec.test_tasks,
    network=network.in_dtype("float32"),
    frozen_network=network.in_dtype(config.search.compute_dtype),
    pretrained=pretrained,
    tokenizer=tokenizer,
    length=length,
    experiment=config.experiment,
    policy=config.data.policy,
  )


def checkpoint_directory(family: str, checkpoint: str) -> str | pathlib.Path:
  """Returns where a checkpoint lies, given what a config calls it.

  Raises:
    UserError: it is a package that is not installed.
  """
  package = _FAMILIES[family].packages.get(checkpoint)
  return package() if package else checkpoint


def _read_checkpoint(
  model: ConfigDict, family: _Family
) -> tuple[Any, types.Params, Tokenizer]:
  """Returns sizes, weights and tokenizer of the checkpoint."""
  if family.load is None:
    raise types.UserError(
      f"model.checkpoint {model.checkpoint!r} cannot be read for the family "
      f"{model.family}; leave it empty"
    )
  found = family.load(checkpoint_directory(model.family, model.checkpoint))
  if model.tokenizer == "word":
    raise types.UserError(
      "model.tokenizer 'word' does not fit the weights of a checkpoint; "
      "set it to 'checkpoint'"
    )
  return found


def _check_needs_no_checkpoint(config: ConfigDict) -> None:
  """Raises UserError where something is to come from a checkpoint."""
  if (
    config.model.tokenizer == "checkpoint" or "lm_pretrained" in config.regimes
  ):
    raise types.UserError(
      "model.checkpoint is empty; give a directory with config.json, "
      "weights and tokenizer, or 'minilm' for the installed package"
    )


def _sentence_lengths(config: ConfigDict, tokenizer: Tokenizer) -> np.ndarray:
  """Returns the number of tokens of every sentence of the experiment.

  Both tokenizers split at white space first, so that the tokens of a sentence
  are those of its words: a hundred words to look at, not all sentences.
  """
  sentences = _sentences(config.experiment, config.data.policy)
  words = sorted({word for sentence in sentences for word in sentence.split()})
  ends = tokenizer.num_special_tokens_to_add(False)
  encoded = tokenizers.encode(tokenizer, words)["attention_mask"].sum(-1) - ends
  num_tokens = dict(zip(words, encoded.tolist(), strict=True))
  lengths = {
    sentence: ends + sum(num_tokens[word] for word in sentence.split())
    for sentence in set(sentences)
  }
  return np.array([lengths[sentence] for sentence in sentences])


def _sentences(experiment: str, policy: str) -> list[str]:
  """Returns all sentences of an experiment, as often as they occur."""
  return [
    str(sentence)
    for splits in syntax.make_datasets(experiment, policy).values()
    for split in splits.values()
    for sentence in split.ravel()
  ]
