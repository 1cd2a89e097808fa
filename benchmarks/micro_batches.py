"""What batches in parts cost or save on the machine at hand.

    python -m benchmarks.micro_batches
      [--config=configs/vision/inside_contact.py:resnet50] [--masked_from=0]
      [--batch_size=16] [--parts=1,2,4,8] [--repeats=7] [--page=FILE.md]

One candidate, nothing cached. A step with whole batches and the same one with
batches in parts (`search.micro_batches`) take turns; ratios are medians over
turns. Printed are the ratios and the temporary memory. FILE.md gets the table
between its two comments.
"""

import argparse
import pathlib
import sys

from benchmarks import measure
from benchmarks.workload import Workload, load_study
from structcomp_jax.engine import memory
from structcomp_jax.report.text import (
  markdown_table,
  replace_between_markers,
  text_table,
)

_LEAST_SECONDS = 0.5


def main() -> int:
  """Measures all numbers of parts; returns the exit status."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawTextHelpFormatter
  )
  parser.add_argument(
    "--config", default="configs/vision/inside_contact.py:resnet50"
  )
  parser.add_argument("--masked_from", type=int, default=0)
  parser.add_argument("--batch_size", type=int, default=16)
  parser.add_argument("--parts", default="1,2,4,8")
  parser.add_argument("--repeats", type=int, default=7)
  parser.add_argument("--page", type=pathlib.Path)
  arguments = parser.parse_args()
  study = load_study(arguments.config)
  workload = Workload.make(study, arguments.batch_size, num_batches=1)
  stage = study.mask_search.masked_from[arguments.masked_from]
  programs = {
    parts: workload.search(stage, micro_batches=int(parts))
    for parts in arguments.parts.split(",")
  }
  stopwatches = {
    parts: program.stopwatch(_LEAST_SECONDS)
    for parts, program in programs.items()
  }
  seconds = measure.take_turns(stopwatches, arguments.repeats)
  whole = seconds[next(iter(programs))]
  lines = [("parts", "time of a step / that of the first", "temporary")]
  lines += [
    (
      parts,
      f"{measure.median_ratio(seconds[parts], whole):.2f}",
      f"{memory.program_bytes(program.compiled)['temporary'] / 1e9:.2f} GB",
    )
    for parts, program in programs.items()
  ]
  print(text_table(lines))
  if arguments.page:
    facts = measure.facts()
    origin = (
      f"`python -m benchmarks.micro_batches --config={arguments.config}"
      f" --batch_size={arguments.batch_size}`, masked from {stage}, medians of"
      f" {arguments.repeats} turns, steps of {min(whole):.1f} to"
      f" {max(whole):.1f} s. Commit {facts['commit']}, {facts['machine']}, JAX"
      f" {facts['jax']}."
    )
    text = arguments.page.read_text()
    content = f"{markdown_table(lines)}\n\n{origin}"
    arguments.page.write_text(
      replace_between_markers(text, "micro_batches", content)
    )
  return 0


if __name__ == "__main__":
  sys.exit(main())
