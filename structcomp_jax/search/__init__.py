"""Mask search: candidates, schedules, the step, and the run over them all."""

from structcomp_jax.search.candidates import Candidate, grid
from structcomp_jax.search.config import SearchConfig
from structcomp_jax.search.loop import SearchResult, run
from structcomp_jax.search.schedules import SCHEDULES
from structcomp_jax.search.step import SearchState, initial_state, objective
from structcomp_jax.search.width import Width, choose_width

__all__ = [
  "SCHEDULES",
  "Candidate",
  "SearchConfig",
  "SearchResult",
  "SearchState",
  "Width",
  "choose_width",
  "grid",
  "initial_state",
  "objective",
  "run",
]
