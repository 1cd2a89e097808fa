"""Paragraphs hold what is known, and say nothing of what is not."""

import types

import pandas as pd
import pytest

from structcomp_jax.report import methods


def test_sentences_without_their_numbers_are_left_out():
  templates = [
    "{experiment}.",
    "{search[steps]:,} steps at {search[rate]}.",
    "{search[batch]} each.",
    "{training[steps]} steps.",
    "{nothing}?",
    "Penalties {search[penalties]}.",
  ]
  values = {
    "experiment": "sv",
    "search": {"steps": 20_000, "rate": 1e-8, "penalties": [0.5, 0.25, 1.0]},
    "nothing": None,
  }
  assert methods.paragraph(templates, values) == (
    "sv. 20,000 steps at 1e-08. Penalties 0.5, 0.25 and 1."
  )
  assert methods.paragraph(templates, {}) == ""


def test_software_names_what_is_known():
  def words(**versions):
    return methods.software(types.SimpleNamespace(versions=versions))

  assert words() == words(python="3.11") == ""
  assert words(
    jax="0.10", commit="abc", structcomp_jax="0.1", python="3.11", devices="1 x"
  ) == (
    "All was computed with structcomp_jax 0.1 (commit abc) on JAX 0.10 and"
    " Python 3.11, on 1 x."
  )
  assert words(jax="0.10", commit="unknown") == (
    "All was computed with structcomp_jax on JAX 0.10."
  )


@pytest.mark.parametrize(
  ("numbers", "expected"),
  [
    ([2, 2], "2"),
    ([0.5, 1e-8], "1e-08 to 0.5"),
    ([300, 12_779_520], "300 to 12,779,520"),
  ],
)
def test_spans(numbers, expected):
  assert methods.span(pd.Series(numbers)) == expected
  assert methods.span(pd.Series([*numbers, float("nan")])) == expected


def test_the_paragraph_is_text_and_the_references_follow():
  html = methods.section(["a < b", "", "c"], ["R & S"], "for you")
  assert html == (
    "<p><small>for you</small></p><blockquote><p>a &lt; b</p><p>c</p>"
    "</blockquote><ul><li>R &amp; S</li></ul>"
  )
