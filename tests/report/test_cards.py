"""A card shows a verdict as it is, whatever stands in it."""

import pytest

from structcomp_jax.report import cards, markup
from structcomp_jax.report.grades import Comparison, Grade


def test_texts_are_escaped_and_html_is_not():
  badge = cards.badge("a < b", "good")
  text = cards.card("x & y", badge, "1 < 2", notes=["<note>"], tests="<b>t</b>")
  for part in (
    "x &amp; y",
    '<span class="badge good">a &lt; b</span>',
    "1 &lt; 2",
    "<li>&lt;note&gt;</li>",
    "<b>t</b>",
  ):
    assert part in text
  assert "details" not in text


def test_tests_may_be_folded():
  folded = cards.card("x", "", "y", tests="<b>t</b>", fold=True)
  assert "<details>" in folded
  assert "<details>" not in cards.card("x", "", "y", fold=True)


@pytest.mark.parametrize("grade", list(Grade))
def test_every_grade_has_a_sign(grade):
  assert grade.name.lower() in cards.grade_sign(Comparison(grade, None))
  assert cards.grade_sign(None) == markup.DASH
