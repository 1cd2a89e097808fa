"""Small made-up work directories whose answers are known."""

import itertools
import json

from structcomp_jax.io import tables
from structcomp_jax.report import workdir
from structcomp_jax.studies.are_nets_modular.columns import SCHEMAS
from structcomp_jax.studies.are_nets_modular.findings import conclude
from structcomp_jax.studies.are_nets_modular.findings import (
  evidence as evidence_module,
)

SUBTASKS = {
  "add_mul": ("add", "mul"),
  "double_addition": ("pair_1", "pair_2"),
  "scan": ("jump", "length", "turn_left"),
  "mathematics_sort": ("easy",),
}
LEVELS = ("easy", "medium", "hard")
TESTS = {
  **SUBTASKS,
  "scan": ("simple", *SUBTASKS["scan"]),
  "mathematics_sort": LEVELS,
}
LEAVES = {
  "layer_0/kernel": 10_000,
  "layer_1/kernel": 40_000,
  "output/kernel": 5_000,
}
# How likely masks share what they can share beyond chance, (kind of network,
# two masks of one subtask?).
EXCESS = {
  ("scratch", True): 0.8,
  ("scratch", False): 0.1,
  ("copy_weight", True): 0.8,
  ("copy_weight", False): 0.8,
  ("random_init", True): 0.8,
  ("random_init", False): 0.0,
}
OUTPUTS = ("I_TURN_LEFT", "I_JUMP", "I_WALK", "EOS")
# {(regime, ablation): accuracy on the own subtask, and on the other}
TWO = {
  ("scratch", "dense"): (1.0, 1.0),
  ("scratch", "control"): (0.97, 0.97),
  ("scratch", "none"): (0.99, 0.01),
  ("scratch", "zero"): (0.01, 0.77),
  ("scratch", "zero_io_control"): (0.3, 0.5),
  ("scratch", "zero_io_free"): (0.6, 0.8),
  ("scratch", "half_early"): (0.95, 0.95),
  ("scratch", "rest_early"): (0.87, 0.96),
  ("copy_weight", "dense"): (1.0, 1.0),
  ("copy_weight", "control"): (0.97, 0.97),
  ("copy_weight", "none"): (0.99, 0.01),
  ("copy_weight", "zero"): (0.01, 0.01),
  ("random_init", "dense"): (0.01, 0.01),
  ("random_init", "control"): (0.3, 0.3),
  ("random_init", "none"): (0.5, 0.01),
  ("random_init", "zero"): (0.01, 0.01),
  ("random", "none"): (0.01, 0.01),
  ("random", "zero"): (0.45, 0.45),
}
BETA = 4e-4
REGIMES = {
  "add_mul": ("scratch", "random_init"),
  "double_addition": ("scratch", "copy_weight", "random_init"),
  "scan": ("scratch", "only_jump"),
  "mathematics_sort": ("scratch",),
}


def _row(experiment, regime, seed, subroutine, mask_seed, ablation, test, acc):
  is_mask = bool(subroutine)
  # Networks differ a little.
  accuracy = min(max(acc + 0.004 * (seed - 1), 0.0), 1.0)
  return {
    "experiment": experiment,
    "model": "small",
    "regime": regime,
    "base_seed": seed,
    "subroutine": subroutine,
    "mask_seed": mask_seed if is_mask else None,
    "learning_rate": 0.01 if is_mask else None,
    "mask_init": 2.0 if is_mask else None,
    "penalty": BETA / 128 if is_mask else None,
    "masked_from": "0" if is_mask else "",
    "ablation": ablation,
    "test_task": test,
    "accuracy": accuracy,
    "loss": 1.0,
    "num_problems": 100,
    "l0": 10 if is_mask else None,
    "l0_max": 100 if is_mask else None,
    "density": 0.1 if is_mask else None,
    "beta": BETA if is_mask else None,
    "is_sum": accuracy if experiment == "add_mul" else None,
    "is_product": 0.004 if experiment == "add_mul" else None,
    "candidate": mask_seed if is_mask else None,
  }


