"""A network larger than a chip: its mask search compiled for several chips.

    pip install "jax[tpu]"
    python -m benchmarks.large_model [--topologies=v5e:8,v5e:16]
      [--rules=decoder,automatic] [--readouts=every,last] [--candidates=1]
      [--batch_size=32] [--length=128] [--layers=16] [--recompute]
      [--json=FILE] [--again] [--page=FILE]

The network is a decoder of the shapes of Llama 3.2 1B with random weights, of
which none exists: no chip is needed, and nothing is run. All of its matrices
are masked, weight by weight, and cut over the chips of a topology (see
docs/design/many_devices.md). `rules` says where: by the rules of
`models.gpt.MODEL_AXES`, or each along its longest axis. `readouts` says at
which tokens the next one is predicted.

Printed are what each chip holds, computes and moves in one step, the
collectives with the bytes of their results, and the roofline time: the longest
of arithmetic / peak, bytes / bandwidth, and bytes sent / what the links carry.
A ring sends 2 (n - 1) / n of what n chips reduce, and (n - 1) / n of what they
gather or scatter. `moved` are bytes between a chip and its main memory
(`engine/traffic.py`); `fewest` those without which there is no step: frozen
weights read once, mask logits and Adam's moments read and written once.
`at best` is the roofline time with these. `MFU` is the share of the peak that
useful arithmetic has in the roofline time.
"""

import argparse
import dataclasses
import itertools
import json
import pathlib
import sys
import time
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks import measure
from benchmarks.collectives import collectives
from benchmarks.steps import Steps, search_steps
from structcomp_jax import masks, search, target, trees
from structcomp_jax.engine import chips, cost, memory, traffic
from structcomp_jax.models import gpt
from structcomp_jax.report.text import markdown_table, text_table

# config.json of meta-llama/Llama-3.2-1B.
LLAMA_1B = gpt.GptConfig(
  vocab_size=128256,
  hidden_size=2048,
  num_layers=16,
  num_heads=32,
  num_key_heads=8,
  head_size=64,
  intermediate_size=8192,
  max_positions=131072,
  positions="rotary",
  rotary_base=500000.0,
  rotary_stretch=(32.0, 1.0, 4.0, 8192.0),
  norm="rms",
  hidden_act="silu",
  gated=True,
  query_bias=False,
  output_bias=False,
  feed_forward_bias=False,
)
RULES: dict[str, tuple[Any, ...]] = {"decoder": gpt.MODEL_AXES, "automatic": ()}
READOUTS = ("every", "last")
# Bytes per second that a chip sends and receives over all of its links, as its
# maker says: 1600 and 4800 Gbit/s (cloud.google.com/tpu/docs/v5e and v5p).
_LINKS = {"v5e": 200e9, "v5p": 600e9}
# Logit, two moments and gradient in float32.
_STATE_BYTES = 4 * 4
# Of a masked weight that a step of Adam reads and writes: logit and two moments
# in float32.
_MOVED_BYTES = 2 * 3 * 4
# Of a frozen weight, in bfloat16.
_WEIGHT_BYTES = 2
_HEAD = (
  "chips", "rules", "readout", "K", "weights", "mask state", "arguments",
  "holds", "fits", "useful", "counted", "moved", "fewest", "sent", "roofline",
  "bound by", "MFU", "at best", "compiling",
)  # fmt: skip
_ABOUT = """\
# A network larger than a chip

Written by `python -m benchmarks.large_model`, whose numbers are in
`large_model.json`; the top of `benchmarks/large_model.py` says what the columns
mean, and [many devices](../design/many_devices.md#the-model-axis) how a network
is cut. Programs were compiled for chips that were not there: nothing was run
and no time was measured. No run can take less than `roofline`."""


@dataclasses.dataclass(frozen=True)
class Case:
  """One program; see the top of this file.

  Attributes:
    topology: kind and number of chips, all of which share the network.
    rules: name in `RULES`.
    readout: one of `READOUTS`.
    num_candidates: masks of the network.
    batch_size: sequences a step.
    length: tokens of a sequence that are read.
    layers: blocks of the network.
    recompute: see `gpt.Gpt`.
  """

  topology: str
  rules: str
  readout: str
  num_candidates: int
  batch_size: int
  length: int
  layers: int
  recompute: bool


