"""Where the leaves of a network lie in a checkpoint: the way there and back.

Names of a checkpoint may all begin with the same words, which say what the
network was part of when it was saved: `model.`, `transformer.`, `module.`
(data parallel), `_orig_mod.` (compiled), `base_model.model.` (adapters),
`0.auto_model.` (sentence embeddings). Layouts have names without them.
"""

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from structcomp_jax import trees
from structcomp_jax.models.pretrained import weight_files
from structcomp_jax.models.pretrained.weight_files import Weights
from structcomp_jax.models.staged import Staged
from structcomp_jax.types import Params, UserError

# Names of norms' weights in checkpoints converted from TensorFlow.
_OLD_LEAF_NAMES = {"gamma": "weight", "beta": "bias"}
# What PyTorch puts in front of the names in modules that it wraps, anywhere.
_WRAPPERS = re.compile(
  r"(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\."
)


@dataclasses.dataclass(frozen=True)
class Place:
  """Where one leaf lies.

  Attributes:
    name: of the tensor.
    is_transposed: whether the tensor is [outputs, inputs], where a kernel of
      ours is [inputs, outputs].
    part: (number, of how many): the leaf is one of so many equal parts of the
      tensor's last axis.
  """

  name: str
  is_transposed: bool = False
  part: tuple[int, int] = (0, 1)


@dataclasses.dataclass(frozen=True)
class Layout:
  """How checkpoints of one kind store one network.

  Attributes:
    shapes: {path of a leaf: its shape}.
    places: {path of a leaf: where it lies}.
    own: matches the names that belong to the network; others are those of
      heads and poolers that it does not have, and are not read.
    buffers: matches the names among these that are no weights.
    beside: names that do not begin with the last word of the prefix: a head
      `lm_head.weight` beside `model.layers...`.
    tied: {name: name of the tensor that it must equal, if it is there}.
  """

  shapes: Mapping[str, tuple[int, ...]]
  places: Mapping[str, Place]
  own: str
  buffers: str = ""
  beside: tuple[str, ...] = ()
  tied: Mapping[str, str] = dataclasses.field(default_factory=dict)


def shapes_of(
  model: Staged, inputs: Mapping[str, jax.ShapeDtypeStruct]
) -> dict[str, tuple[int, ...]]:
  """Returns {path: shape} of a network's parameters."""
  variables = jax.eval_shape(model.init, jax.random.key(0), inputs)
  leaves = trees.leaves_by_path(variables["params"])
  return {path: leaf.shape for path, leaf in leaves.items()}


def places_of(
  shapes: Mapping[str, Any], their_name: Callable[[str], str]
) -> dict[str, Place]:
  """Returns where leaves lie that are tensors of their own, kernels turned."""
  return {
    path: Place(their_name(path), is_transposed=path.endswith("/kernel"))
    for path in shapes
  }


def to_params(
  layout: Layout,
  weights: Weights,
  *,
  prefix: str | None = None,
  keep_dtype: bool = False,
  on_host: bool = False,
) -> Params:
  """Returns a checkpoint's weights as parameters of our network.

  Args:
    layout: of the checkpoint.
    weights: as they were read.
    prefix: what the names of the network's tensors begin with; None: found.
    keep_dtype: float16 and bfloat16 stay so; else they become float32.
    on_host: leaves are NumPy arrays, not copied to a device.

  Raises:
    UserError: a tensor is missing, left over, of another shape than the layout
      says, or not of a weight's dtype; or several networks are there.
  """
  found = _Found(layout, weights, prefix)
  found.check_complete()
  params = {}
  for path, shape in layout.shapes.items():
    array = found.leaf(path)
    if array.shape != shape:
      raise UserError(
        f"{weights.origin}: {layout.places[path].name!r} gives shape "
        f"{array.shape} for {path}, config.json says {shape}; take the "
        "config.json that belongs to the weights"
      )
    array = array if keep_dtype else array.astype("f4")
    params[path] = array if on_host else jnp.asarray(array)
  return traverse_util.unflatten_dict(params, sep="/")


def to_files(
  layout: Layout, weights: Weights, params: Params, prefix: str | None = None
) -> dict[str, dict[str, np.ndarray]]:
  """Returns a checkpoint's tensors with other weights in the network's places.

  Everything else stays: other tensors, names, dtypes, and which file has what.

  Args:
    layout: of the checkpoint.
    weights: the checkpoint as it was read.
    params: the new parameters; the network may have parts that the layout
      lacks, such as a head of its own.
    prefix: see `to_params`.

  Raises:
    UserError: the checkpoint does not fit the layout, or a leaf is missing or
      of another shape.
  """
  found = _Found(layout, weights, prefix)
  found.check_complete()
  leaves, tensors = trees.leaves_by_path(params), weights.tensors
  changed: dict[str, np.ndarray] = {}
  for path, shape in layout.shapes.items():
    what = np.shape(leaves[path]) if path in leaves else "missing"
    if what != shape:
      raise UserError(
        f"leaf {path!r} is {what}, the checkpoint {weights.origin} has "
        f"{shape}; give all parameters of the network it was read into"
      )
    place = layout.places[path]
    full = found.full_names[place.name]
    if full not in changed:
      changed[full] = np.array(tensors[full])
    _put(changed[full], place, np.asarray(leaves[path]))
  for copy, source in layout.tied.items():
    if copy in found.full_names:
      changed[found.full_names[copy]] = changed[found.full_names[source]]
  return {
    file: {name: changed.get(name, array) for name, array in inside.items()}
    for file, inside in weights.files.items()
  }


