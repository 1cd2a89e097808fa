"""An LSTM that is read out at every step.

It is the recurrent network of Csordás et al. 2021 (arXiv 2010.02066). Theirs
multiplies the outputs of all steps with one projection, whose mask samples are
then spread over time; here a chunk of the batch has one sample at all steps.

`Lstm` is a `staged.Staged` network with the stages cell_0, cell_1, ..., output.
"""

import dataclasses
from typing import Any

import jax.numpy as jnp

from structcomp_jax.models import sizes
from structcomp_jax.models.layers import recurrence
from structcomp_jax.models.layers.chain import Chain
from structcomp_jax.models.layers.dense import dense
from structcomp_jax.models.layers.dropout import Dropout


@dataclasses.dataclass(frozen=True)
class LstmConfig:
  """Sizes of an LSTM; the defaults are the published ones.

  Attributes:
    num_inputs: features of an item at a step.
    num_outputs: width of the output at a step.
    hidden_size: units of every cell.
    num_layers: number of cells, at least 1.
    dropout: share of the values between two cells that is set to zero, if
      there is an rng named "dropout".
  """

  num_inputs: int
  num_outputs: int
  hidden_size: int = 256
  num_layers: int = 2
  dropout: sizes.Rate = 0.0

  def __post_init__(self):
    sizes.check(self, "LSTM")


class Lstm(Chain):
  """LSTM cells and a dense layer on the outputs of the last one.

  >>> Lstm(LstmConfig(num_inputs=42, num_outputs=20)).stages
  ('cell_0', 'cell_1', 'output')

  Attributes:
    config: sizes.
    dtype: of the computation; parameters are float32 always.

  Inputs are {"features": float[N, time, inputs]}, outputs float[N, time,
  outputs] at every step, from a state of zeros. The loop over time is unrolled;
  it is meant for few steps.
  """

  config: LstmConfig
  dtype: Any = jnp.float32

  def setup(self):
    config = self.config
    widths = (config.num_inputs, *[config.hidden_size] * config.num_layers)
    # linen names the entries of a list attribute cell_0, cell_1, ...
    self.cell = [
      recurrence.Cell(width, config.hidden_size, self.dtype)
      for width in widths[:-1]
    ]
    self.output = dense(config.hidden_size, config.num_outputs, self.dtype)
    self.dropout = Dropout(config.dropout)

  @property
  def stages(self) -> tuple[str, ...]:
    """Names of the stages, first to last."""
    cells = (f"cell_{index}" for index in range(self.config.num_layers))
    return (*cells, "output")

  def _run(self, features, names):
    for name in names:
      if name == "output":
        features = self.output(features)
      else:
        number = int(name.removeprefix("cell_"))
        if number > 0:
          features = self.dropout(features)
        features = recurrence.run_short(self.cell[number](), features)
    return features
