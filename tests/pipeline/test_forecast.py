"""A plan says what an experiment needs, and what would make it fit."""

import dataclasses
import functools
import math
import re

import jax
import pytest

from benchmarks.workload import Workload
from configs.arithmetic import add_mul, double_addition
from configs.common.language import language_variant
from configs.common.vision import vision_variant
from configs.images import cifar10, permuted_mnist
from configs.mathematics import mathematics
from configs.scan import scan
from structcomp_jax import target, trees
from structcomp_jax.engine import chips
from structcomp_jax.pipeline.forecast import costs, remedies
from structcomp_jax.pipeline.forecast.device import Machine
from structcomp_jax.pipeline.forecast.dry import DryNetwork, DryWorkplace
from structcomp_jax.pipeline.forecast.steps import LOOKS, STEPS
from structcomp_jax.studies import plan as plans
from structcomp_jax.studies import registry
from structcomp_jax.studies.are_nets_modular import mask_tests
from structcomp_jax.types import UserError

SMOKE = {
  "language": functools.partial(language_variant, "sv_singular", "smoke"),
  "vision": functools.partial(vision_variant, "inside_contact", "smoke"),
  "add_mul": functools.partial(add_mul.get_config, "smoke"),
  "double_addition": functools.partial(double_addition.get_config, "smoke"),
  "scan": functools.partial(scan.get_config, "smoke"),
  "images": functools.partial(cifar10.get_config, "smoke"),
  "mathematics": functools.partial(mathematics.get_config, "smoke"),
}


def machine(memory=math.inf, num_devices=1):
  """Returns CPU devices that have as much memory as is said."""
  return Machine(
    words="a test",
    devices=jax.devices()[:num_devices],
    memory=memory,
    flops=1e12,
    bandwidth=1e12,
    is_at_hand=True,
  )


def plan(config, tmp_path, where):
  """Returns all that is printed, and asserts that nothing is written."""
  directory = tmp_path / "w"
  lines = list(plans.lines(config, directory, registry.make_study, where))
  assert not list(tmp_path.iterdir())
  return "\n".join(lines)


def step_of(config, label, tmp_path, where, does=STEPS):
  """Returns the cost of the program of a step, and its place of work."""
  study = registry.make_study(config)
  work = DryWorkplace(study, tmp_path, where)
  step = next(
    step
    for step in study.outline().steps
    if step.label == label and not hasattr(step, "splits")
  )
  found = costs.of_step(step, work)
  return next(one for one in found if one.program.does == does)


@pytest.mark.parametrize("name", ["language", "add_mul"])
def test_a_plan_lists_every_step_and_writes_nothing(name, tmp_path):
  text = plan(SMOKE[name](), tmp_path, machine())
  steps = {
    "language": (
      "training scratch",
      "grid",
      "choice",
      "masks",
      "cuts",
      "tests",
    ),
    "add_mul": ("training scratch", "masks", "tests, control"),
  }[name]
  places = [text.index(f"\n{step}") for step in steps]
  assert places == sorted(places)
  assert "everything fits" in text and "NO" not in text


@pytest.mark.parametrize("name", SMOKE)
def test_programs_of_every_domain_are_made(name, tmp_path):
  study = registry.make_study(SMOKE[name]())
  outline = study.outline()
  work = DryWorkplace(study, tmp_path, machine())
  found = [one for step in outline.steps for one in step.programs(work)]
  assert {one.does for one in found} >= {STEPS, LOOKS, "tests"}
  for one in found:
    assert one.num_steps > 0 and one.rows >= one.local >= one.at_once >= 1
    one.lower()