def main() -> int:
  """Compiles every program in a process of its own; returns the status."""
  arguments = _arguments()
  if arguments.worker:
    print(json.dumps(compile_case(Case(**json.loads(arguments.worker)))))
    return 0
  chips.prepare_environment()
  results = measure.compiled_elsewhere(
    "benchmarks.large_model",
    _cases(arguments),
    arguments.json,
    again=arguments.again,
  )
  print(text_table(lines(results)))
  if arguments.page:
    pathlib.Path(arguments.page).write_text(page(results))
  return 0


def _arguments() -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawTextHelpFormatter
  )
  for name, default in (
    ("topologies", "v5e:8,v5e:16"),
    ("rules", "decoder"),
    ("readouts", "every"),
    ("candidates", "1"),
  ):
    parser.add_argument(f"--{name}", default=default, help="comma-separated")
  for name, number in (("batch_size", 32), ("length", 128), ("layers", 16)):
    parser.add_argument(f"--{name}", type=int, default=number)
  parser.add_argument("--recompute", action="store_true")
  parser.add_argument(
    "--json", help="all numbers; programs that it has are not compiled again"
  )
  parser.add_argument("--again", action="store_true", help="but now they are")
  parser.add_argument("--page", help="also write them to this page")
  parser.add_argument("--worker", help=argparse.SUPPRESS)
  return parser.parse_args()


def _cases(arguments: argparse.Namespace) -> list[Case]:
  """Returns every combination of what was asked for."""
  return [
    Case(
      topology=topology,
      rules=rules,
      readout=readout,
      num_candidates=number,
      batch_size=arguments.batch_size,
      length=arguments.length,
      layers=arguments.layers,
      recompute=arguments.recompute,
    )
    for topology, rules, readout, number in itertools.product(
      arguments.topologies.split(","),
      arguments.rules.split(","),
      arguments.readouts.split(","),
      map(int, arguments.candidates.split(",")),
    )
  ]


def compile_case(case: Case) -> dict[str, Any]:
  """Returns all numbers of one program."""
  with target.compiling_for("tpu"):
    config = dataclasses.replace(LLAMA_1B, num_layers=case.layers)
    steps = search_of(config, case, chips.devices(case.topology))
    flops = cost.product_flops(steps.program.function, *steps.argument_shapes())
    started = time.perf_counter()
    compiled = steps.compiled
    seconds = time.perf_counter() - started
  text = compiled.as_text()
  return {
    **dataclasses.asdict(case),
    "weights": trees.num_elements(steps.job.fixed),
    "masked": steps.job.learner.spec.num_weights,
    "useful_flops": flops,
    "counted_flops": compiled.cost_analysis()["flops"],
    "bytes": traffic.bytes_per_step(text),
    "bytes_anywhere": traffic.bytes_per_step(text, inside_too=True),
    "memory": memory.program_bytes(compiled),
    "collectives": collectives(text),
    "seconds": seconds,
    **measure.facts("libtpu"),
  }


def search_of(
  config: gpt.GptConfig, case: Case, devices: Sequence[Any]
) -> Steps:
  """Returns the steps of a search for masks of all matrices of a decoder.

  Args:
    config: of the decoder; its weights are abstract, in bfloat16.
    case: how it is cut and read; its topology and layers are not looked at.
    devices: all share the decoder.
  """
  network = gpt.Gpt(config, jnp.bfloat16, case.recompute)
  tokens = np.zeros((case.batch_size, case.length + 1), np.int32)
  fresh = jax.eval_shape(
    network.init, jax.random.key(0), {"token_ids": tokens[:1, :1]}
  )
  params = jax.tree.map(
    lambda leaf: jax.ShapeDtypeStruct(leaf.shape, jnp.bfloat16), fresh["params"]
  )
  steps = search_steps(
    next_token_loss(network, case.readout),
    params,
    masks.select(
      params, [(".*/(kernel|embedding)", "weight"), (".*", "frozen")]
    ),
    {"tokens": tokens},
    search.SearchConfig(
      num_epochs=1,
      batch_size=case.batch_size,
      seeds=tuple(range(case.num_candidates)),
      model_devices=len(devices),
      model_axes=RULES[case.rules],
    ),
  )
  return Steps(dataclasses.replace(steps.job, devices=devices))


