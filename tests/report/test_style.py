"""Names keep their colours, and files their bytes."""

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from structcomp_jax.report import style


def test_names_without_a_colour_get_what_is_left_in_their_order():
  labels = style.Labels(colours={"b": style.PALETTE[1]})
  found = labels.colours_of("abcd")
  assert found["b"] == style.PALETTE[1]
  others = [found[name] for name in "acd"]
  assert others == [style.PALETTE[0], *style.PALETTE[2:4]]


def test_more_names_than_colours_are_grey():
  found = style.Labels().colours_of(map(str, range(10)))
  assert list(found.values())[-2:] == [style.GREY] * 2
  assert len(set(found.values())) == len(style.PALETTE) + 1


def test_base_seeds_have_markers():
  assert len({style.marker(seed) for seed in range(8)}) == 8
  assert style.marker("a uuid") == style.MARKERS[0]


def test_legend_names_colours_seeds_and_lines():
  figure = Figure()
  line = Line2D([], [], label="our mean")
  style.legend(figure, {"trained": "#000000"}, [0, 3], [line])
  texts = [text.get_text() for text in figure.legends[0].get_texts()]
  assert texts == ["trained", "base seed 0", "base seed 3", "our mean"]


def test_files_are_the_same_every_time():
  def draw():
    figure, axes = style.panels(1, 2, width=1, height=1)
    axes[0][1].plot([0, 1])
    return figure

  assert style.svg(draw()) == style.svg(draw())
  assert style.svg(draw()).startswith("<svg")
  assert style.png(draw()) == style.png(draw())
  assert style.png(draw()).startswith(b"\x89PNG")
