"""Sums and differences of two numbers (arithmetic__add_or_sub)."""

from structcomp_jax.tasks.mathematics import numbers
from structcomp_jax.tasks.mathematics.draws import Draws

_SUMS = (
  "{p} + {q}",
  "{p}+{q}",
  "Work out {p} + {q}.",
  "Add {p} and {q}.",
  "Put together {p} and {q}.",
  "Sum {p} and {q}.",
  "Total of {p} and {q}.",
  "Add together {p} and {q}.",
  "What is {p} plus {q}?",
  "Calculate {p} + {q}.",
  "What is {p} + {q}?",
)
_DIFFERENCES = (
  "{p} - {q}",
  "Work out {p} - {q}.",
  "What is {p} minus {q}?",
  "What is {p} take away {q}?",
  "What is {q} less than {p}?",
  "Subtract {q} from {p}.",
  "Calculate {p} - {q}.",
  "What is {p} - {q}?",
)
_DISTANCES = (
  "What is the distance between {p} and {q}?",
  "What is the difference between {p} and {q}?",
)


def draw(draws: Draws, entropy: float) -> tuple[str, str]:
  """Returns a question and its answer."""
  first, second = draws.shares(entropy, 2)
  p = numbers.integer_or_decimal(draws, first)
  q = numbers.integer_or_decimal(draws, second)
  if draws.chance(0.5):
    template, result = draws.choice(_SUMS), p.value + q.value
  else:
    template, result = (
      draws.choice(_DIFFERENCES + _DISTANCES),
      p.value - q.value,
    )
    if template in _DISTANCES:
      result = abs(result)
  question = template.format(p=p.text, q=q.text)
  return question, numbers.decimal_text(result)
