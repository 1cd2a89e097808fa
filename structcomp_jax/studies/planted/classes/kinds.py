"""What differs between architectures where classes are made the same way."""

import dataclasses
from collections.abc import Callable

import numpy as np

from structcomp_jax import types
from structcomp_jax.studies.planted.classes import (
  by_hand_convolutional,
  by_hand_mlp,
  by_hand_transformer,
)
from structcomp_jax.studies.planted.classes.trained import Recipe
from structcomp_jax.studies.planted.network import Network
from structcomp_jax.studies.planted.networks import convolutional, transformer
from structcomp_jax.studies.planted.networks.convolutional import Convolutional
from structcomp_jax.studies.planted.networks.mlp import Mlp
from structcomp_jax.studies.planted.networks.transformer import Transformer
from structcomp_jax.studies.planted.problems import NUM_BITS

_FOR_BLOCKS = Recipe()
_FOR_WHOLES = Recipe(learning_rate=3e-3, weight_decay=1e-2)


@dataclasses.dataclass(frozen=True)
class ByHand:
  """Networks that are made by hand, as large as those trained as one.

  Attributes:
    shared: returns a network with a trunk, and the units of the trunk.
    trunk_space: the space of the trunk.
    template: returns a network with a unit for each pattern.
  """

  shared: Callable[[np.random.Generator], tuple[types.Params, np.ndarray]]
  trunk_space: str
  template: Callable[[np.random.Generator], types.Params]


@dataclasses.dataclass(frozen=True)
class Kind:
  """An architecture and its sizes.

  What a joined network has more of than two blocks have belongs to none.

  Attributes:
    title: of its tables.
    prefix: of the names of its classes.
    whole: networks that are trained as one.
    block: a network for one subroutine.
    joined: two blocks.
    idle: two blocks, and units that belong to none.
    mixed_block: a block with a linear part besides its output.
    mixed: two of these.
    by_hand: see there.
    cross: spread of the weights between blocks, where there are any: as much as
      most networks bear.
    narrow: too narrow for two blocks; None where too few of such networks solve
      both subroutines.
    block_recipe: how blocks are trained.
    whole_recipe: how the others are.
  """

  title: str
  prefix: str
  whole: Network
  block: Network
  joined: Network
  idle: Network
  mixed_block: Network
  mixed: Network
  by_hand: ByHand
  cross: float = 0.05
  narrow: Network | None = None
  block_recipe: Recipe = _FOR_BLOCKS
  whole_recipe: Recipe = _FOR_WHOLES


MLP = Kind(
  title="Multilayer perceptrons",
  prefix="",
  whole=Mlp(),
  block=Mlp((NUM_BITS, 16, 8, 4)),
  joined=Mlp(),
  idle=Mlp((NUM_BITS, 36, 18, 8)),
  mixed_block=Mlp((NUM_BITS, 16, 4, 4), without_relu=(1,)),
  mixed=Mlp((NUM_BITS, 32, 8, 8), without_relu=(1,)),
  by_hand=ByHand(by_hand_mlp.shared, "layer_0", by_hand_mlp.template),
  narrow=Mlp((NUM_BITS, 5, 4)),
)
TRANSFORMER = Kind(
  title="Transformers",
  prefix="transformer/",
  whole=Transformer(),
  block=Transformer(12, 3, 4, 16, 4),
  joined=Transformer(),
  idle=Transformer(24, 7, 4, 36, 8),
  mixed_block=Transformer(12, 3, 4, 16, 4),
  mixed=Transformer(),
  by_hand=ByHand(
    by_hand_transformer.shared,
    transformer.HEADS,
    by_hand_transformer.template,
  ),
  cross=0.02,
  block_recipe=Recipe(learning_rate=2e-3),
  whole_recipe=Recipe(learning_rate=1e-3, weight_decay=1e-2),
)
CNN = Kind(
  title="Convolutional networks",
  prefix="cnn/",
  whole=Convolutional(),
  block=Convolutional((4, 4), 8, 4),
  joined=Convolutional(),
  idle=Convolutional((9, 9), 18, 8),
  mixed_block=Convolutional((4, 4), 8, 4, is_linear=True),
  mixed=Convolutional((8, 8), 16, 8, is_linear=True),
  by_hand=ByHand(
    by_hand_convolutional.shared,
    convolutional.SECOND,
    by_hand_convolutional.template,
  ),
  cross=0.02,
)
KINDS = (MLP, TRANSFORMER, CNN)
