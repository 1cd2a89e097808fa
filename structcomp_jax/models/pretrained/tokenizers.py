"""Sentences to token ids, on the `tokenizers` library.

A tokenizer is a `tokenizers.Tokenizer` that adds [CLS] and [SEP] and neither
pads nor truncates: `encode` pads, and nothing is ever cut off. `save` and
`load` use the library's own `tokenizer.json`.
"""

import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from tokenizers.processors import BertProcessing

from structcomp_jax.types import UserError, one_line

PAD, UNKNOWN, FIRST, LAST = "[PAD]", "[UNK]", "[CLS]", "[SEP]"
SPECIAL_TOKENS = (PAD, UNKNOWN, FIRST, LAST)
# A model may have so many embedding rows without a token, or as many as it has
# tokens. Published ones have up to a few hundred.
_MOST_SPARE_ROWS = 1024


def word_tokenizer(words: Iterable[str]) -> Tokenizer:
  """Returns a tokenizer with one id per word.

  Ids: [PAD] 0, [UNK] 1, [CLS] 2, [SEP] 3, then the words in the given order.
  Sentences are split at white space; case matters.

  Args:
    words: distinct, without white space.

  Raises:
    UserError: a word is empty, repeated, reserved or has white space in it.

  >>> word_tokenizer(["ducks", "swim"]).encode("ducks swim").ids
  [2, 4, 5, 3]
  """
  vocabulary = {token: index for index, token in enumerate(SPECIAL_TOKENS)}
  for word in words:
    if word in vocabulary or word.split() != [word]:
      raise UserError(
        f"word tokenizer: cannot add {word!r}; give distinct words without "
        f"white space, other than {' '.join(SPECIAL_TOKENS)}"
      )
    vocabulary[word] = len(vocabulary)
  tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
  tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
  return _with_ends(tokenizer)


def wordpiece_tokenizer(
  vocabulary_file: str | os.PathLike[str],
  *,
  lowercase: bool | None = None,
  strip_accents: bool | None = None,
  split_chinese: bool = True,
) -> Tokenizer:
  """Returns BERT's tokenizer for a `vocab.txt`, one token per line.

  Args:
    vocabulary_file: its path.
    lowercase: whether text is lower-cased first. None: unless the vocabulary
      has words with capitals, which would never be found then.
    strip_accents: whether accents are removed; None: where text is lower-cased.
    split_chinese: whether every Chinese character is a word of its own.

  Raises:
    UserError: the file is missing or lacks a special token.
  """
  path = pathlib.Path(vocabulary_file)
  try:
    text = path.read_text(encoding="utf-8")
  except (OSError, UnicodeDecodeError) as error:
    raise UserError(
      f"cannot read {path}: {one_line(error)}; give a vocab.txt"
    ) from error
  # `splitlines` would also split at U+2028 and others, which may be tokens.
  tokens = text.removesuffix("\n").split("\n")
  vocabulary = {token: index for index, token in enumerate(tokens)}
  tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=UNKNOWN))
  _check_special_tokens(tokenizer, f"{path}")
  tokenizer.normalizer = normalizers.BertNormalizer(
    lowercase=not _has_capitals(tokens) if lowercase is None else lowercase,
    strip_accents=strip_accents,
    handle_chinese_chars=split_chinese,
  )
  tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
  return _with_ends(tokenizer)


def _has_capitals(tokens: Iterable[str]) -> bool:
  """Returns whether a word has capitals; marks such as [CLS] are no words."""
  return any(
    token != token.lower() and not token.startswith(("[", "<"))
    for token in tokens
  )


def _with_ends(tokenizer: Tokenizer) -> Tokenizer:
  ids = tokenizer.get_vocab()
  tokenizer.post_processor = BertProcessing(
    (LAST, ids[LAST]), (FIRST, ids[FIRST])
  )
  return tokenizer


