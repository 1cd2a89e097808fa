"""The wheel holds the launch scripts and configs, inside of the package.

In a checkout they lie beside it. All else is said in pyproject.toml.
"""

import warnings

from setuptools import find_packages, setup

# Of an editable installation it warns that a folder named like the package may
# hide it, which is the case in a checkout, and meant.
warnings.filterwarnings("ignore", r"\s*Editable installation")
BESIDE = ("launch", "configs")
setup(
  packages=[
    *find_packages(include=["structcomp_jax*"]),
    *(
      f"structcomp_jax.{name}"
      for name in find_packages(include=[f"{one}*" for one in BESIDE])
    ),
  ],
  package_dir={f"structcomp_jax.{one}": one for one in BESIDE},
)
