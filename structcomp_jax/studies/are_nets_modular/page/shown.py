"""A figure with its caption, and the table behind it."""

from matplotlib.figure import Figure

from structcomp_jax.report import markup
from structcomp_jax.studies.are_nets_modular.page import wording


def shown(drawing: Figure, name: str, table: str, description: str) -> str:
  """Returns a figure with its caption, and the table behind it.

  Args:
    drawing: the figure.
    name: of its caption, a key of `wording.CAPTIONS`.
    table: HTML, or "".
    description: for those who cannot see it.
  """
  return markup.figure(drawing, wording.CAPTIONS[name], description) + (
    markup.folded("The numbers", table) if table else ""
  )