def encode(
  tokenizer: Tokenizer, sentences: Any, *, length: int | None = None
) -> dict[str, np.ndarray]:
  """Returns `[CLS] ... [SEP]` ids, padded on the right.

  Args:
    tokenizer: from this module.
    sentences: array or nested sequence of str or UTF-8 bytes, any shape.
    length: tokens per row of the result; None means those of the longest
      sentence.

  Returns:
    {"token_ids": i32[..., length], "attention_mask": bool[..., length]},
    the mask true at real tokens.

  Raises:
    UserError: a word is unknown, a sentence is longer than `length`, or the
      tokenizer pads or truncates by itself.
  """
  if tokenizer.padding or tokenizer.truncation:
    raise UserError(
      "the tokenizer pads or truncates by itself; "
      "call its no_padding() and no_truncation() first"
    )
  sentences = _as_text(sentences)
  # Sentences occur many times in a data set; each is tokenized once.
  distinct, row = np.unique(sentences, return_inverse=True)
  encodings = tokenizer.encode_batch(distinct.tolist())
  rows = [encoding.ids for encoding in encodings]
  for sentence, encoding in zip(distinct, encodings, strict=True):
    _check_known(tokenizer, str(sentence), encoding)
  longest = max(map(len, rows), default=0)
  if length is None:
    length = longest
  if longest > length:
    sentence = str(distinct[[len(ids) for ids in rows].index(longest)])
    raise UserError(
      f"sentence {sentence!r} has {longest} tokens, more than length "
      f"{length}; set length to at least {longest}"
    )
  token_ids = np.full(
    (len(rows), length), tokenizer.token_to_id(PAD) or 0, np.int32
  )
  for index, ids in enumerate(rows):
    token_ids[index, : len(ids)] = ids
  num_tokens = np.array([len(ids) for ids in rows], np.int32)
  mask = np.arange(length) < num_tokens[:, None]
  row = row.reshape(sentences.shape)
  return {"token_ids": token_ids[row], "attention_mask": mask[row]}


def _as_text(sentences: Any) -> np.ndarray:
  array = np.asarray(sentences)
  if array.dtype.kind == "S":
    return np.char.decode(array, "utf-8")
  if array.dtype.kind == "O":  # as read from a data set
    texts = [
      text.decode("utf-8") if isinstance(text, bytes) else text
      for text in array.ravel()
    ]
    array = np.array(texts, dtype=np.str_).reshape(array.shape)
  if array.dtype.kind != "U":
    raise UserError(
      f"sentences have dtype {array.dtype}; give an array of texts"
    )
  return array


def _check_known(tokenizer: Tokenizer, sentence: str, encoding: Any) -> None:
  unknown = tokenizer.token_to_id(UNKNOWN)
  if unknown in encoding.ids:
    start, stop = encoding.offsets[encoding.ids.index(unknown)]
    raise UserError(
      f"the tokenizer does not know the word {sentence[start:stop]!r} in "
      f"{sentence!r}; use the tokenizer made for these sentences"
    )


def vocabulary_size(tokenizer: Tokenizer) -> int:
  """Returns the number of ids a model needs: the largest one plus 1."""
  ids = tokenizer.get_vocab(with_added_tokens=True).values()
  return max(ids, default=-1) + 1


def check_fits(tokenizer: Tokenizer, vocab_size: int) -> None:
  """Checks that a tokenizer can belong to a model with `vocab_size` ids.

  A model may have more rows than the tokenizer has ids: numbers of rows are
  rounded up, and some are kept for later.

  Raises:
    UserError: [PAD], [UNK], [CLS] or [SEP] is missing, the tokenizer has more
      ids than the model, or so few that it must be that of another one.
  """
  _check_special_tokens(tokenizer, "the tokenizer")
  size = vocabulary_size(tokenizer)
  if not 0 <= vocab_size - size <= max(_MOST_SPARE_ROWS, size):
    raise UserError(
      f"the tokenizer has {size} ids, the model's vocab_size is {vocab_size}; "
      "use the tokenizer that the model was trained with"
    )


def _check_special_tokens(tokenizer: Tokenizer, name: str) -> None:
  vocabulary: Mapping[str, int] = tokenizer.get_vocab()
  missing = [token for token in SPECIAL_TOKENS if token not in vocabulary]
  if missing:
    raise UserError(
      f"{name} has no {' '.join(missing)}; use the tokenizer of a BERT model"
    )


def save(tokenizer: Tokenizer, path: str | os.PathLike[str]) -> None:
  """Writes a `tokenizer.json`.

  Raises:
    UserError: the file cannot be written.
  """
  try:
    pathlib.Path(path).write_text(tokenizer.to_str(), encoding="utf-8")
  except OSError as error:
    raise UserError(
      f"cannot write {path}: {error.strerror}; choose a writable directory"
    ) from error


def load(path: str | os.PathLike[str]) -> Tokenizer:
  """Reads a `tokenizer.json`, without its padding and truncation.

  Raises:
    UserError: the file is missing, damaged or lacks a special token.
  """
  try:
    text = pathlib.Path(path).read_text(encoding="utf-8")
  except (OSError, UnicodeDecodeError) as error:
    raise UserError(
      f"cannot read {path}: {error}; give the tokenizer.json of the model"
    ) from error
  try:
    tokenizer = Tokenizer.from_str(text)
  except Exception as error:  # the library raises no narrower class
    raise UserError(
      f"{path} is not a tokenizer.json ({error}); write it again"
    ) from error
  _check_special_tokens(tokenizer, f"{path}")
  tokenizer.no_padding()
  tokenizer.no_truncation()
  return tokenizer
