"""How figures look: style, colours, markers, panels, legend, files.

Every drawing function returns a Matplotlib `Figure` and touches no global
state. Colour is the kind of network (the Okabe-Ito palette, safe for
colour-blind readers), the shape of a marker is the base network, so that no
reading depends on colour alone.
"""

import contextlib
import dataclasses
import functools
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ParamSpec

import matplotlib
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

PALETTE = (
  "#0072B2",
  "#E69F00",
  "#009E73",
  "#D55E00",
  "#CC79A7",
  "#56B4E9",
  "#332288",
  "#882255",
)
GREY = "#8C8C8C"
MARKERS = "os^DvPX*"
_Arguments = ParamSpec("_Arguments")
_STYLE: dict[Any, Any] = {
  "font.size": 10,
  "font.family": "DejaVu Sans",
  "axes.spines.top": False,
  "axes.spines.right": False,
  "axes.titlesize": 11,
  "axes.titleweight": "bold",
  "axes.titlelocation": "left",
  "axes.edgecolor": "#666666",
  "axes.grid": True,
  "axes.axisbelow": True,
  "grid.color": "#E6E6E6",
  "legend.frameon": False,
  "svg.fonttype": "none",
  # Equal data give equal bytes.
  "svg.hashsalt": "structcomp_jax",
}


@dataclasses.dataclass(frozen=True)
class Labels:
  """What a page calls things, and the colours it gives them.

  Attributes:
    words: {name in the tables: what a reader sees}.
    colours: {name in the tables: colour}.
  """

  words: Mapping[str, str] = dataclasses.field(default_factory=dict)
  colours: Mapping[str, str] = dataclasses.field(default_factory=dict)

  def name(self, name: str) -> str:
    """Returns a name in words; itself where there are none for it.

    >>> Labels({"scratch": "trained from scratch"}).name("scratch")
    'trained from scratch'
    """
    return self.words.get(name, name)

  def colours_of(self, names: Iterable[str]) -> dict[str, str]:
    """Returns {name: colour}, all different while the palette lasts.

    Names without a colour get what is left of `PALETTE`, in their order.

    >>> Labels(colours={"a": PALETTE[0]}).colours_of(["b", "a"])
    {'b': '#E69F00', 'a': '#0072B2'}
    """
    given = set(self.colours.values())
    spare = [colour for colour in PALETTE if colour not in given]
    found: dict[str, str] = {}
    for name in names:
      if name in self.colours:
        found[name] = self.colours[name]
      else:
        found[name] = spare.pop(0) if spare else GREY
    return found


def styled(draw: Callable[_Arguments, Figure]) -> Callable[_Arguments, Figure]:
  """Runs a drawing function under the common style."""

  @functools.wraps(draw)
  def run(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> Figure:
    with matplotlib.rc_context(_STYLE):
      return draw(*args, **kwargs)

  return run


def svg(figure: Figure) -> str:
  """Returns a figure as an SVG element without XML header or date."""
  buffer = io.StringIO()
  with matplotlib.rc_context(_STYLE):
    figure.savefig(
      buffer, format="svg", metadata={"Date": None}, bbox_inches="tight"
    )
  text = buffer.getvalue()
  return text[text.index("<svg") :]


def png(figure: Figure) -> bytes:
  """Returns a figure as a PNG file, 150 dots per inch, on white."""
  buffer = io.BytesIO()
  with matplotlib.rc_context(_STYLE):
    figure.savefig(
      buffer,
      format="png",
      dpi=150,
      metadata={"Software": None},
      bbox_inches="tight",
    )
  return buffer.getvalue()


def panels(
  lines: int, columns: int, *, width: float, height: float, **kwargs: Any
) -> tuple[Figure, Any]:
  """Returns a figure and its axes [lines][columns]; sizes are per panel."""
  figure = Figure(figsize=(width * columns, height * lines), layout="tight")
  return figure, figure.subplots(lines, columns, squeeze=False, **kwargs)


def marker(seed: Any) -> str:
  """Returns the marker of a base seed.

  >>> marker(0), marker(8), marker("no number")
  ('o', 'o', 'o')
  """
  with contextlib.suppress(ValueError, TypeError):
    return MARKERS[int(seed) % len(MARKERS)]
  return MARKERS[0]


def legend(
  figure: Figure,
  colours: Mapping[str, str],
  base_seeds: Iterable[Any] = (),
  lines: Sequence[Line2D] = (),
) -> None:
  """Adds one legend under the panels.

  Args:
    figure: the figure.
    colours: {words: colour} of the kinds of networks.
    base_seeds: base networks whose markers are shown.
    lines: further handles with labels of their own.
  """
  handles = [
    Line2D([], [], color=colour, marker="o", linestyle="", label=words)
    for words, colour in colours.items()
  ]
  handles += [
    Line2D(
      [],
      [],
      color="#444444",
      marker=marker(seed),
      linestyle="",
      markerfacecolor="none",
      label=f"base seed {seed}",
    )
    for seed in base_seeds
  ]
  figure.legend(
    handles=[*handles, *lines],
    loc="upper center",
    bbox_to_anchor=(0.5, 0.0),
    ncols=4,
    fontsize=9,
  )
