"""Experiments, and the three pools of sentences each one draws from.

Every experiment is about two components of a sentence: A, the number of the
main subject, and B, the number of the main verb or reflexive. A component
has the experiment's base number, or it is flipped.
"""

import dataclasses
import functools

import numpy as np

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
    name: for example "sv_singular".
    constructions: the templates, in pool order.
    base_number: grammar.SINGULAR or grammar.PLURAL.
    components: names of component A and component B.
    sizes: published sizes of the data sets `base` and both subroutines.
    odd_sizes: published sizes of the data sets `odd_*`, without train.
  """

  name: str
  constructions: tuple[grammar.Construction, ...]
  base_number: int
  components: tuple[str, str]
  sizes: Sizes
  odd_sizes: Sizes

  @property
  def roles(self) -> tuple[str, ...]:
    """Names of the five data sets: base, subroutines, partitions."""
    a, b = self.components
    return ("base", a, b, f"odd_{a}", f"odd_{b}")

  def role_sizes(self, role: str) -> Sizes:
    """The published sizes of one data set."""
    return self.odd_sizes if role.startswith("odd_") else self.sizes


@dataclasses.dataclass(frozen=True)
class Pools:
  """Sentences by the components that are flipped, duplicates kept.

  All three are object[sentences] arrays of str.

  Attributes:
    ab: neither component flipped; grammatical.
    a_flip: only A flipped; ungrammatical.
    b_flip: only B flipped; ungrammatical.
  """

  ab: np.ndarray
  a_flip: np.ndarray
  b_flip: np.ndarray


def _agreement(number: int) -> Experiment:
  return Experiment(
    name=f"sv_{grammar.NUMBERS[number]}",
    constructions=grammar.AGREEMENT,
    base_number=number,
    components=("subject", "verb"),
    sizes=Sizes(9500, 500, 1000),
    odd_sizes=Sizes(0, 300, 300),
  )


def _anaphora(number: int) -> Experiment:
  return Experiment(
    name=f"anaphora_{grammar.NUMBERS[number]}",
    constructions=grammar.ANAPHORA,
    base_number=number,
    components=("antecedent", "pronoun"),
    sizes=Sizes(2500, 200, 200),
    odd_sizes=Sizes(0, 200, 200),
  )


# In the order in which the published random stream runs through them.
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
  """The pools of an experiment, in the published order.

  Args:
    name: a key of EXPERIMENTS.

  Returns:
    The pools. Treat the arrays as read-only: they are cached.
  """
  experiment = EXPERIMENTS[name]
  base, other = experiment.base_number, 1 - experiment.base_number
  grammatical, b_flip = _members(experiment.constructions, base)
  _, a_flip = _members(experiment.constructions, other)
  return Pools(ab=grammatical, a_flip=a_flip, b_flip=b_flip)


def without_duplicates(sentences: np.ndarray) -> np.ndarray:
  """Keeps the first of equal sentences, in order. object[n] -> object[m]."""
  return np.array(list(dict.fromkeys(sentences)), dtype=object)


@functools.cache
def _members(
  constructions: tuple[grammar.Construction, ...], number: int
) -> tuple[np.ndarray, np.ndarray]:
  """Grammatical and ungrammatical members of all sets of one number."""
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
