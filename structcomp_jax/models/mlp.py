"""A feed-forward network of dense layers with ReLU between them.

It is the feed-forward network of Csordás et al. 2021 (arXiv 2010.02066).

`Mlp` is a `staged.Staged` network with the stages layer_0, layer_1, ...,
output.
"""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from structcomp_jax.models import sizes
from structcomp_jax.models.layers.chain import Chain
from structcomp_jax.models.layers.dense import dense


@dataclasses.dataclass(frozen=True)
class MlpConfig:
  """Sizes of a feed-forward network.

  Attributes:
    num_inputs: features of an item.
    hidden_sizes: width of every hidden layer, at least one of them.
    num_outputs: width of the output.
  """

  num_inputs: int
  hidden_sizes: Sequence[int]
  num_outputs: int

  def __post_init__(self):
    sizes.check(self, "MLP")


class Mlp(Chain):
  """Dense layers with ReLU between them.

  >>> Mlp(MlpConfig(42, (400, 400), 20)).stages
  ('layer_0', 'layer_1', 'output')

  Attributes:
    config: sizes.
    dtype: of the computation; parameters are float32 always.

  Inputs are {"features": float[N, inputs]}, outputs float[N, outputs].
  """

  config: MlpConfig
  dtype: Any = jnp.float32

  def setup(self):
    config = self.config
    widths = (config.num_inputs, *config.hidden_sizes)
    # linen names the entries of a list attribute layer_0, layer_1, ...
    self.layer = [
      dense(before, after, self.dtype)
      for before, after in itertools.pairwise(widths)
    ]
    self.output = dense(widths[-1], config.num_outputs, self.dtype)

  @property
  def stages(self) -> tuple[str, ...]:
    """Names of the stages, first to last."""
    layers = (f"layer_{i}" for i in range(len(self.config.hidden_sizes)))
    return (*layers, "output")

  def _run(self, features, names):
    for name in names:
      if name == "output":
        features = self.output(features)
      else:
        layer = self.layer[int(name.removeprefix("layer_"))]
        features = jax.nn.relu(layer(features))
    return features