def two_subtasks(experiment="double_addition", networks=3, seeds=(0, 1)):
  """Returns {table: rows} of an arithmetic experiment."""
  first, second = SUBTASKS[experiment]
  found = {"results": [], "controls": []}
  for regime, seed in itertools.product(REGIMES[experiment], range(networks)):
    head = (experiment, regime, seed)
    for test, acc in zip((first, second), TWO[regime, "dense"], strict=True):
      found["results"].append(_row(*head, "", 0, "none", test, acc))
    for mask_seed, ablation in itertools.product(seeds, ABLATIONS):
      for name in ("control", first, second):
        for test in (first, second):
          acc = _accuracy(regime, name, ablation, test, first)
          if acc is not None:
            found["results"].append(
              _row(*head, name, mask_seed, ablation, test, acc)
            )
          if ablation in ("none", "zero"):
            acc = TWO["random", ablation][0]
            row = _row(*head, name, mask_seed, ablation, test, acc)
            found["controls"].append({**row, "control": "random_matched"})
  return found | _mask_tables(experiment, networks, seeds)


ABLATIONS = (
  *("none", "zero", "zero_io_control", "zero_io_free"),
  *("half_early", "rest_early"),
)


def _accuracy(regime, name, ablation, test, first):
  if name == "control":
    label = "control" if ablation == "none" else ablation
    pair = TWO.get((regime, label)) if "zero" not in ablation else None
    return None if pair is None else pair[test != first]
  pair = TWO.get((regime, ablation)) if ablation[0] in "nz" else None
  return None if pair is None else pair[test != name]


def scan(networks=3, seeds=(0,)):
  """Returns {table: rows} of SCAN: the masks of jump and length lose theirs."""
  found = {"results": [], "controls": [], "outputs": []}
  for seed in range(networks):
    for test in TESTS["scan"]:
      found["results"] += [
        _row("scan", "scratch", seed, "", 0, "none", test, 0.99),
        _row("scan", "only_jump", seed, "", 0, "none", test, 0.02),
      ]
    for mask_seed, name in itertools.product(
      seeds, ("control", *SUBTASKS["scan"])
    ):
      for test in TESTS["scan"]:
        lost = {"jump": 0.6, "length": 0.3}.get(name, 0.0)
        acc = 0.97 - (lost if test == name else 0.2 * lost)
        row = _row("scan", "scratch", seed, name, mask_seed, "none", test, acc)
        found["results"].append(row)
        random = {**row, "accuracy": 0.0, "control": "random_matched"}
        found["controls"].append(random)
      for output in OUTPUTS:
        is_cut = (name, output) == ("jump", "I_JUMP")
        found["outputs"].append(
          {
            "regime": "scratch",
            "base_seed": seed,
            "subroutine": name,
            "mask_seed": mask_seed,
            "beta": BETA,
            "output": output,
            "size": 200,
            "kept": 140 if is_cut else 190,
            "control_kept": 200,
            "lost": 60 + seed if is_cut else 0 if name == "control" else 4,
          }
        )
  return found | _mask_tables("scan", networks, seeds, ("scratch",))


def mathematics(networks=3, seeds=(0,)):
  """Returns {table: rows}: the mask of easy questions loses the hard ones."""
  found = {"results": [], "controls": []}
  head = ("mathematics_sort", "scratch")
  for seed, level in itertools.product(range(networks), LEVELS):
    found["results"].append(_row(*head, seed, "", 0, "none", level, 0.99))
    for mask_seed, name in itertools.product(seeds, ("control", "easy")):
      is_lost = (name, level) == ("easy", "hard")
      acc = 0.5 if is_lost else 0.96 if name == "easy" else 0.97
      row = _row(*head, seed, name, mask_seed, "none", level, acc)
      found["results"].append(row)
      random = {**row, "accuracy": 0.0, "control": "random_matched"}
      found["controls"].append(random)
  return found | _mask_tables("mathematics_sort", networks, seeds)


