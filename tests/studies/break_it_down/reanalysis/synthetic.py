"""A small made-up result table that has every special case of the release.

- `sv_agr`: two experiments in one table; the random-init networks of both.
- `inside_contact`, resnet50: a base network that failed (by the uuid of the
  release), a pruned copy of it, a search that collapsed, random-init searches
  that repeat each other.
- `inside_count`, wideresnet50: a result directory is missing.
"""

import numpy as np
import pandas as pd

from structcomp_jax.studies.break_it_down import experiments

NUM_SEEDS = 3
FAILED = "b80c24dc-0000-0000-0000-000000000000"
# (experiment, model, regime, whose settings, base networks in no order); see
# `uuid`.
GROUPS = [
  ("sv_agr_singular", "bert_small", "scratch", "scratch", "cab"),
  ("sv_agr_plural", "bert_small", "scratch", "scratch", "fde"),
  ("sv_agr_singular", "bert_small", "random_init", "scratch", "cab"),
  ("sv_agr_plural", "bert_small", "random_init", "scratch", "fde"),
  ("sv_agr_singular", "bert_small", "lm_pretrained", "lm_pretrained", "hig"),
  ("sv_agr_singular", "bert_small", "random_init", "lm_pretrained", "hig"),
  ("inside_contact", "resnet50", "scratch", "scratch", "!a0"),
  ("inside_contact", "resnet50", "pruned", "scratch", "rpq"),
  ("inside_contact", "resnet50", "random_init", "scratch", "!a0"),
  ("inside_contact", "resnet50", "simclr", "simclr", "uts"),
  ("inside_count", "wideresnet50", "scratch", "scratch", "xyw"),
  ("inside_count", "wideresnet50", "random_init", "scratch", "xyw"),
]
# The result directory (base network, task) that is not there.
MISSING = ("inside_count", "random_init", "wwwwwwww", "number")
# Whose subnetworks and what else is constant.
COLLAPSED = ("inside_contact", "simclr", "tttttttt", "contact", 1)
# Maskable weights from every first masked stage on.
SIZES = {"0": 12845056, "2": 6553600, "stage_3": 26476544, "stage_4": 19398656}
STAGES = {
  "language": ("0", "0", "2"),
  "vision": ("stage_3",) * 2 + ("stage_4",),
}
TASKS = {
  "sv_agr_singular": ("subject", "verb"),
  "sv_agr_plural": ("subject", "verb"),
  "inside_contact": ("inside", "contact"),
  "inside_count": ("inside", "number"),
}


def uuid(letter: str) -> str:
  """Returns the uuid of a base network; `!` is the one that failed."""
  return FAILED if letter == "!" else 8 * letter + FAILED[8:]


def release() -> pd.DataFrame:
  """Returns the table, training rows included."""
  draw = np.random.default_rng(5)
  rows = []
  for experiment, model, regime, settings, bases in GROUPS:
    for place, base in enumerate(map(uuid, bases)):
      for task in TASKS[experiment]:
        if (experiment, regime, base[:8], task) == MISSING:
          continue
        for seed in range(NUM_SEEDS):
          rows += _search(
            draw, (experiment, model, regime, settings), base, task, seed, place
          )
  return _with_repeats(pd.DataFrame(rows))


def write(path) -> pd.DataFrame:
  """Writes the table as a CSV file, and returns it."""
  table = release()
  table.to_csv(path, index=False)
  return table


def _search(draw, kind, base, task, seed, place):
  experiment, model, regime, settings = kind
  _, names = experiments.in_release(experiment)
  # The third network of every experiment is masked from a later stage.
  stage = STAGES["language" if model == "bert_small" else "vision"][place]
  search = "".join(draw.choice(list("0123456789abcdef"), 8)) + "-0000"
  common = {
    "experiment": experiment,
    "model": model,
    "regime": regime,
    "base_model": base,
    "mask_task": task,
    "search_id": search,
    "seed": seed,
    "lr": 0.01,
    "mask_init": (0.1, 0.05, 0.0)[place],
    "masked_from": stage,
    "batch_size": 64,
    "hparams_from": settings,
    "pruned_from": FAILED if (regime, base) == ("pruned", uuid("q")) else "",
  }
  rows = [
    {
      **common,
      "ablation": "none",
      "eval_task": names.first_test + 1,
      "accuracy": 0.5,
      "loss": 1.0,
      "row_type": "train",
    }
  ]
  kept = int(SIZES[stage] * draw.uniform(0.001, 0.05))
  is_constant = (experiment, regime, base[:8], task, seed) == COLLAPSED
  for ablation in ("none", "zero", "random"):
    for number in range(len(names.tests)):
      accuracy = round(float(draw.uniform(0.1, 1.0)), 3)
      if names.tests[number] == names.renamed.get(task, task):
        accuracy = round(float(draw.uniform(0.85, 1.0)), 3)
      if is_constant and ablation == "none":
        accuracy = 0.258
      rows.append(
        {
          **common,
          "ablation": ablation,
          "eval_task": names.first_test + number,
          "accuracy": accuracy,
          "loss": 1.38 if draw.uniform() < 0.3 else 0.1,
          "l0": kept if ablation == "none" else SIZES[stage] - kept,
          "l0_max": SIZES[stage],
          "row_type": "eval",
        }
      )
  return rows


def _with_repeats(table):
  """Makes a random-init search the same as one with other borrowed settings.

  `inside_contact`, base networks a and 0, masks for contact, seed 2: settings
  and numbers are equal, uuids are not.
  """
  rows = table[
    (table["experiment"] == "inside_contact")
    & (table["regime"] == "random_init")
    & (table["mask_task"] == "contact")
    & (table["seed"] == 2)
  ]
  first, second = (
    rows[rows["base_model"] == uuid(base)].index for base in "a0"
  )
  kept = ["base_model", "search_id"]
  columns = [name for name in table if name not in kept]
  table.loc[second, columns] = table.loc[first, columns].to_numpy()
  return table
