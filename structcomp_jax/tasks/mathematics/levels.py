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


@dataclasses.dataclass(frozen=True)
class Module:
  """A kind of questions.

  Attributes:
    published: its name in the public data.
    draw: (draws, entropy) -> question and answer.
    entropies: the smallest and the largest one of training questions.
    longest: characters of a question and of an answer. Public ones have 160 and
      30 at most; in most modules a tighter bound is hardly ever met, and saves
      padding.
  """

  published: str
  draw: Callable[[Draws, float], tuple[str, str]]
  entropies: tuple[float, float]
  longest: tuple[int, int] = (160, 30)

  def question(self, draws: Draws, level: str) -> tuple[str, str]:
    """Draws a question of a level, and its answer."""
    low, high = self.entropies
    third = (high - low) / len(LEVELS)
    start = low + LEVELS.index(level) * third
    longest_question, longest_answer = self.longest
    while True:
      entropy = draws.uniform(start, start + third)
      question, answer = self.draw(draws, entropy)
      is_short = len(question) <= longest_question
      if is_short and len(answer) <= longest_answer:
        return question, answer


MODULES = {
  "add_or_sub": Module(
    "arithmetic__add_or_sub", add_or_sub.draw, (4, 16), longest=(71, 23)
  ),
  "linear_1d": Module(
    "algebra__linear_1d", linear_1d.draw, (3, 10), longest=(79, 7)
  ),
  "differentiate": Module(
    "calculus__differentiate", differentiate.draw, (2.7, 9.6)
  ),
  "sort": Module("comparison__sort", sort.draw, (3, 10), longest=(63, 30)),
  "collect": Module(
    "polynomials__collect", collect.draw, (3, 11), longest=(127, 30)
  ),
}
