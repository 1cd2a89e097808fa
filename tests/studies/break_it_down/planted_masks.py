"""Work directories whose masks are planted: what they share is known.

Every network has one attention of two heads and one more matrix. In masks and
cuts of trained networks, head 0 is the subject's and head 1 the verb's; all
else is drawn at random.
"""

import pathlib

import numpy as np
import pandas as pd

from structcomp_jax.io import mask_files
from tests.studies.break_it_down import synthetic

LEAVES = (
  "layer_0/attention/output/kernel",
  "layer_0/attention/query/kernel",
  "layer_0/output/kernel",
)
WIDTH, NUM_HEADS, NUM_BASES = 16, 2, 2
NONSENSE = "nonsense_0"


def mask(seed: int, head: int | None = None) -> dict[str, np.ndarray]:
  """Returns a random mask in which one head is kept, and the others removed."""
  rng = np.random.default_rng(seed)
  found = {path: rng.random((WIDTH, WIDTH)) < 0.5 for path in LEAVES}
  if head is not None:
    is_head = np.arange(WIDTH) * NUM_HEADS // WIDTH == head
    found[LEAVES[0]][:] = is_head[:, None]
    found[LEAVES[1]][:] = is_head
  return found


def save(directory: pathlib.Path, *masks: dict[str, np.ndarray]) -> None:
  """Writes a mask file with some rows."""
  stacked = {path: np.stack([one[path] for one in masks]) for path in masks[0]}
  mask_files.save(
    directory / "masks.npz", stacked, fingerprint="x", stacked=True
  )


def write(path: pathlib.Path, *, num_masks: int = 2) -> pathlib.Path:
  """Writes a work directory with masks and cuts.

  The last row of every file of masks is not reported, and the last cut has
  stopped.
  """
  regimes = ("scratch", "random_init")
  results = [
    synthetic.results_rows(regime, num_bases=NUM_BASES, num_masks=num_masks)
    for regime in regimes
  ]
  synthetic.write_workdir(path, pd.concat(results))
  model = {"name": "small", "family": "bert", "sizes": {"num_heads": NUM_HEADS}}
  synthetic.add_to_config(path, model=model)
  rows = []
  for regime in regimes:
    root = path if regime == "scratch" else path / regime
    for base_seed in range(NUM_BASES):
      is_trained = regime == "scratch"
      for head, name in enumerate(synthetic.PAIR):
        of_mask = [
          mask(100 * base_seed + 10 * head + row, head if is_trained else None)
          for row in range(num_masks + 1)
        ]
        save(root / "masks" / f"seed_{base_seed}" / name, *of_mask)
      for number, pair in enumerate(("subroutines", NONSENSE)):
        head = 0 if is_trained and not number else None
        cuts = [mask(1000 + 10 * base_seed + row, head) for row in range(3)]
        save(root / "cuts" / f"seed_{base_seed}" / pair, *cuts)
        rows += _cut_rows(regime, base_seed, pair)
  pd.DataFrame(rows).to_csv(path / "cuts.csv", index=False)
  return path


def _cut_rows(regime: str, base_seed: int, pair: str) -> list[dict]:
  """Returns rows of cuts.csv; candidate 2 has stopped."""
  tasks = synthetic.PAIR
  if pair == NONSENSE:
    tasks = (f"{NONSENSE}_kept", f"{NONSENSE}_rest")
  is_cut = regime == "scratch" and pair != NONSENSE
  accuracy = 0.95 if is_cut else 0.3
  return [
    {
      "experiment": "sv_singular",
      "model": "small",
      "regime": regime,
      "base_seed": base_seed,
      "pair": pair,
      "mask_seed": candidate,
      "step": step,
      "kept_task": tasks[0],
      "rest_task": tasks[1],
      "kept_accuracy": accuracy,
      "rest_accuracy": accuracy,
      "density": 0.5,
      "finite": candidate < 2 or step < 20,
      "num_problems": 64,
      "candidate": candidate,
    }
    for candidate in range(3)
    for step in (10, 20)
  ]
