"""The part of a page that answers: one card per verdict."""

from collections.abc import Sequence

from structcomp_jax.report import markup
from structcomp_jax.report.grades import Comparison, Grade
from structcomp_jax.report.markup import escape

_GRADE_SIGNS = {
  Grade.CLEAR: '<span class="yes">\u2713 clear</span>',
  Grade.CONSISTENT: '<span class="yes">\u2713 consistent</span>',
  Grade.UNCLEAR: '<span class="unsure">? unclear</span>',
  Grade.OPPOSITE: '<span class="no">\u2717 opposite</span>',
}


def card(
  title: str,
  badge_html: str,
  sentence: str,
  *,
  notes: Sequence[str] = (),
  tests: str = "",
  fold: bool = False,
) -> str:
  """Returns one verdict with what supports it.

  Args:
    title: plain text, what the verdict is about.
    badge_html: its label, see `badge`.
    sentence: plain text.
    notes: plain texts, what limits the verdict.
    tests: HTML, the tests behind it.
    fold: show them on a click alone.
  """
  listed = "".join(f"<li>{escape(note)}</li>" for note in notes)
  return (
    f'<div class="card"><h3>{escape(title)} {badge_html}</h3>'
    f"<p>{escape(sentence)}</p>"
    + (f"<ul class='notes'>{listed}</ul>" if listed else "")
    + (markup.folded("The tests behind it", tests) if fold and tests else tests)
    + "</div>"
  )


def badge(label: str, kind: str) -> str:
  """Returns a coloured label.

  Args:
    label: plain text.
    kind: a class of `frame.html`: good, bad, middle or plain.
  """
  return f'<span class="badge {kind}">{escape(label)}</span>'


def grade_sign(compared: Comparison | None) -> str:
  """Returns the grade of a comparison, or a dash where there is none."""
  return markup.DASH if compared is None else _GRADE_SIGNS[compared.grade]