def test_steps_and_rows_are_those_of_the_config(tmp_path):
  study = registry.make_study(SMOKE["language"]())
  work = DryWorkplace(study, tmp_path, machine())

  def find(label):
    steps = [one for one in study.outline().steps if one.label == label]
    return steps[-1].programs(work)[0]

  # 256 problems in batches of 64, two epochs; one base seed.
  trained = find("training scratch")
  assert (trained.num_steps, trained.rows) == (8, 1)
  # Two settings; two regimes, two subroutines, one base network.
  grid = find("grid, masked from 0")
  assert (grid.num_steps, grid.rows) == (4 * 8, 2)
  # Subroutines and nonsense in two regimes, 8 steps each.
  cut = find("cuts")
  assert (cut.num_steps, cut.rows) == (4 * 8, 1)
  # Two masks: subnetwork and two ablations, two networks of random masks; and
  # the dense one. Five tasks of 64 problems are two batches.
  tests = find("tests")
  assert (tests.rows, tests.num_steps) == (5 * 2 + 1, 2 * 2 * 2)


@pytest.fixture
def config():
  """One of a network that is compiled at once."""
  return SMOKE["add_mul"]()


@pytest.mark.parametrize("width", [0, 1])
def test_arithmetic_is_that_of_the_steps_that_are_timed(
  config, width, tmp_path
):
  config.runtime.vmap_width = width
  found = step_of(config, "masks", tmp_path, machine())
  batch_size = config.search.batch_size
  workload = Workload.make(registry.make_study(config), batch_size, 1)
  steps = workload.search(config.search.masked_from[0])
  rows = len(config.base_seeds) * len(config.search.seeds)
  assert found.program.rows == rows * len(config.search.betas)
  assert found.flops == pytest.approx(found.program.rows * steps.flops, rel=0.1)
  assert found.all_flops == found.program.num_steps * found.flops


def test_rows_over_several_devices_are_counted_once(config, tmp_path):
  one, two = (
    step_of(config, "masks", tmp_path, machine(num_devices=count))
    for count in (1, 2)
  )
  assert (one.program.devices, two.program.devices) == (1, 2)
  assert two.flops == pytest.approx(one.flops / 2, rel=0.05)
  assert two.all_flops == pytest.approx(one.all_flops, rel=0.05)
  assert two.total < one.total


def needed(config, tmp_path, width):
  """Returns bytes of a search at a width."""
  config = remedies.changed(config, {"runtime.vmap_width": width})
  return step_of(config, "masks", tmp_path, machine()).total


