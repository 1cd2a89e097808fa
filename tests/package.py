"""The modules of the package that is tested: a checkout's, or a wheel's."""

import pkgutil

import structcomp_jax

# In a wheel they lie in the package, and beside these tests once more; a
# process that imports both defines every flag twice.
_BESIDE = ("structcomp_jax.launch", "structcomp_jax.configs")


def module_names():
  """Returns the full names of all modules and packages, but launch scripts."""
  return [
    module.name
    for module in pkgutil.walk_packages(
      structcomp_jax.__path__, "structcomp_jax."
    )
    if not f"{module.name}.".startswith(tuple(f"{one}." for one in _BESIDE))
  ]
