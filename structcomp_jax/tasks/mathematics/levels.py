"""Names of modules and levels, and how large their questions are."""

import dataclasses
from collections.abc import Callable

from structcomp_jax.tasks.mathematics.draws import Draws
from structcomp_jax.tasks.mathematics.modules import (
  add_or_sub,
  collect,
  differentiate,
  linear_1d,
  sort,
)

# Thirds of the range of entropies that a module's training questions have.
LEVELS = ("easy", "medium", "hard")
# Longer ones do not exist in the public data.
MAX_QUESTION, MAX_ANSWER = 160, 30


@dataclasses.dataclass(frozen=True)
class Module:
  """A kind of questions.

  Attributes:
    published: its name in the public data.
    draw: (draws, entropy) -> question and answer.
    entropies: the smallest and the largest one of training questions.
  """

  published: str
  draw: Callable[[Draws, float], tuple[str, str]]
  entropies: tuple[float, float]

  def question(self, draws: Draws, level: str) -> tuple[str, str]:
    """Draws a question of a level, and its answer."""
    low, high = self.entropies
    third = (high - low) / len(LEVELS)
    start = low + LEVELS.index(level) * third
    while True:
      entropy = draws.uniform(start, start + third)
      question, answer = self.draw(draws, entropy)
      if len(question) <= MAX_QUESTION and len(answer) <= MAX_ANSWER:
        return question, answer


MODULES = {
  "add_or_sub": Module(
    "arithmetic__add_or_sub", add_or_sub.draw, entropies=(4, 16)
  ),
  "linear_1d": Module("algebra__linear_1d", linear_1d.draw, entropies=(3, 10)),
  "differentiate": Module(
    "calculus__differentiate", differentiate.draw, entropies=(3, 10)
  ),
  "sort": Module("comparison__sort", sort.draw, entropies=(3, 10)),
  "collect": Module("polynomials__collect", collect.draw, entropies=(3, 10)),
}
