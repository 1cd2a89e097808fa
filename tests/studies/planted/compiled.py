"""A transformer written down as tracr compiles it: two parities of three bits.

Layer 0: one head for each property brings the share of ones among its bits.
Units then tell with a zigzag whether the number of ones is odd.
"""

import types

import numpy as np

LABELS = (
  ["one"]
  + [f"indices:{place}" for place in range(10)]
  + ["tokens:-1", "tokens:1", "ones"]
  + ["A_sum", "A_holds:True", "A_holds:False"]
  + ["B_sum", "B_holds:True", "B_holds:False", "both"]
)
NUM_HEADS, HEAD_SIZE, NUM_UNITS = 3, 2, 10
PLACES = {name: place for place, name in enumerate(LABELS)}


def model(first=(0, 1, 2), second=(3, 4, 5)):
  """Returns parameters and labels as tracr's model has them."""
  width, inner = len(LABELS), NUM_HEADS * HEAD_SIZE
  attention = {
    name: np.zeros((width, inner)) for name in ("query", "key", "value")
  } | {"linear": np.zeros((inner, width))}
  units = {
    "linear_1": np.zeros((width, NUM_UNITS)),
    "linear_2": np.zeros((NUM_UNITS, width)),
  }
  for number, (name, bits) in enumerate((("A", first), ("B", second))):
    at = number * HEAD_SIZE
    attention["query"][PLACES["one"], at] = 10
    for bit in bits:
      attention["key"][PLACES[f"indices:{bit}"], at] = 10
    attention["value"][PLACES["ones"], at] = len(bits)
    attention["linear"][at, PLACES[f"{name}_sum"]] = 1
    # z ones: z - 2 relu(z - 1) + 2 relu(z - 2) is 0, 1, 0, 1.
    true, false = (PLACES[f"{name}_holds:{value}"] for value in (True, False))
    for place, weight in enumerate((1, -2, 2)):
      unit = 4 * number + place
      units["linear_1"][PLACES[f"{name}_sum"], unit] = 1
      units["linear_1"][PLACES["one"], unit] = -place
      units["linear_2"][unit, [true, false]] = [weight, -weight]
    units["linear_1"][PLACES["one"], unit + 1] = 1
    units["linear_2"][unit + 1, false] = 1
  # A unit that writes for both, one that writes nothing.
  units["linear_1"][PLACES["A_sum"], 8] = 1
  units["linear_2"][8, [PLACES["A_sum"], PLACES["both"]]] = 1
  tokens = np.zeros((3, width))
  tokens[:2, PLACES["one"]] = 1  # So the first token has no answer.
  tokens[0, PLACES["tokens:-1"]] = tokens[1, PLACES["tokens:1"]] = 1
  tokens[1, PLACES["ones"]] = 1
  places = np.zeros((11, width))
  places[1:, 1:11] = np.eye(10)
  weights = {"attn": attention, "mlp": units}
  return types.SimpleNamespace(
    params={
      "token_embed": {"embeddings": tokens},
      "pos_embed": {"embeddings": places},
    }
    | {
      f"transformer/layer_0/{block}/{name}": {
        "w": matrix, "b": np.zeros(matrix.shape[1]),
      }
      for block, matrices in weights.items()
      for name, matrix in matrices.items()
    },
    residual_labels=LABELS,
    model_config=types.SimpleNamespace(num_layers=1, num_heads=NUM_HEADS),
    input_encoder=types.SimpleNamespace(
      bos_token="first",
      encode=lambda values: [{-1: 0, 1: 1, "first": 2}[one] for one in values],
    ),
  )  # fmt: skip
