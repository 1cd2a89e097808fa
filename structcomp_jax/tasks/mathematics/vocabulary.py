"""Characters as numbers.

The published system numbers the distinct characters of the whole archive, in an
order that nothing depends on. Here they are the 95 printable characters of
ASCII, in that order: the archive has no others, and a network does not depend
on which modules were looked at. The number behind them is the end of a text.
"""

from collections.abc import Iterable

import numpy as np

from structcomp_jax.types import UserError

CHARACTERS = "".join(map(chr, range(32, 127)))
EOS = len(CHARACTERS)
NUM_TOKENS = EOS + 1
PADDING = -1


def encode(texts: Iterable[str], length: int) -> np.ndarray:
  """Writes texts as numbers.

  >>> encode(["1+1"], length=5).tolist()
  [[17, 11, 17, 95, -1]]

  Args:
    texts: of printable ASCII characters.
    length: of every row; longer than the longest text.

  Returns:
    int8[texts, length]: characters, then EOS (95), then padding (-1).

  Raises:
    UserError: a text is too long, or has another character.
  """
  rows = []
  for text in texts:
    codes = np.frombuffer(text.encode("utf-8"), np.uint8)
    if len(codes) >= length:
      raise UserError(
        f"{text!r} has {len(codes)} characters, and its end is one more; use a"
        f" length of at least {len(codes) + 1}, not {length}"
      )
    row = np.full(length, PADDING, np.int8)
    row[: len(codes)] = codes - ord(CHARACTERS[0])
    row[len(codes)] = EOS
    rows.append(row)
  array = np.array(rows, np.int8).reshape(-1, length)
  # Bytes below 32 wrap around, those above 126 lie behind the vocabulary.
  is_known = (array >= PADDING) & (array < NUM_TOKENS)
  if not is_known.all() or (array == EOS).sum() != len(array):
    raise UserError(
      "a text has a character that is no printable one of ASCII; only those of"
      " DeepMind Mathematics can be read"
    )
  return array
