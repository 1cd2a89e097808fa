"""What the TFDS builders of odd-one-out problems share."""

import abc

import tensorflow_datasets as tfds

from structcomp_jax.tasks.builders import ProblemsBuilder
from structcomp_jax.tasks.odd_one_out import names

# The paper in whose experiments both builders' problems are used.
CITATION = """\
@article{lepori2023break,
  title={Break It Down: Evidence for Structural Compositionality in Neural
    Networks},
  author={Lepori, Michael A. and Serre, Thomas and Pavlick, Ellie},
  journal={arXiv preprint arXiv:2301.10884},
  year={2023},
}
"""


def builder_configs(family: names.Family) -> list[tfds.core.BuilderConfig]:
  """Returns one config for each data set of a family."""
  return [
    tfds.core.BuilderConfig(
      name=config,
      description=f"Experiment {name.experiment}, data set {name.role}, "
      f"{name.policy} policy.",
    )
    for config, name in family.dataset_names.items()
  ]


class OddOneOutBuilder(
  ProblemsBuilder,
  abc.ABC,
  skip_registration=True,  # type: ignore[call-arg]  # TFDS has no types.
):
  """Stores the odd-one-out problems of one family, the odd item last.

  A subclass sets VERSION, BUILDER_CONFIGS (with `builder_configs`), FAMILY
  and DESCRIPTION and defines `feature`, `available_problems` and
  `make_problems`.
  """

  FAMILY: names.Family
  CITATION = CITATION

  @property
  def dataset_name(self) -> names.DatasetName:
    """Experiment, role and policy of the data set that is built."""
    return self.FAMILY.dataset_names[self.builder_config.name]
