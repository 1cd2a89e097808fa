"""The problems of Lepori et al. 2023 have exactly the figures of their data."""

import functools

import numpy as np
import pytest

from structcomp_jax.tasks.odd_one_out.syntax import pools, published
from structcomp_jax.tasks.odd_one_out.syntax.separation import (
  seen_fraction,
)

_EXPERIMENTS = tuple(pools.EXPERIMENTS)
_AGREEMENT = ("sv_singular", "sv_plural")
_ANAPHORA = ("anaphora_singular", "anaphora_plural")


class _Twister:
  """MT19937 seeded by one integer, and how NumPy draws permutations from it."""

  def __init__(self, seed):
    state = [seed]
    for i in range(1, 624):
      previous = state[-1] ^ (state[-1] >> 30)
      state.append((1812433253 * previous + i) & 0xFFFFFFFF)
    self._state, self._next = state, 624

  def _word(self):
    if self._next == 624:
      state = self._state
      for i in range(624):
        mixed = (state[i] & 0x80000000) | (state[(i + 1) % 624] & 0x7FFFFFFF)
        odd = 0x9908B0DF if mixed & 1 else 0
        state[i] = state[(i + 397) % 624] ^ (mixed >> 1) ^ odd
      self._next = 0
    word = self._state[self._next]
    self._next += 1
    word ^= word >> 11
    word ^= (word << 7) & 0x9D2C5680
    word ^= (word << 15) & 0xEFC60000
    return word ^ (word >> 18)

  def permutation(self, length):
    positions = list(range(length))
    for i in range(length - 1, 0, -1):
      mask = (1 << i.bit_length()) - 1
      while (j := self._word() & mask) > i:
        pass
      positions[i], positions[j] = positions[j], positions[i]
    return positions


def test_numpy_stream_is_the_described_one():
  ours, numpy = _Twister(0), np.random.RandomState(0)
  for length in (1, 2, 37, 1000, 2, 1025):
    assert ours.permutation(length) == numpy.permutation(length).tolist()


