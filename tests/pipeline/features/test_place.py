"""Where features go, given how large they are and what the machine has."""

import json
import re

import jax
import pytest

from configs.common.vision import vision_variant
from structcomp_jax import search
from structcomp_jax.pipeline import choices as recorded
from structcomp_jax.pipeline import widths
from structcomp_jax.pipeline.experiment import Experiment
from structcomp_jax.pipeline.features import place as feature_place
from structcomp_jax.studies import registry
from structcomp_jax.types import UserError

CPU = feature_place.Space(device=None, host=4e9, disk=50e9)
# Operations a byte that are worth keeping.
_DEAR = 1e3
GPU = feature_place.Space(device=32e9, host=64e9, disk=500e9)


@pytest.mark.parametrize(
  ("space", "gigabytes", "place", "reason"),
  [
    (CPU, 4, "device", "within the 4 GB of search.cache_gigabytes"),
    (CPU, 5, "disk", "more than the 4 GB of .*; 50 GB free on disk"),
    (CPU, 51, "off", "more than the 4 GB of .*, and the 50 GB free on disk"),
    (GPU, 32, "device", "within 40% of the device's memory, 32 GB"),
    (GPU, 33, "host", "more than 40% .*, within the 64 GB of search"),
    (GPU, 65, "disk", "more than 40% .*, and the 64 GB of .*; 500 GB free"),
    (GPU, 501, "off", "more than 40% .*, and the 64 GB .*, and the 500 GB"),
  ],
)
def test_auto_takes_the_first_that_has_room(space, gigabytes, place, reason):
  found, why = feature_place.choose("auto", int(gigabytes * 1e9), space, _DEAR)
  assert found == place
  assert re.match(reason, why), why


def test_what_is_read_as_slowly_as_computed_is_not_kept():
  found, why = feature_place.choose("auto", 10, GPU, intensity=2.25)
  assert found == "off"
  assert why == "2.2 operations a byte, as fast as reading them"


@pytest.mark.parametrize("place", ["device", "host", "disk", "off"])
def test_a_place_that_is_asked_for_is_taken(place):
  assert feature_place.choose(place, 10**15, CPU, 0.0)[0] == place


def test_this_machine_has_space(tmp_path):
  space = feature_place.Space.now(1.5, tmp_path / "not" / "there" / "yet")
  assert space.device is None
  assert space.host == 1.5e9
  assert space.disk > 0


def test_a_choice_is_made_once(tmp_path):
  path = tmp_path / "choices.json"
  assert recorded.recall(path, "one", lambda: {"width": 2}) == {"width": 2}
  assert recorded.recall(path, "two", lambda: 3) == 3
  assert recorded.recall(path, "one", pytest.fail) == {"width": 2}
  path.write_text("{")
  with pytest.raises(UserError, match="is torn; delete it"):
    recorded.recall(path, "one", pytest.fail)


def load(tmp_path, width):
  config = vision_variant("inside_contact", "smoke")
  config.runtime.vmap_width = width
  return Experiment(registry.make_study(config), tmp_path)


def for_search(loaded, measure, masked_from="stage_2"):
  return widths.for_search(
    loaded, masked_from, num_candidates=4, batch_size=16, measure=measure
  )


def test_a_width_is_measured_once(tmp_path):
  loaded = load(tmp_path, "auto")
  assert widths.for_evaluation(loaded, "stage_2") == 1
  measured = search.Width(2, {1: 0.3, 2: 0.2}, {1: 10, 2: 20})
  assert for_search(loaded, lambda: measured) == 2
  assert for_search(loaded, pytest.fail) == 2
  assert widths.for_evaluation(loaded, "stage_2") == 2
  assert widths.for_evaluation(loaded, "first") == 1
  (name,) = json.loads((tmp_path / "widths.json").read_text())
  kind = jax.devices()[0].device_kind
  assert name == (
    f"device {kind}, masked_from stage_2, candidates 4, batch_size 16"
  )


def test_a_given_width_is_not_measured(tmp_path):
  loaded = load(tmp_path, 3)
  assert for_search(loaded, pytest.fail) == 3
  assert widths.for_evaluation(loaded, "stage_2") == 3
  assert not list(tmp_path.iterdir())