def next_token_loss(network: gpt.Gpt, readout: str) -> Any:
  """Returns the loss of the next token, at every token or after the last."""

  def loss_fn(params, batch):
    read, wanted = batch["tokens"][:, :-1], batch["tokens"][:, 1:]
    variables = {"params": params}
    features = network.apply(
      variables, {"token_ids": read}, "norm", method="features_before"
    )
    if readout == "last":
      features = jax.tree.map(lambda leaf: leaf[:, -1:], features)
      wanted = wanted[:, -1:]
    logits = network.apply(variables, features, "norm", method="from_stage")
    return optax.softmax_cross_entropy_with_integer_labels(
      logits.astype(jnp.float32), wanted
    ).mean()

  return loss_fn


def lines(results: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
  """Returns the table of all programs as lines of cells, the head first."""
  return [_HEAD, *map(_line, results)]


def _line(one: dict[str, Any]) -> tuple[str, ...]:
  kind, _, number = one["topology"].partition(":")
  chip = chips.CHIPS[kind]
  useful = one["useful_flops"] / int(number)
  times = {
    "arithmetic": max(one["counted_flops"], useful) / chip.flops,
    "bytes": one["bytes"] / chip.bandwidth,
    "links": sent_bytes(one) / _LINKS[kind],
  }
  bound_by = max(times, key=lambda name: times[name])
  fewest = (
    _WEIGHT_BYTES * one["weights"]
    + _MOVED_BYTES * one["num_candidates"] * one["masked"]
  ) / int(number)
  at_best = max({**times, "bytes": fewest / chip.bandwidth}.values())
  held = one["memory"]["total"]
  return (
    one["topology"],
    one["rules"],
    one["readout"],
    f"{one['num_candidates']}",
    f"{one['weights'] / 1e9:.3f} B",
    f"{_STATE_BYTES * one['num_candidates'] * one['masked'] / 1e9:.1f} GB",
    f"{one['memory']['arguments'] / 1e9:.2f} GB",
    f"{held / 1e9:.2f} GB",
    "yes" if held < chip.memory else "no",
    f"{useful / 1e12:.3f} TFLOP",
    f"{one['counted_flops'] / 1e12:.3f}",
    f"{one['bytes'] / 1e9:.2f} GB",
    f"{fewest / 1e9:.2f} GB",
    f"{sent_bytes(one) / 1e9:.2f} GB",
    f"{1e3 * times[bound_by]:.1f} ms",
    bound_by,
    f"{useful / times[bound_by] / chip.flops:.2f}",
    f"{1e3 * at_best:.1f} ms",
    f"{one['seconds']:.0f} s",
  )


def sent_bytes(one: dict[str, Any]) -> float:
  """Returns what a chip sends in a step; see the top of this file."""
  number = int(one["topology"].partition(":")[2])
  part = (number - 1) / number
  factors = {
    "all-reduce": 2 * part,
    "all-gather": part,
    # Of its result, which is one part of what is reduced.
    "reduce-scatter": part * number,
    "all-to-all": part,
    "collective-permute": 1.0,
  }
  return sum(
    factors[name] * found["bytes"] for name, found in one["collectives"].items()
  )


def page(results: Sequence[dict[str, Any]]) -> str:
  """Returns the page of all programs, in Markdown."""
  exchanged = [("chips", "rules", "readout", "collective", "count", "results")]
  exchanged += [
    (
      one["topology"],
      one["rules"],
      one["readout"],
      name,
      f"{found['count']}",
      f"{found['bytes'] / 1e6:.4g} MB",
    )
    for one in results
    for name, found in one["collectives"].items()
  ]
  origins = sorted(
    {
      f"commit {one['commit']}, JAX {one['jax']}, libtpu {one['libtpu']}, "
      f"{one['machine']}"
      for one in results
    }
  )
  sections = [
    _ABOUT,
    markdown_table(lines(results)),
    "Collectives of one step, by kind, with the bytes of their results on a "
    "chip:",
    markdown_table(exchanged),
    "\n".join(f"- {origin}" for origin in origins),
  ]
  return "\n\n".join(sections) + "\n"


if __name__ == "__main__":
  sys.exit(main())