def _mask_tables(experiment, networks, seeds, regimes=None):
  """Returns overlaps.csv, densities.csv and histograms.csv."""
  found = {"overlaps": [], "densities": [], "histograms": []}
  for regime, base_seed in itertools.product(
    regimes or REGIMES[experiment], range(networks)
  ):
    head = {"regime": regime, "base_seed": base_seed}
    masks = list(itertools.product(("control", *SUBTASKS[experiment]), seeds))
    for name, mask_seed in masks:
      which = {**head, "subroutine": name, "mask_seed": mask_seed}
      searched = {"learning_rate": 0.01, "mask_init": 2.0, "masked_from": "0"}
      for leaf, size in LEAVES.items():
        kept = kept_of(name, size)
        found["densities"].append(
          {
            **which,
            **searched,
            "penalty": BETA / 128,
            "leaf": leaf,
            "kept": kept,
            "size": size,
            "candidate": mask_seed,
          }
        )
      for place, count in ((0, 800), (250, 1), (499, 199)):
        found["histograms"].append(
          {**which, "beta": BETA, "bin": place, "count": count}
        )
    for (first, one), (second, other) in itertools.combinations(masks, 2):
      excess = EXCESS[regime, first == second] + 0.01 * (base_seed - 1)
      for leaf, size in LEAVES.items():
        found["overlaps"].append(
          {
            **head,
            "first": first,
            "first_seed": one,
            "second": second,
            "second_seed": other,
            "beta": BETA,
            **shared(
              leaf, size, kept_of(first, size), kept_of(second, size), excess
            ),
          }
        )
  return found


def kept_of(name, size):
  """Returns how many weights a mask keeps; the second subtask needs more."""
  return size // 5 if name in ("mul", "control") else size // 10


def shared(leaf, size, first, second, excess):
  """Returns the counts of two masks that share more than chance."""
  random = first * second / size
  return {
    "leaf": leaf,
    "size": size,
    "first_kept": first,
    "second_kept": second,
    "both": round(random + excess * (min(first, second) - random)),
  }


def make(experiment, **sizes):
  """Returns {table: rows} of an experiment."""
  if experiment == "scan":
    return scan(**sizes)
  if experiment == "mathematics_sort":
    return mathematics(**sizes)
  return two_subtasks(experiment, **sizes)


def write_workdir(path, experiment, rows=None):
  """Writes a finished work directory.

  Args:
    path: the directory.
    experiment: its name.
    rows: {table: rows}; by default those of `make`.
  """
  rows = make(experiment) if rows is None else rows
  path.mkdir(parents=True)
  regimes = list(dict.fromkeys(row["regime"] for row in rows["results"]))
  config = {"experiment": experiment, "regimes": regimes}
  (path / "config.json").write_text(json.dumps(config))
  for name, schema in SCHEMAS.items():
    if name in rows or schema.may_be_empty:
      tables.write(path / f"{name}.csv", rows.get(name, []), schema)
  return path


def evidence(path, experiment, rows=None):
  """Writes a work directory and returns it as findings read it."""
  write_workdir(path, experiment, rows)
  return evidence_module.of_workdir(workdir.read(path, SCHEMAS))


def verdicts(path, experiment, rows=None):
  """Returns {(regime, question): verdict} of a work directory."""
  found = conclude.conclude(evidence(path, experiment, rows))
  return {(one.network[2], one.question): one for one in found.verdicts}


def change(rows, accuracy, table="results", **where):
  """Returns rows with another accuracy where columns have some values.

  Args:
    rows: {table: rows}.
    accuracy: the new one.
    table: to be changed.
    **where: {column: value}.
  """
  changed = [
    {**row, "accuracy": accuracy}
    if all(row[name] == value for name, value in where.items())
    else row
    for row in rows[table]
  ]
  assert changed != rows[table]
  return {**rows, table: changed}


def without(rows, table="results", **where):
  """Returns rows without those whose columns have some values."""
  kept = [
    row
    for row in rows[table]
    if any(row[name] != value for name, value in where.items())
  ]
  assert len(kept) < len(rows[table])
  return {**rows, table: kept}
