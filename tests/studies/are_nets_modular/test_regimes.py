"""Regimes: in which order networks are made, and what a config may ask for.

What each of them learns is tested in `test_wiring` and `test_wiring_of_tasks`.
"""

import types

import pytest

from structcomp_jax.pipeline import base_networks
from structcomp_jax.studies.are_nets_modular import regimes
from structcomp_jax.types import UserError


class Work:
  """A work directory in which some networks are missing."""

  def __init__(self, wanted, missing):
    self.config = types.SimpleNamespace(regimes=wanted)
    self._missing = missing

  def missing_seeds(self, name):
    return [3] if name in self._missing else []


@pytest.fixture
def order(monkeypatch):
  """Returns what happens to the regimes of a config, in order."""
  happened = []

  class Noted(regimes.Regime):
    def make(self, study, work):
      happened.append(f"make {self.name}")

  monkeypatch.setattr(
    regimes,
    "REGIMES",
    {
      name: Noted(name, "", "", needs=regime.needs)
      for name, regime in regimes.REGIMES.items()
    },
  )
  monkeypatch.setattr(
    base_networks, "skip", lambda work, name: happened.append(f"skip {name}")
  )

  def take(wanted, missing):
    happened.clear()
    regimes.train(None, Work(wanted, missing))
    return list(happened)

  return take


def test_networks_are_made_before_those_that_are_made_of_them(order):
  wanted = ("copy_weight", "random_init", "scratch")
  assert order(wanted, wanted) == [
    "make random_init",
    "make scratch",
    "make copy_weight",
  ]


def test_networks_that_are_there_are_not_made_again(order):
  wanted = ("scratch", "copy_weight", "random_init")
  assert order(wanted, ("copy_weight",)) == [
    "skip scratch",
    "skip random_init",
    "make copy_weight",
  ]


def test_masks_are_searched_in_networks_of_the_whole_task():
  wanted = ("scratch", "only_jump", "random_init", "only_turn_left")
  config = Work(wanted, ()).config
  assert regimes.with_masks(config) == ["scratch", "random_init"]
  assert all(
    regime.has_masks != name.startswith("only_")
    for name, regime in regimes.REGIMES.items()
  )
  needs = {name: regime.needs for name, regime in regimes.REGIMES.items()}
  assert {name for name, needed in needs.items() if needed} == {"copy_weight"}
  assert needs["copy_weight"] == "scratch"


def test_a_regime_names_what_it_needs():
  study = types.SimpleNamespace(
    config=types.SimpleNamespace(regimes=("copy_weight", "random_init"))
  )
  with pytest.raises(UserError, match=r"networks of scratch; add scratch to"):
    regimes.check(study)