def test_first_data_set_from_the_described_stream():
  stream = _Twister(0)
  made = pools.make_pools("sv_singular")
  n, m = 11000, 600
  rules = made.ab[stream.permutation(37870)[: 3 * n + 6 * m]]
  odds_a = made.a_flip[stream.permutation(37870)[: n // 2 + m]]
  odds_b = made.b_flip[stream.permutation(37870)[: n // 2 + m]]
  rules = rules[: 3 * n][stream.permutation(3 * n)]
  odds = np.concatenate([odds_a[: n // 2], odds_b[: n // 2]])
  odds = odds[stream.permutation(n)]
  problems = published.make("sv_singular")["base"]
  train = problems["train"]
  assert train[:, :3].ravel().tolist() == rules[: 3 * 9500].tolist()
  assert train[:, 3].tolist() == odds[:9500].tolist()
  assert problems["test"][-1].tolist() == [*rules[-3:], odds[-1]]


@pytest.mark.parametrize("name", _EXPERIMENTS)
def test_sizes(name):
  if name in _AGREEMENT:
    full, odd = (9500, 500, 1000), (300, 300)
  else:
    full, odd = (2500, 200, 200), (200, 200)
  splits = ("train", "validation", "test")
  for role, problems in published.make(name).items():
    sizes = odd if role.startswith("odd_") else full
    assert {s: p.shape for s, p in problems.items()} == {
      split: (size, 4)
      for split, size in zip(splits[-len(sizes) :], sizes, strict=True)
    }


@functools.cache
def _pool_sets(name):
  made = pools.make_pools(name)
  return {k: frozenset(getattr(made, k)) for k in ("ab", "a_flip", "b_flip")}


@pytest.mark.parametrize("name", _EXPERIMENTS)
def test_every_problem_has_the_sentences_of_its_role(name):
  ab, a_flip, b_flip = _pool_sets(name).values()
  allowed = (
    (ab, a_flip | b_flip),
    (ab | b_flip, a_flip),
    (ab | a_flip, b_flip),
    (ab, a_flip),
    (ab, b_flip),
  )
  for (role, splits), (rules, odds) in zip(
    published.make(name).items(), allowed, strict=True
  ):
    for problems in splits.values():
      assert set(problems[:, :3].ravel()) <= rules, role
      assert set(problems[:, 3]) <= odds, role


def test_odd_sentences_with_the_subject_flipped_in_base():
  flipped = _pool_sets("sv_singular")["a_flip"]
  counts = [
    sum(odd in flipped for odd in problems[:, 3])
    for problems in published.make("sv_singular")["base"].values()
  ]
  assert counts == [4751, 249, 500]


def test_rule_sentences_of_a_subroutine_by_pool():
  rules = published.make("sv_singular")["subject"]["train"][:, :3].ravel()
  sets = _pool_sets("sv_singular")
  assert sum(rule in sets["ab"] for rule in rules) == 14282
  assert sum(rule in sets["b_flip"] for rule in rules) == 14218


# Spec 9.1: percent of test rules, odds and problems seen in training.
_LEAKAGE = {
  ("anaphora_singular", "base"): (0, 5.0, 5.0),
  ("anaphora_singular", "antecedent"): (16.8, 0, 43.5),
  ("anaphora_singular", "pronoun"): (0, 18.0, 18.0),
  ("anaphora_plural", "base"): (65.2, 5.5, 93.5),
  ("anaphora_plural", "antecedent"): (16.5, 22.0, 54.5),
  ("anaphora_plural", "pronoun"): (33.3, 0, 69.5),
}


def _percent_in(sentences, training):
  seen = set(training.ravel())
  flat = sentences.ravel()
  return round(100 * sum(s in seen for s in flat) / len(flat), 1)


@pytest.mark.parametrize("dataset", _LEAKAGE, ids=".".join)
def test_leakage_within_anaphora_data_sets(dataset):
  name, role = dataset
  splits = published.make(name)[role]
  test, train = splits["test"], splits["train"]
  assert (
    _percent_in(test[:, :3], train),
    _percent_in(test[:, 3], train),
    round(100 * seen_fraction(test, train), 1),
  ) == _LEAKAGE[dataset]


@pytest.mark.parametrize("name", _AGREEMENT)
def test_splits_of_an_agreement_data_set_share_no_sentence(name):
  for problems in published.make(name).values():
    sentences = np.concatenate(list(problems.values())).ravel()
    assert len(set(sentences)) == len(sentences)


def test_repeated_sentences_in_the_plural_anaphora_base():
  train = published.make("anaphora_plural")["base"]["train"]
  assert len(set(train[:, :3].ravel())) == 5048
  assert len(set(train[:, 3])) == 2431
  assert sum(len(set(problem[:3])) < 3 for problem in train) == 1


# Spec 9.2: percent of the partitions' test rules and odds in base train.
@pytest.mark.parametrize(
  ("name", "role", "expected"),
  [
    ("anaphora_plural", "odd_antecedent", (69.5, 12.0)),
    ("anaphora_plural", "odd_pronoun", (66.5, 0)),
    ("anaphora_singular", "odd_antecedent", (0, 0)),
    ("anaphora_singular", "odd_pronoun", (0, 6.0)),
    ("sv_singular", "odd_subject", (0, 0)),
    ("sv_plural", "odd_verb", (0, 0)),
  ],
)
def test_partition_sentences_in_base_training(name, role, expected):
  made = published.make(name)
  test, train = made[role]["test"], made["base"]["train"]
  assert (
    _percent_in(test[:, :3], train),
    _percent_in(test[:, 3], train),
  ) == expected


# Spec 9.3: target rules and odds, other rules and odds (seen as rules).
_MASK_OVERLAP = {
  ("sv_singular", "subject"): (37.2, 26.7, 35.6, 42.7),
  ("sv_singular", "verb"): (35.7, 25.7, 35.7, 34.3),
  ("sv_plural", "subject"): (37.4, 22.3, 40.0, 38.3),
  ("sv_plural", "verb"): (36.1, 26.3, 39.3, 36.3),
  ("anaphora_singular", "antecedent"): (34.3, 23.5, 33.0, 59.0),
  ("anaphora_singular", "pronoun"): (29.7, 37.5, 32.3, 34.0),
  ("anaphora_plural", "antecedent"): (55.7, 45.5, 57.7, 38.5),
  ("anaphora_plural", "pronoun"): (55.0, 24.5, 56.7, 63.5),
}


@pytest.mark.parametrize("mask", _MASK_OVERLAP, ids=".".join)
def test_partition_sentences_in_mask_training(mask):
  name, role = mask
  made = published.make(name)
  a, b = pools.EXPERIMENTS[name].components
  target = made[f"odd_{role}"]["test"]
  other = made[f"odd_{b if role == a else a}"]["test"]
  rules, odds = made[role]["train"][:, :3], made[role]["train"][:, 3]
  assert (
    _percent_in(target[:, :3], rules),
    _percent_in(target[:, 3], odds),
    _percent_in(other[:, :3], rules),
    _percent_in(other[:, 3], rules),
  ) == _MASK_OVERLAP[mask]
