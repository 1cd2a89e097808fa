"""Characters as numbers."""

import numpy as np
import pytest

from structcomp_jax.tasks.mathematics import CHARACTERS, NUM_TOKENS, encode
from structcomp_jax.tasks.mathematics.vocabulary import EOS, PADDING
from structcomp_jax.types import UserError


def test_every_printable_character_has_a_number():
  assert len(set(CHARACTERS)) == 95
  assert (EOS, PADDING, NUM_TOKENS) == (95, -1, 96)
  assert CHARACTERS[0] == " "
  assert CHARACTERS[-1] == "~"
  found = encode([CHARACTERS], 97)
  assert found.dtype == np.int8
  assert found.tolist() == [[*range(95), 95, -1]]


def test_texts_can_be_read_back():
  texts = ["What is -1.5?", "", "3*x**2"]
  for text, row in zip(texts, encode(texts, 20), strict=True):
    length = row.tolist().index(EOS)
    assert "".join(CHARACTERS[one] for one in row[:length]) == text
    assert set(row[length + 1 :]) == {PADDING}
  assert encode([], 4).shape == (0, 4)


def test_long_texts_are_refused():
  assert encode(["abc"], 4).shape == (1, 4)
  with pytest.raises(UserError, match="length of at least 5, not 4"):
    encode(["abcd"], 4)


@pytest.mark.parametrize("text", ["a\tb", "é", "a\x7f", "π"])
def test_other_characters_are_refused(text):
  with pytest.raises(UserError, match="no printable one of ASCII"):
    encode(["ab", text], 8)
