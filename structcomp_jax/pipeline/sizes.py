"""The section `model` of a config as the sizes of a network."""

from collections.abc import Callable
from typing import Any

from ml_collections import ConfigDict

from structcomp_jax import types
from structcomp_jax.pipeline import checks


def make_sizes(
  model: ConfigDict, config_class: Callable[..., Any], **fields: Any
) -> Any:
  """Returns the sizes of a network as its own config.

  Args:
    model: the section of the experiment's config; its `sizes` are fields.
    config_class: class of the network's config.
    **fields: further fields, which follow from something else.

  Raises:
    UserError: the sizes fit nothing, or are those of another family.
  """
  with checks.section("model"):
    try:
      return config_class(**fields, **model.sizes)
    except TypeError as error:
      raise types.UserError(
        f"model.sizes does not describe a {model.family} ({error}); "
        "start from a variant of that family"
      ) from error
