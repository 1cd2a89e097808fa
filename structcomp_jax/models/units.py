"""Where heads, neurons, blocks and layers lie in BERT, ViT and the decoders.

Each constant says what `masks.gates.find` asks: what the units are called, by
which leaves they act on the rest of the network (`scaled`), and which have no
effect without these (`implied`), as {regex: axis}.

    gates.find(params, **units.HEADS, num_units=12)
    gates.find(params, **units.NEURONS)

A block or layer that is switched off hands on what it is given: around each is
a residual connection. Norms are no part of it, because those of BERT stand
behind the sum.
"""

from collections.abc import Mapping
from typing import Any

_ATTENTION, _LAYER = r"(.*attention)", r"(.*layer_\d+)"
_BOTH = "(?:kernel|bias)"
_QUERY, _KEY, _VALUE, _OUTPUT = (
  rf"{_ATTENTION}/{name}" for name in ("query", "key", "value", "output")
)
_INNER = rf"{_LAYER}/(?:intermediate|gate)/{_BOTH}"

# Attention heads; `num_units` is their number.
HEADS: Mapping[str, Any] = {
  "kind": "heads",
  "scaled": {f"{_OUTPUT}/kernel": 0},
  "implied": {f"{_ATTENTION}/(?:query|key|value)/{_BOTH}": -1},
}
# Where several heads share keys and values: the heads,
QUERY_HEADS: Mapping[str, Any] = {
  "kind": "heads",
  "scaled": {f"{_OUTPUT}/kernel": 0},
  "implied": {f"{_QUERY}/{_BOTH}": -1},
}
# and the keys and values that a group of them shares.
KEY_VALUE_HEADS: Mapping[str, Any] = {
  "kind": "key_value_heads",
  "scaled": {f"{_VALUE}/{_BOTH}": -1},
  "implied": {f"{_KEY}/{_BOTH}": -1},
}
# Neurons of the feed-forward parts, with what they read and what they write.
NEURONS: Mapping[str, Any] = {
  "kind": "neurons",
  "scaled": {rf"{_LAYER}/output/kernel": 0},
  "implied": {_INNER: -1},
}
# Whole attentions, whole feed-forward parts, and both of a layer.
ATTENTIONS: Mapping[str, Any] = {
  "kind": "block",
  "scaled": {f"{_OUTPUT}/{_BOTH}": None},
  "implied": {f"{_ATTENTION}/(?:query|key|value)/{_BOTH}": None},
}
FEED_FORWARDS: Mapping[str, Any] = {
  "kind": "feed_forward",
  "scaled": {rf"{_LAYER}/output/{_BOTH}": None},
  "implied": {_INNER: None},
}
LAYERS: Mapping[str, Any] = {
  "kind": "layer",
  "scaled": {rf"{_LAYER}/(?:attention/)?output/{_BOTH}": None},
  "implied": {
    rf"{_LAYER}/attention/(?:query|key|value)/{_BOTH}": None,
    _INNER: None,
  },
}
