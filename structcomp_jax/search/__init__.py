"""Mask search: candidates, schedules, the step, and the run over them all."""

from structcomp_jax.search.candidates import Candidate, grid
from structcomp_jax.search.loop import SearchResult, initial_state, run
from structcomp_jax.search.schedules import SCHEDULES
from structcomp_jax.search.step import SearchConfig, SearchState, objective

__all__ = [
  "SCHEDULES",
  "Candidate",
  "SearchConfig",
  "SearchResult",
  "SearchState",
  "grid",
  "initial_state",
  "objective",
  "run",
]
