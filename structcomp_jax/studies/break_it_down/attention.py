"""Where the attention heads of an experiment's network lie."""

from collections.abc import Iterable, Mapping
from typing import Any

from structcomp_jax.models.layers import transformer
from structcomp_jax.models.pretrained import hugging_face
from structcomp_jax.structure.anatomy import Heads
from structcomp_jax.studies.break_it_down import language
from structcomp_jax.types import UserError


def heads(model: Mapping[str, Any], paths: Iterable[str]) -> list[Heads]:
  """Returns the heads in some weights of a network.

  Args:
    model: the section `model` of a config.
    paths: of the weights.

  Returns:
    One entry per attention; none where the network has no heads, or where
    their number is that of a checkpoint which is no longer there.
  """
  count = num_heads(model)
  if count is None:
    return []
  layers = transformer.head_axes(paths)
  return [Heads(place, count, axes) for place, axes in layers.items()]


def num_heads(model: Mapping[str, Any]) -> int | None:
  """Returns the heads of every attention; None: there are none, or unknown.

  Args:
    model: the section `model` of a config. The sizes of a checkpoint are its
      own, whatever the config says.
  """
  checkpoint = model.get("checkpoint")
  if not checkpoint:
    return model.get("sizes", {}).get("num_heads")
  try:
    directory = language.checkpoint_directory(model["family"], checkpoint)
    return hugging_face.read_sizes(directory).num_heads
  except UserError:
    return None
