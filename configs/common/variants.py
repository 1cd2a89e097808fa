"""How a config file finds the variant it is asked for."""


def choose(variants, variant):
  """Returns the changes of one variant, `variants[variant]`.

  Raises:
    ValueError: there is no such variant.
  """
  if variant not in variants:
    raise ValueError(
      f"unknown variant {variant!r}; choose one of {', '.join(variants)}"
    )
  return variants[variant]
