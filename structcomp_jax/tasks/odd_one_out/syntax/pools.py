"""The experiments, and the three pools of sentences each one draws from.

Every experiment is about two components of a sentence: A, the number of the
main subject, and B, the number of the main verb or reflexive. A component
either has the experiment's base number or is flipped.
"""

import dataclasses
import functools

import numpy as np

from structcomp_jax.tasks.odd_one_out import names
from structcomp_jax.tasks.odd_one_out.syntax import grammar


@dataclasses.dataclass(frozen=True)
class Sizes:
  """Number of problems per split."""

  train: int
  validation: int
  test: int

  @property
  def total(self) -> int:
    return self.train + self.validation + self.test


@dataclasses.dataclass(frozen=True)
class Experiment:
  """One of the four experiments.

  Attributes:
    name: a key of `names.SYNTAX.experiments`.
    constructions: the templates, in pool order.
    base_number: grammar.SINGULAR or grammar.PLURAL.
    sizes: sizes of `base` and of both subroutines in Lepori et al. 2023.
    odd_sizes: their sizes of the data sets `odd_*`, which have no train split.
  """

  name: str
  constructions: tuple[grammar.Construction, ...]
  base_number: int
  sizes: Sizes
  odd_sizes: Sizes

  @property
  def components(self) -> tuple[str, str]:
    """Names of component A and component B."""
    return names.SYNTAX.experiments[self.name].subroutines

  @property
  def roles(self) -> tuple[str, ...]:
    """The five data sets: base, A, B, odd_A, odd_B."""
    return names.SYNTAX.experiments[self.name].test_tasks

  def role_sizes(self, role: str) -> Sizes:
    """The sizes of one data set in Lepori et al. 2023."""
    return self.sizes if names.has_training_split(role) else self.odd_sizes


_SEED = 2023
# Attributes of `Pools`.
POOLS = ("ab", "a_flip", "b_flip")


@dataclasses.dataclass(frozen=True)
class Pools:
  """Sentences by the components that are flipped, with duplicates.

  All three are object[sentences] arrays of str.

  Attributes:
    ab: neither component flipped; grammatical.
    a_flip: only A flipped; ungrammatical.
    b_flip: only B flipped; ungrammatical.
  """

  ab: np.ndarray
  a_flip: np.ndarray
  b_flip: np.ndarray

  def distinct(self) -> dict[str, np.ndarray]:
    """Returns {pool: its sentences without duplicates}."""
    return {key: without_duplicates(getattr(self, key)) for key in POOLS}


def _agreement(number: int) -> Experiment:
  return Experiment(
    name=f"sv_{grammar.NUMBERS[number]}",
    constructions=grammar.AGREEMENT,
    base_number=number,
    sizes=Sizes(9500, 500, 1000),
    odd_sizes=Sizes(0, 300, 300),
  )


def _anaphora(number: int) -> Experiment:
  return Experiment(
    name=f"anaphora_{grammar.NUMBERS[number]}",
    constructions=grammar.ANAPHORA,
    base_number=number,
    sizes=Sizes(2500, 200, 200),
    odd_sizes=Sizes(0, 200, 200),
  )


# The random numbers of the policy "published" run through them in this order.
EXPERIMENTS = {
  experiment.name: experiment
  for experiment in (
    _agreement(grammar.SINGULAR),
    _agreement(grammar.PLURAL),
    _anaphora(grammar.SINGULAR),
    _anaphora(grammar.PLURAL),
  )
}


@functools.cache
def make_pools(name: str) -> Pools:
  """Returns the pools of an experiment, in the order of Lepori et al. 2023.

  Args:
    name: a key of `EXPERIMENTS`.

  Returns:
    The pools. Treat the arrays as read-only: they are cached.
  """
  return pools_of(EXPERIMENTS[name])


def generator_of(name: str) -> np.random.Generator:
  """Returns the random numbers of an experiment, the same at every call.

  They are those of our own policies; `published` has the stream of the paper.
  """
  return np.random.default_rng([_SEED, list(EXPERIMENTS).index(name)])


def pools_of(experiment: Experiment) -> Pools:
  """Returns the pools of an experiment whose words may be others.

  Args:
    experiment: one of `EXPERIMENTS`, or one whose constructions have fewer
      words.

  Returns:
    The pools, in the order of Lepori et al. 2023.
  """
  base, other = experiment.base_number, 1 - experiment.base_number
  grammatical, b_flip = _members(experiment.constructions, base)
  _, a_flip = _members(experiment.constructions, other)
  return Pools(ab=grammatical, a_flip=a_flip, b_flip=b_flip)


def without_duplicates(sentences: np.ndarray) -> np.ndarray:
  """Returns object[m] of object[n]: the first of equal sentences, in order."""
  return np.array(list(dict.fromkeys(sentences)), dtype=object)


@functools.cache
def _members(
  constructions: tuple[grammar.Construction, ...], number: int
) -> tuple[np.ndarray, np.ndarray]:
  """Returns all grammatical and all ungrammatical sentences of one number."""
  pairs = [
    pair
    for construction in constructions
    for group in grammar.pair_groups(construction, number)
    for pair in group
  ]
  grammatical, ungrammatical = zip(*pairs, strict=True)
  return (
    np.array(grammatical, dtype=object),
    np.array(ungrammatical, dtype=object),
  )
