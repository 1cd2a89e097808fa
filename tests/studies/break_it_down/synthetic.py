"""Small made-up work directories with known task differences."""

import json
import pathlib

import numpy as np
import pandas as pd

from structcomp_jax.pipeline.tables import SETTINGS

PAIR = ("subject", "verb")
LEAVES = {"layer_0/dense/kernel": 400, "layer_1/dense/kernel": 600}
# (regime, ablation) -> accuracy on own, other_task, base, target, other test.
PROFILES = {
  ("scratch", "none"): (1.0, 0.5, 0.6, 0.95, 0.3),
  ("scratch", "zero"): (0.5, 0.9, 0.6, 0.3, 0.8),
  ("random_init", "none"): (0.98, 0.4, 0.5, 0.9, 0.25),
  ("random_init", "zero"): (0.9, 0.4, 0.4, 0.85, 0.35),
  ("random_matched", "none"): (0.5, 0.5, 0.6, 0.5, 0.5),
  ("random_matched", "zero"): (0.6, 0.6, 0.6, 0.55, 0.55),
}


def results_rows(
  regime: str = "scratch",
  *,
  num_bases: int = 3,
  num_masks: int = 3,
  experiment: str = "sv_singular",
  profile: str | None = None,
  noise: float = 0.01,
) -> pd.DataFrame:
  """Returns rows of results.csv for one regime, dense rows included."""
  key = np.random.default_rng(num_bases * 100 + len(regime))
  rows = []
  base_accuracy = 0.25 if regime == "random_init" else 0.995
  common = {"experiment": experiment, "model": "small", "regime": regime}
  for base_seed in range(num_bases):
    dense = {**common, "base_seed": base_seed, "base_accuracy": base_accuracy}
    for test in ("base", *PAIR, *(f"odd_{name}" for name in PAIR)):
      rows.append({**dense, "test_task": test, "accuracy": base_accuracy})
    for name in PAIR:
      other = PAIR[1 - PAIR.index(name)]
      tests = (name, other, "base", f"odd_{name}", f"odd_{other}")
      for mask_seed in range(num_masks):
        for ablation in ("none", "zero"):
          values = PROFILES[profile or regime, ablation]
          for test, accuracy in zip(tests, values, strict=True):
            drawn = np.clip(accuracy + noise * key.normal(), 0, 1)
            rows.append(
              {
                **dense,
                "subroutine": name,
                "mask_seed": mask_seed,
                "candidate": mask_seed,
                "learning_rate": 0.01,
                "mask_init": 0.05,
                "penalty": 1e-8,
                "masked_from": "layer_0",
                "ablation": ablation,
                "test_task": test,
                "accuracy": drawn,
                "l0": 150 if ablation == "none" else 850,
                "l0_max": 1000,
                "margin": drawn - 0.5,
                "selected": True,
              }
            )
  table = pd.DataFrame(rows)
  table["loss"] = 1.0 - table["accuracy"]
  table["num_problems"] = 300
  table["density"] = table["l0"] / table["l0_max"]
  table["selected"] = table["subroutine"].notna()
  return table


def _densities(results: pd.DataFrame) -> pd.DataFrame:
  keys = [
    "regime",
    "base_seed",
    "subroutine",
    "mask_seed",
    *SETTINGS,
    "candidate",
  ]
  masks = results.dropna(subset=["subroutine"])[keys].drop_duplicates()
  tables = []
  for index, (leaf, size) in enumerate(LEAVES.items()):
    kept = int(size * (0.1 + 0.1 * index))
    tables.append(masks.assign(leaf=leaf, kept=kept, size=size))
  return pd.concat(tables)


def _write_lines(path: pathlib.Path, lines: list[dict]) -> None:
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def _write_metrics(root: pathlib.Path, results: pd.DataFrame) -> None:
  for base_seed in results["base_seed"].unique():
    lines = [
      {
        "step": 10 * epoch,
        "epoch": epoch,
        "seed": int(base_seed),
        "train/loss": 1 / epoch,
        "validation/loss": 1 / epoch,
        "validation/accuracy": 1 - 0.75 / epoch,
      }
      for epoch in range(1, 6)
    ]
    _write_lines(root / "base" / f"seed_{base_seed}" / "metrics.jsonl", lines)
    for name in PAIR:
      _write_lines(
        root / "masks" / f"seed_{base_seed}" / name / "metrics.jsonl",
        [
          {
            "step": 10 * epoch,
            "epoch": epoch,
            "candidate": candidate,
            "mask_seed": candidate,
            "learning_rate": 0.01,
            "mask_init": 0.05,
            "penalty": 1e-8,
            "beta": 2.0**epoch,
            "train/loss": 1 / epoch,
            "train/size": 500.0,
            "validation/soft/loss": 1 / epoch,
            "validation/soft/accuracy": 1 - 0.5 / epoch,
            "validation/hard/loss": 2 / epoch,
            "validation/hard/accuracy": 1 - 0.7 / epoch,
            "density": 0.5 / epoch,
          }
          for epoch in range(1, 6)
          for candidate in range(2)
        ],
      )


def write_workdir(
  path: pathlib.Path,
  results: pd.DataFrame | None = None,
  *,
  complete: bool = True,
) -> pathlib.Path:
  """Writes a work directory; `complete=False` writes only what must be."""
  path.mkdir(parents=True, exist_ok=True)
  if results is None:
    results = pd.concat([results_rows(), results_rows("random_init")])
  results.to_csv(path / "results.csv", index=False)
  config = {
    "experiment": str(results["experiment"].iloc[0]),
    "regimes": list(dict.fromkeys(results["regime"])),
    "search": {"num_epochs": 5, "penalty": 1e-8},
  }
  (path / "config.json").write_text(json.dumps(config))
  if not complete:
    return path
  controls = pd.concat(
    [
      results_rows(
        regime,
        num_bases=part["base_seed"].nunique(),
        profile="random_matched",
        experiment=config["experiment"],
      ).dropna(subset=["subroutine"])
      for regime, part in results.groupby("regime", sort=False)
    ]
  )
  controls["control"] = "random_matched"
  controls.to_csv(path / "controls.csv", index=False)
  _densities(results).to_csv(path / "densities.csv", index=False)
  for index, (regime, part) in enumerate(results.groupby("regime", sort=False)):
    _write_metrics(path / regime if index else path, part)
  selection = path / "masks" / "seed_0" / "subject" / "selection.json"
  setting = {
    "learning_rate": 0.01,
    "mask_init": 0.0,
    "penalty": 1e-8,
    "masked_from": 0,
    "ablated_target": 0.1,
    "ablated_other": 0.75,
  }
  content = {"rule": "own_task", "chosen": setting, "settings": [setting]}
  selection.write_text(json.dumps(content))
  (path / "timings.json").write_text(json.dumps({"train": 12.5, "search": 80}))
  (path / "versions.json").write_text(json.dumps({"jax": "0.0.test"}))
  return path


def add_to_config(path: pathlib.Path, **sections: dict) -> None:
  """Adds sections to the config of a work directory."""
  file = path / "config.json"
  file.write_text(json.dumps(json.loads(file.read_text()) | sections))
