"""Small encoder-decoders with weights far from their initial values."""

import functools

import jax
import numpy as np

from structcomp_jax import trees
from structcomp_jax.models.seq2seq.lstm import Seq2SeqLstm
from structcomp_jax.models.seq2seq.transformer import Seq2SeqTransformer

from .. import tiny
from . import formula

COMMANDS = tiny.commands((6, 2), (3, 8), (1, 1), (0, 4))
# {name: (network, its formula)}
NETWORKS = {
  "lstm": (Seq2SeqLstm(tiny.SEQ2SEQ_LSTM), formula.of_lstm),
  "transformer": (
    Seq2SeqTransformer(tiny.SEQ2SEQ_TRANSFORMER),
    functools.partial(formula.of_transformer, num_heads=3),
  ),
}


# With its initial weights, an LSTM hardly tells one source from another.
_GROWN = {"lstm": 2.0, "transformer": 1.0}


@functools.cache
def weights(name):
  """Returns variables with which sources get different answers."""
  initial = jax.jit(NETWORKS[name][0].init)(jax.random.key(0), COMMANDS)
  grown = jax.tree.map(lambda leaf: leaf * _GROWN[name], initial)
  return tiny.spread(grown, 0.1)


@functools.partial(
  jax.jit, static_argnames=("name", "method", "max_length", "stage", "static")
)
def run(name, variables, inputs, *, static=None, **options):
  """Applies a network; compiled once for each set of options.

  Args:
    name: of the network.
    variables: its weights.
    inputs: what it reads.
    static: a value of `forced` that is known when compiling.
    **options: of `apply` and of the method.
  """
  if static is not None:
    options["forced"] = static
  return NETWORKS[name][0].apply(variables, inputs, **options)


def expected(name, variables, inputs):
  """Yields (real positions, logits there) of every item, by the formula."""
  leaves = {
    path: np.asarray(leaf)
    for path, leaf in trees.leaves_by_path(variables["params"]).items()
  }
  for source, target in zip(inputs["source"], inputs["target"], strict=True):
    source, target = source[source >= 0], target[target >= 0]
    yield len(target), NETWORKS[name][1](leaves, source, target)