def test_what_does_not_fit_gets_the_widest_that_does(config, tmp_path):
  config.runtime.vmap_width = 0
  by_width = {w: needed(config, tmp_path, w) for w in (1, 4, 0)}
  assert by_width[1] < by_width[4] < by_width[0]
  where = machine((by_width[4] + by_width[0]) // 2)
  found = step_of(config, "masks", tmp_path, where)
  assert not found.fits and found.program.at_once == 8
  finder = remedies.Finder(config, str(tmp_path), registry.make_study, where)
  remedy = finder.find(found)
  assert remedy.changes == {"runtime.vmap_width": 4}
  assert remedy.num_bytes == by_width[4]


def test_a_plan_that_does_not_fit_names_settings_that_then_fit(
  config, tmp_path
):
  config.runtime.vmap_width = 0
  where = machine(0.8 * needed(config, tmp_path, 0))
  text = plan(config, tmp_path, where)
  assert "everything fits" not in text
  flags = re.findall(r"fits with (.*?) \(", text)
  assert flags
  changes = {}
  for flag in " ".join(flags).split():
    field, _, value = flag.removeprefix("--config.").partition("=")
    changes[field] = min(int(value), changes.get(field, int(value)))
  text = plan(remedies.changed(config, changes), tmp_path, where)
  assert "everything fits" in text


def test_a_width_that_the_run_chooses_is_chosen(config, tmp_path):
  limit = (needed(config, tmp_path, 4) + needed(config, tmp_path, 0)) // 2
  config.runtime.vmap_width = "auto"
  with target.compiling_for("gpu"):
    found = step_of(config, "masks", tmp_path, machine(limit))
  assert found.fits and found.program.at_once == 4


def test_a_row_that_fits_on_no_device_gets_other_settings(config, tmp_path):
  config.runtime.vmap_width = 1
  limit = 0.8 * step_of(config, "masks", tmp_path, machine()).total
  where = machine(limit)
  finder = remedies.Finder(config, str(tmp_path), registry.make_study, where)
  remedy = finder.find(step_of(config, "masks", tmp_path, where))
  assert remedy.changes and remedy.num_bytes <= limit
  changed = remedies.changed(config, remedy.changes)
  found = step_of(changed, "masks", tmp_path, where)
  assert found.fits and found.total == remedy.num_bytes


def test_nothing_helps_where_the_weights_alone_are_too_many(config, tmp_path):
  where = machine(memory=1000)
  found = step_of(config, "training scratch", tmp_path, where)
  finder = remedies.Finder(config, str(tmp_path), registry.make_study, where)
  remedy = finder.find(found)
  assert not remedy.changes
  assert "; nothing that was tried" in remedies.describe(found, remedy, where)


@pytest.mark.parametrize(
  ("values", "limit", "expected"),
  [
    ([1, 2, 4, 8], 8, 8),
    ([1, 2, 4, 8], 5, 4),
    ([1, 2], 0, None),
    ([], 1, None),
  ],
)
def test_the_largest_value_that_fits(values, limit, expected):
  assert costs.largest(values, lambda value: value <= limit) == expected


def test_features_have_the_shapes_of_what_enters_a_stage(tmp_path):
  config = vision_variant("inside_contact", "smoke")
  study = registry.make_study(config)
  stage = study.mask_search.masked_from[-1]
  frozen = DryNetwork(DryWorkplace(study, tmp_path, machine()))
  assert frozen.place(stage) != "off"
  found = frozen.examples(stage, "inside", "train")
  workload = Workload.make(study, 2, num_batches=1)
  expected = workload.feature_shapes(stage)
  assert trees.num_rows(found) == study.datasets["inside"].sizes["train"]
  assert {name: leaf.shape[1:] for name, leaf in found.items()} == {
    name: leaf.shape[1:] for name, leaf in expected.items()
  }


def test_labels_of_further_masks_are_those_that_tests_make():
  study = registry.make_study(double_addition.get_config("smoke"))
  spec = Workload.make(study, 2, num_batches=1).spec(0)
  mask = {
    leaf.path: jax.numpy.ones((1, *leaf.mask_shape), bool)
    for leaf in spec.leaves
  }
  setting = {"mask_seed": 0, "penalty": 1.0}

  @dataclasses.dataclass
  class Found:
    stacked: dict
    settings: list

  tests = object.__new__(mask_tests.Tests)
  tests.study = study
  tests.masks = {"control": Found(mask, [setting])}
  for subroutine, made in (
    ("control", tests._halves(tests.masks["control"])),
    ("pair_1", tests._inverses(tests.masks["control"])),
  ):
    labels = mask_tests.further_labels(study.domain, subroutine, list(mask))
    assert set(labels) == set(made) and labels


def test_what_has_no_plan_says_so(tmp_path):
  with pytest.raises(UserError, match=r"no plan for permuted_mnist.*; leave"):
    plan(permuted_mnist.get_config("smoke"), tmp_path, machine())


def test_topologies_are_checked_and_need_a_compiler(monkeypatch):
  from jax.experimental import topologies

  with pytest.raises(UserError, match=r"v5e:3x3.*choose from v5e:1x1\|2x2"):
    chips.check("v5e:3x3")
  for name in ("v9:2x2", "", "v5e", "v5e:", "v5e:5"):
    with pytest.raises(UserError, match="is not known; choose from"):
      chips.check(name)

  def missing(**_):
    raise RuntimeError("JAX TPU support not installed; cannot generate")

  monkeypatch.setattr(topologies, "get_topology_desc", missing)
  with pytest.raises(UserError, match=r"libtpu.*; pip install '.*\[tpu\]'"):
    chips.devices("v5e:2x2")
