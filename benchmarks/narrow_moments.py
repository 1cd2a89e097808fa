"""What moments of Adam in bfloat16 change in masks.

    python -m benchmarks.narrow_moments --workdir=DIR --config=FILE.py:VARIANT
      [--seeds=6] [--json=FILE] [--page=docs/results/compiled.md]

DIR is the work directory of a finished experiment of Break It Down. For every
base network of its first regime and every subroutine, masks of some seeds are
searched with moments in float32 and in bfloat16, at the first setting of the
config. Printed are the intersection over union of masks of the same moments and
of different ones, of the same seed and of others (`benchmarks.mask_agreement`),
and the share of weights that masks keep. PAGE gets the table between its two
comments.
"""

import argparse
import dataclasses
import pathlib
import sys
from typing import Any

import jax
import numpy as np

from benchmarks import measure
from benchmarks.mask_agreement import agreement, overlaps
from benchmarks.workload import load_study
from structcomp_jax import masks, search, types
from structcomp_jax.pipeline.experiment import Experiment
from structcomp_jax.report.text import (
  markdown_table,
  replace_between_markers,
  text_table,
)
from structcomp_jax.search.adam import DTYPES

_HEAD = (
  "network", "mask", "IoU float32", "IoU bfloat16", "across", "same seed",
  "p", "kept float32", "kept bfloat16",
)  # fmt: skip


def main() -> int:
  """Compares masks of every network; returns the exit status."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawTextHelpFormatter
  )
  parser.add_argument("--workdir", required=True, type=pathlib.Path)
  parser.add_argument("--config", required=True)
  parser.add_argument("--seeds", type=int, default=6)
  parser.add_argument("--json", help="also write all numbers to this file")
  parser.add_argument("--page", type=pathlib.Path, help="write the table there")
  arguments = parser.parse_args()
  work = Experiment(load_study(arguments.config), arguments.workdir)
  results = {"command": measure.command(), **measure.facts(), "networks": []}
  for regime, base_seed in work.bases():
    if regime != work.config.regimes[0]:
      continue
    for task in work.study.subroutines:
      measure.say(f"network {base_seed}, {task} ...")
      found = compare(work, regime, base_seed, task, arguments.seeds)
      results["networks"].append(found)
      measure.store(results, arguments.json)
  lines = [_HEAD, *map(_line, results["networks"])]
  print(text_table(lines))
  if arguments.page:
    content = f"{markdown_table(lines)}\n\n{_origin(results, arguments)}"
    text = arguments.page.read_text()
    arguments.page.write_text(replace_between_markers(text, "moments", content))
  return 0


def _origin(facts: dict[str, Any], arguments: argparse.Namespace) -> str:
  changed = " with changes" if facts["changed"] else ""
  return (
    f"`python -m benchmarks.narrow_moments --config={arguments.config}"
    f" --workdir=DIR --seeds={arguments.seeds}`, commit"
    f" {facts['commit']}{changed}, {facts['machine']}, JAX {facts['jax']}."
  )


def compare(
  work: Experiment, regime: str, base_seed: int, task: str, num_seeds: int
) -> dict[str, Any]:
  """Searches masks of one network both ways, and compares them."""
  frozen = work.frozen(regime, base_seed)
  masked_from = work.study.mask_search.masked_from[0]
  spec = frozen.mask_spec(masked_from)
  config = work.study.search_config()
  found = [
    search.run(
      frozen.network(masked_from).loss_fn,
      frozen.params,
      spec,
      frozen.examples(masked_from, task, "train"),
      dataclasses.replace(
        config,
        seeds=tuple(range(num_seeds)),
        learning_rates=config.learning_rates[:1],
        init_logits=config.init_logits[:1],
        penalties=config.penalties[:1],
        patience=0,
        moments=dtype,
      ),
      key=jax.random.key(0),
    ).masks
    for dtype in DTYPES
  ]
  return {
    "network": base_seed,
    "mask": task,
    **agreement(overlaps(*found)),
    "kept": [_kept(spec, some) for some in found],
  }


def _kept(spec: masks.MaskSpec, found: types.Mask) -> float:
  """Returns the mean share of weights that masks keep."""
  densities = jax.vmap(lambda mask: masks.weight_density(mask, spec))(found)
  return float(np.mean(densities))


def _line(one: dict[str, Any]) -> tuple[str, ...]:
  names = ("first", "second", "across", "same", "p")
  numbers = [*(one[name] for name in names), *one["kept"]]
  return (
    f"{one['network']}",
    one["mask"],
    *(f"{number:.3f}" for number in numbers),
  )


if __name__ == "__main__":
  sys.exit(main())
