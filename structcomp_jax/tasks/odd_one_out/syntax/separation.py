"""Measures what the data sets of an experiment share, and says it in words."""

import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from structcomp_jax.tasks.odd_one_out.syntax import disjoint, held_out_words
from structcomp_jax.tasks.odd_one_out.syntax import pools as pools_lib
from structcomp_jax.tasks.odd_one_out.syntax.problems import (
  make_datasets,
)

# {role: {split: problems}}
_Datasets = Mapping[str, Mapping[str, np.ndarray]]

_POOL_TITLES = {
  "ab": "sentences with nothing flipped",
  "a_flip": "sentences with the {a} flipped",
  "b_flip": "sentences with the {b} flipped",
}


def separation_report(experiment: str, policy: str = "disjoint") -> list[str]:
  """Returns lines that say what is not separated, and what had to shrink.

  Args:
    experiment: "sv_singular", "sv_plural", "anaphora_singular" or
      "anaphora_plural".
    policy: "published", "disjoint" or "unseen_words".

  Returns:
    Lines about evaluation sentences that a training split contains, about
    test sentences that differ from one by a single word, about training splits
    that share sentences, for "disjoint" about sizes that differ from those of
    the paper and about duplicates that were removed, and for "unseen_words"
    about the words that are held out.

  Raises:
    UserError: there is no such experiment or policy.
  """
  return list(_report(experiment, policy))


@functools.cache
def _report(experiment: str, policy: str) -> tuple[str, ...]:
  datasets = make_datasets(experiment, policy)
  lines = _leakage_lines(datasets)
  lines.append(_neighbour_line(datasets))
  lines += _shared_training_lines(datasets)
  if policy == "disjoint":
    lines += _size_lines(experiment) + _duplicate_lines(experiment)
  if policy == "unseen_words":
    lines += _word_lines() + _reuse_lines(datasets)
  return tuple(f"{experiment} ({policy}): {line}" for line in lines)


def seen_fraction(problems: np.ndarray, training: np.ndarray) -> float:
  """Returns the fraction of problems with a sentence of a training split.

  Args:
    problems: object[problems, 4] of an evaluation split.
    training: object[n, 4] of a training split.
  """
  seen = set(training.ravel())
  return sum(not seen.isdisjoint(problem) for problem in problems) / len(
    problems
  )


def count_neighbours(sentences: Iterable[str], training: Iterable[str]) -> int:
  """Returns how many sentences have a neighbour in training.

  A neighbour is the same sentence, or one that has another word in one place.

  >>> count_neighbours(["a b", "a b c", "c d"], ["a c", "e f"])
  1
  """
  known = {gap for sentence in training for gap in _gaps(sentence)}
  return sum(not known.isdisjoint(_gaps(sentence)) for sentence in sentences)


def _gaps(sentence: str) -> Iterator[str]:
  """Yields the sentence with a gap for each of its words in turn."""
  start = 0
  for word in sentence.split(" "):
    end = start + len(word)
    yield f"{sentence[:start]}_{sentence[end:]}"
    start = end + 1


def _neighbour_line(datasets: _Datasets) -> str:
  test = _sentences(datasets, "test")
  count = count_neighbours(test, _sentences(datasets, "train"))
  return (
    f"{count} of the {len(test)} different test sentences differ by at most"
    " one word from a sentence of a training split"
  )


def _sentences(datasets: _Datasets, split: str) -> set[str]:
  """Returns all different sentences of one split of all data sets."""
  return {
    sentence
    for splits in datasets.values()
    if split in splits
    for sentence in splits[split].ravel()
  }


def _leakage_lines(datasets: _Datasets) -> list[str]:
  lines = []
  for role, splits in datasets.items():
    for split in ("validation", "test"):
      seen = [
        f"{fraction:.1%} in {trained}"
        for trained in _trained_roles(datasets)
        if (
          fraction := seen_fraction(splits[split], datasets[trained]["train"])
        )
      ]
      if seen:
        lines.append(
          f"{split} problems of {role} with a sentence of a training split:"
          f" {', '.join(seen)}"
        )
  return lines or [
    "no validation or test problem contains a sentence of any training split"
  ]


def _shared_training_lines(datasets: _Datasets) -> list[str]:
  sentences = {
    role: set(datasets[role]["train"].ravel())
    for role in _trained_roles(datasets)
  }
  lines = []
  for first, second in itertools.combinations(sentences, 2):
    shared = len(sentences[first] & sentences[second])
    if shared:
      lines.append(
        f"the training splits of {first} and {second} share {shared} of"
        f" {len(sentences[first])} and {len(sentences[second])} sentences"
      )
  return lines


def _size_lines(experiment: str) -> list[str]:
  known = pools_lib.EXPERIMENTS[experiment]
  lines = []
  for role, sizes in disjoint.fit_sizes(experiment).items():
    in_paper = known.role_sizes(role)
    changes = [
      f"{split} {getattr(sizes, split)} instead of {getattr(in_paper, split)}"
      for split in ("train", "validation", "test")
      if getattr(sizes, split) != getattr(in_paper, split)
    ]
    if changes:
      lines.append(f"{role} has fewer problems: {', '.join(changes)}")
  return lines


def _word_lines() -> list[str]:
  lines = []
  for name, entries in held_out_words.held_out().items():
    words = ", ".join("/".join(dict.fromkeys(forms)) for forms in entries)
    total = len(held_out_words.CLASSES[name])
    lines.append(
      f"of {total} {name} {len(entries)} are held out for tests"
      f"{': ' if words else ''}{words}"
    )
  return lines


def _reuse_lines(datasets: _Datasets) -> list[str]:
  """Says how few sentences the problems are made of."""
  lines = []
  for role, splits in datasets.items():
    counts = [
      f"{split} {len(set(problems.ravel()))} in {problems.size} places"
      for split, problems in splits.items()
    ]
    lines.append(f"different sentences of {role}: {', '.join(counts)}")
  return lines


def _duplicate_lines(experiment: str) -> list[str]:
  a, b = pools_lib.EXPERIMENTS[experiment].components
  pools = pools_lib.make_pools(experiment)
  lines = []
  for key, title in _POOL_TITLES.items():
    pool = getattr(pools, key)
    distinct = len(pools_lib.without_duplicates(pool))
    if distinct < len(pool):
      lines.append(
        f"{len(pool) - distinct} of {len(pool)} {title.format(a=a, b=b)} were"
        " duplicates and are left out"
      )
  return lines


def _trained_roles(datasets: _Datasets) -> list[str]:
  return [role for role, splits in datasets.items() if "train" in splits]
