"""Mask search: candidates, schedules, the learner, and the run of them all."""

from structcomp_jax.engine.width import Width
from structcomp_jax.search.candidates import Candidate, grid
from structcomp_jax.search.config import SearchConfig
from structcomp_jax.search.learner import MaskLearner
from structcomp_jax.search.placing import place_network
from structcomp_jax.search.run import SearchResult, choose_width, make_job, run
from structcomp_jax.search.schedules import SCHEDULES
from structcomp_jax.search.state import SearchState, initial_state
from structcomp_jax.search.two_sided import halves

__all__ = [
  "SCHEDULES",
  "Candidate",
  "MaskLearner",
  "SearchConfig",
  "SearchResult",
  "SearchState",
  "Width",
  "choose_width",
  "grid",
  "halves",
  "initial_state",
  "make_job",
  "place_network",
  "run",
]
