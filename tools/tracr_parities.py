"""A program for tracr: whether two parities of ten bits are both even.

    pip install tracr-pypi
    python -m tools.tracr_network --model=tools.tracr_parities:model \
      --out=NAME.npz

Every token looks for the bits of -1 at the places of a property, counts them,
and tells whether their number is even; that is whether their product is 1.
"""

from collections.abc import Sequence
from typing import Any

from tracr.compiler import compiling
from tracr.rasp import rasp

from structcomp_jax.studies.planted.problems import NUM_BITS, Pair


def model() -> Any:
  """Returns what tracr compiles for the properties of `Pair()`."""
  pair = Pair()
  both = rasp.SequenceMap(
    lambda first, second: first and second,
    holds("A", pair.a),
    holds("B", pair.b),
  ).named("both")
  return compiling.compile_rasp_to_model(
    both, vocab={-1, 1}, max_seq_len=NUM_BITS, compiler_bos="BOS"
  )


def holds(name: str, places: Sequence[int]) -> Any:
  """Returns the variable that tells whether a property holds.

  Args:
    name: of the property; its variables begin with it.
    places: of its bits.
  """
  minus = rasp.SequenceMap(
    lambda bit, place: bit == -1 and place in places,
    rasp.tokens,
    rasp.indices,
  ).named(f"{name}_minus")
  everywhere = rasp.Select(minus, minus, lambda key, query: key)
  count = rasp.SelectorWidth(everywhere).named(f"{name}_count")
  return rasp.Map(lambda number: number % 2 == 0, count).named(f"{name}_holds")
