"""Classes are measured once, with the controls of each network."""

import dataclasses
from typing import ClassVar

import numpy as np
import pytest

from structcomp_jax.studies.planted import run
from structcomp_jax.studies.planted.classes import every
from structcomp_jax.studies.planted.run import Setup
from structcomp_jax.types import UserError


@dataclasses.dataclass(frozen=True)
class Told:
  """A statistic that tells what it was asked about."""

  names: ClassVar[tuple[str, ...]] = ("largest weight", "odd bit 0")

  def scores(self, network, params, sets, seed):
    """Returns one number of the networks, and one of the problems."""
    kernels = np.abs(params["layer_0"]["kernel"])
    bits = sets["train"]["A"]["bits"]
    return {
      "largest weight": np.asarray(kernels.max(axis=(1, 2))),
      "odd bit 0": np.full(len(kernels), bits[:, 3, 0].mean()),
    }


SETUP = Setup(
  every.Effort(3, num_problems=200, num_tests=50, num_steps=8),
  num_nonsense=2,
  statistics=(Told(),),
)

ORIGIN = {"commit": "c0ffee"}


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
  path = tmp_path_factory.mktemp("planted")
  run.measure(path, "template", SETUP, ORIGIN)
  return path


def test_every_network_has_its_controls(directory):
  found = run.load(directory, "template")
  assert found.facts["num_networks"] == 3
  rows = found.scores[found.scores["statistic"] == "largest weight"]
  count = rows.groupby(["regime", "pair"])["base_seed"].apply(list)
  assert count.to_dict() == {
    key: [0, 1, 2]
    for key in (
      ("planted", "subroutines"),
      ("planted", "nonsense_0"),
      ("planted", "nonsense_1"),
      ("untrained", "subroutines"),
    )
  }
  values = rows.set_index(["regime", "pair"])["score"]
  template = every.CLASSES["template"](SETUP.effort, 1)
  weights = np.abs(template.params["layer_0"]["kernel"]).max(axis=(1, 2))
  for key in (("planted", "subroutines"), ("planted", "nonsense_1")):
    assert np.allclose(values.loc[key], weights, atol=0.2)
  assert (values.loc[("untrained", "subroutines")] > 1.1).all()


def test_each_pair_has_problems_of_its_own(directory):
  scores = run.load(directory, "template").scores
  rows = scores[scores["statistic"] == "odd bit 0"]
  of_pair = rows.groupby(["regime", "pair"])["score"].first()
  assert of_pair[("planted", "subroutines")] == pytest.approx(
    of_pair[("untrained", "subroutines")]
  )
  assert of_pair.nunique() == 3


def test_accuracies_stand_beside_the_scores(directory):
  scores = run.load(directory, "template").scores
  base = scores[scores["statistic"] == f"{run.ACCURACY}base"]
  assert len(base) == 3 and (base["score"] > 0.9).all()


def test_a_class_that_is_done_is_not_measured_again(directory, monkeypatch):
  assert run.is_measured(directory, "template", SETUP)
  assert not run.is_measured(directory, "shared", SETUP)

  def never(effort, seed):
    raise AssertionError("it was made again")

  monkeypatch.setitem(run.CLASSES, "template", never)
  run.measure(directory, "template", SETUP, {"commit": "another"})
  assert run.load(directory, "template").facts["origin"] == ORIGIN
  other = dataclasses.replace(SETUP, seed=5)
  with pytest.raises(UserError, match="other settings; choose another dir"):
    run.measure(directory, "template", other, ORIGIN)


def test_networks_may_be_made_in_another_way(tmp_path):
  short = dataclasses.replace(SETUP, num_nonsense=0)

  def make(effort, seed):
    assert seed == len(every.CLASSES)
    return every.CLASSES["template"](effort, seed)

  run.measure(tmp_path, "outside/parity", short, ORIGIN, make)
  assert run.load(tmp_path, "outside/parity").facts["num_networks"] == 3


def test_a_class_of_too_few_networks_is_refused(tmp_path, monkeypatch):
  def one(effort, seed):
    return every.CLASSES["template"](
      dataclasses.replace(effort, num_networks=1), seed
    )

  monkeypatch.setitem(run.CLASSES, "shared", one)
  with pytest.raises(UserError, match="1 networks are shared; ask for more"):
    run.measure(tmp_path, "shared", SETUP, ORIGIN)
  assert not run.is_measured(tmp_path, "shared", SETUP)


@pytest.mark.parametrize("recovers", [True, False])
def test_masks_are_compared_with_blocks_where_that_is_asked(
  tmp_path, monkeypatch, recovers
):
  def make(effort, seed):
    # What the truth is does not matter here.
    return dataclasses.replace(
      every.CLASSES["template"](effort, seed), truth={}
    )

  asked = []
  monkeypatch.setattr(
    run.recovery, "recover", lambda planted, *rest: asked.append(planted) or []
  )
  setup = dataclasses.replace(SETUP, recovers=recovers)
  run.measure(tmp_path, "template", setup, ORIGIN, make)
  assert len(asked) == recovers