class _Found:
  """A checkpoint's tensors under the names of a layout.

  Attributes:
    full_names: {name in the layout: name in the checkpoint}.
  """

  def __init__(
    self, layout: Layout, weights: Weights, prefix: str | None
  ) -> None:
    self._layout, self._origin = layout, weights.origin
    self._tensors = weights.tensors
    expected = {place.name for place in layout.places.values()}
    inner = expected - set(layout.beside)
    modern = {_modern_name(name): name for name in self._tensors}
    if prefix is None:
      prefix = find_prefix(modern, inner, weights.origin)
    self.prefix = prefix
    self.full_names = {
      name.removeprefix(prefix): full
      for name, full in modern.items()
      if name.startswith(prefix)
    }
    # `model.` is the last word of `module.model.`.
    above = re.sub(r"[^.]+\.$", "", prefix)
    for name in layout.beside:
      if above + name in modern:
        self.full_names[name] = modern[above + name]

  def check_complete(self) -> None:
    """Raises UserError if a tensor is missing, or one is left over."""
    layout = self._layout
    expected = [place.name for place in layout.places.values()]
    missing = [name for name in expected if name not in self.full_names]
    if missing:
      under = f" under the prefix {self.prefix!r}" if self.prefix else ""
      adapters = any("lora_" in name for name in self._tensors)
      remedy = (
        "merge its adapters (`merge_and_unload` of peft) and save it again"
        if adapters
        else "take the weights that belong to config.json"
      )
      raise UserError(
        f"{self._origin} has no tensor {missing[0]!r}{under}; {remedy}"
      )
    for name in expected:
      full = self.full_names[name]
      weight_files.check_is_weight(full, self._tensors[full], self._origin)
    left_over = [
      name
      for name in self.full_names
      if re.match(layout.own, name)
      and not re.fullmatch(layout.buffers, name)
      and name not in {*expected, *layout.tied}
    ]
    if left_over:
      raise UserError(
        f"{self._origin} has a tensor {min(left_over)!r} that config.json does "
        "not provide for; take the config.json that belongs to the weights"
      )
    for copy, source in layout.tied.items():
      if copy in self.full_names and not np.array_equal(
        self._tensor(copy), self._tensor(source)
      ):
        raise UserError(
          f"{self._origin}: {copy!r} differs from {source!r}, config.json says "
          "they are one; set its tie_word_embeddings to false"
        )

  def leaf(self, path: str) -> np.ndarray:
    """Returns one leaf as our network has it, whatever its shape."""
    place = self._layout.places[path]
    array = _part(self._tensor(place.name), place)
    if array.ndim == 4:
      # A convolution over patches: [outputs, inputs, rows, columns].
      return array.transpose(2, 3, 1, 0).reshape(-1, len(array))
    if place.is_transposed:
      return array.T
    rank = len(self._layout.shapes[path])
    while array.ndim > rank and len(array) == 1:
      array = array[0]  # [CLS] and positions of a ViT have a batch axis.
    return array

  def _tensor(self, name: str) -> np.ndarray:
    return self._tensors[self.full_names[name]]


def find_prefix(
  names: Iterable[str], expected: Iterable[str], origin: str
) -> str:
  """Returns what the names of a network's tensors begin with in a checkpoint.

  >>> find_prefix(["model.a.weight", "head.weight"], ["a.weight"], "x")
  'model.'

  Args:
    names: of the tensors in the checkpoint.
    expected: names of the network's tensors.
    origin: what holds the checkpoint, for errors.

  Returns:
    The prefix under which all expected names are, or, if there is none, most.

  Raises:
    UserError: all are there several times.
  """
  found, wanted, counts = list(names), set(expected), dict[str, int]()
  for name in wanted:
    for full in found:
      before = full.removesuffix(name)
      if full.endswith(name) and (not before or before.endswith(".")):
        counts[before] = counts.get(before, 0) + 1
  complete = sorted(
    prefix for prefix, count in counts.items() if count == len(wanted)
  )
  if "" in complete:
    return ""
  if len(complete) > 1:
    raise UserError(
      f"{origin} holds the network several times, under "
      f"{' and '.join(map(repr, complete))}; say which one, such as "
      f"prefix={complete[0]!r}"
    )
  return max(sorted(counts), key=lambda prefix: counts[prefix], default="")


def _modern_name(name: str) -> str:
  module, _, leaf = _WRAPPERS.sub("", name).rpartition(".")
  return f"{module}.{_OLD_LEAF_NAMES.get(leaf, leaf)}" if module else leaf


def _part(array: np.ndarray, place: Place) -> np.ndarray:
  """Returns the view of a tensor that is one leaf."""
  number, count = place.part
  if count == 1:
    return array
  size = array.shape[-1] // count
  return array[..., number * size : (number + 1) * size]


def _put(tensor: np.ndarray, place: Place, leaf: np.ndarray) -> None:
  """Writes one leaf into a tensor, rounded to its dtype."""
  view = _part(tensor, place)
  if view.ndim == 4:
    outputs, inputs, rows, columns = view.shape
    whole = leaf.reshape(rows, columns, inputs, outputs)
    view[...] = whole.transpose(3, 2, 0, 1)
  elif place.is_transposed:
    view[...] = leaf.T
  else:
    view[...] = leaf.reshape(view.shape)
