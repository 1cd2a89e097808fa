"""Tokenizers: ids, padding, round trips and errors."""

import numpy as np
import pytest

from structcomp_jax.models.pretrained import tokenizers
from structcomp_jax.types import UserError
from tests.models import checkpoints

WORDS = ["the", "duck", "ducks", "swims", "swim"]


@pytest.fixture
def tokenizer():
  return tokenizers.word_tokenizer(WORDS)


def test_word_ids_and_ends(tokenizer):
  encoded = tokenizers.encode(tokenizer, ["the ducks swim", "swims"])
  np.testing.assert_array_equal(
    encoded["token_ids"], [[2, 4, 6, 8, 3], [2, 7, 3, 0, 0]]
  )
  np.testing.assert_array_equal(
    encoded["attention_mask"], [[True] * 5, [True] * 3 + [False] * 2]
  )
  assert encoded["token_ids"].dtype == np.int32
  assert encoded["attention_mask"].dtype == bool
  assert tokenizers.vocabulary_size(tokenizer) == 9


@pytest.mark.parametrize("kind", ["text", "bytes", "objects", "byte objects"])
def test_any_leading_shape_and_text_type(tokenizer, kind):
  sentences = np.array(
    [["the duck swims", "swim", "duck", "the duck swims"]] * 3
  )
  given = {
    "text": sentences,
    "bytes": np.char.encode(sentences),
    "objects": sentences.astype(object),
    "byte objects": np.char.encode(sentences).astype(object),
  }[kind]
  encoded = tokenizers.encode(tokenizer, given)
  assert encoded["token_ids"].shape == (3, 4, 5)
  for index in np.ndindex(3, 4):
    alone = tokenizers.encode(tokenizer, [sentences[index]], length=5)
    np.testing.assert_array_equal(
      encoded["token_ids"][index], alone["token_ids"][0]
    )


def test_length_pads_further_and_changes_no_token(tokenizer):
  sentences = ["the duck swims", "swim"]
  short = tokenizers.encode(tokenizer, sentences)
  long = tokenizers.encode(tokenizer, sentences, length=50)
  for name, fill in (("token_ids", 0), ("attention_mask", False)):
    assert long[name].shape == (2, 50)
    np.testing.assert_array_equal(long[name][:, :5], short[name])
    assert (long[name][:, 5:] == fill).all()


@pytest.mark.parametrize(
  ("sentences", "length", "message"),
  [
    (["the dog swims"], None, "not know the word 'dog' in 'the dog swims'"),
    (["The duck"], None, "not know the word 'The'"),
    (["swim", "the duck swims"], 4, "'the duck swims' has 5 tokens.*length 4"),
    ([1, 2], None, "dtype int64"),
  ],
)
def test_encode_refuses(tokenizer, sentences, length, message):
  with pytest.raises(UserError, match=message):
    tokenizers.encode(tokenizer, sentences, length=length)


@pytest.mark.parametrize(
  "words", [["a b"], [""], ["[CLS]"], ["duck", "duck"], [" duck"]]
)
def test_word_tokenizer_refuses(words):
  with pytest.raises(UserError, match="give distinct words"):
    tokenizers.word_tokenizer(words)


def test_save_and_load_give_the_same_ids(tokenizer, tmp_path):
  path = tmp_path / "tokenizer.json"
  tokenizers.save(tokenizer, path)
  loaded = tokenizers.load(path)
  sentences = ["the ducks swim", "duck"]
  np.testing.assert_array_equal(
    tokenizers.encode(loaded, sentences)["token_ids"],
    tokenizers.encode(tokenizer, sentences)["token_ids"],
  )
  with pytest.raises(UserError, match="'dog'"):
    tokenizers.encode(loaded, ["dog"])


def test_load_removes_padding_and_truncation(tokenizer, tmp_path):
  tokenizer.enable_padding(length=30)
  tokenizer.enable_truncation(max_length=4)
  with pytest.raises(UserError, match="pads or truncates"):
    tokenizers.encode(tokenizer, ["duck"])
  tokenizers.save(tokenizer, tmp_path / "tokenizer.json")
  loaded = tokenizers.load(tmp_path / "tokenizer.json")
  encoded = tokenizers.encode(loaded, ["the duck swims"])
  np.testing.assert_array_equal(encoded["token_ids"], [[2, 4, 5, 7, 3]])


def test_load_refuses(tmp_path):
  with pytest.raises(UserError, match="cannot read"):
    tokenizers.load(tmp_path / "absent.json")
  (tmp_path / "torn.json").write_text('{"model": ')
  with pytest.raises(UserError, match=r"not a tokenizer\.json"):
    tokenizers.load(tmp_path / "torn.json")


def test_save_refuses_a_missing_directory(tokenizer, tmp_path):
  with pytest.raises(UserError, match="cannot write"):
    tokenizers.save(tokenizer, tmp_path / "absent" / "tokenizer.json")


@pytest.mark.parametrize("vocab_size", [9, 10, 9 + 128, 9 + 1024])
def test_fitting_model(tokenizer, vocab_size):
  tokenizers.check_fits(tokenizer, vocab_size)


@pytest.mark.parametrize("vocab_size", [8, 9 + 1025, 30522])
def test_tokenizer_of_another_model(tokenizer, vocab_size):
  message = f"has 9 ids, the model's vocab_size is {vocab_size}"
  with pytest.raises(UserError, match=message):
    tokenizers.check_fits(tokenizer, vocab_size)


def test_tokenizer_without_special_tokens(tmp_path):
  (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\nduck\n")
  with pytest.raises(UserError, match=r"vocab.txt has no \[CLS\] \[SEP\]"):
    tokenizers.wordpiece_tokenizer(tmp_path / "vocab.txt")


@pytest.mark.parametrize(
  ("lowercase", "expected"), [(True, [2, 4, 5, 3]), (False, None)]
)
def test_wordpiece_splits_and_lowers_case(tmp_path, lowercase, expected):
  pieces = [*checkpoints.SPECIAL, "swim", "##s", "duck"]
  (tmp_path / "vocab.txt").write_text("\n".join(pieces) + "\n")
  tokenizer = tokenizers.wordpiece_tokenizer(
    tmp_path / "vocab.txt", lowercase=lowercase
  )
  if expected is None:
    with pytest.raises(UserError, match="the word 'Swims'"):
      tokenizers.encode(tokenizer, ["Swims"])
  else:
    encoded = tokenizers.encode(tokenizer, ["Swims"])
    np.testing.assert_array_equal(encoded["token_ids"], [expected])


def _vocabulary(directory, *tokens):
  path = directory / "vocab.txt"
  lines = [*checkpoints.SPECIAL, *tokens]
  path.write_text("\n".join(lines) + "\n", encoding="utf-8")
  return path


def test_separators_of_unicode_are_entries_not_line_ends(tmp_path):
  path = _vocabulary(tmp_path, "\u2028", "\x85", "cat")
  assert tokenizers.wordpiece_tokenizer(path).token_to_id("cat") == 6


@pytest.mark.parametrize(
  ("tokens", "options", "text"),
  [
    (["Cat", "cat"], {}, "Cat"),  # As bert-base-cased has them.
    (["Cat", "cat"], {"lowercase": True}, "cat"),
    (["[UNUSED]", "<S>", "cat"], {}, "cat"),
    (["Öl", "Cat"], {}, "Öl"),
    (["ol", "cat"], {}, "ol"),
    (["öl", "cat"], {"strip_accents": False}, "öl"),
  ],
)
def test_capitals_and_accents_of_a_vocabulary(tmp_path, tokens, options, text):
  path = _vocabulary(tmp_path, *tokens)
  tokenizer = tokenizers.wordpiece_tokenizer(path, **options)
  given = {"cat": "Cat", "ol": "Öl", "öl": "Öl"}.get(text, text)
  assert tokenizer.encode(given).tokens == ["[CLS]", text, "[SEP]"]


def test_chinese_characters_may_stay_together(tmp_path):
  path = _vocabulary(tmp_path, "中文", "中", "文")
  for split, expected in ((True, ["中", "文"]), (False, ["中文"])):
    tokenizer = tokenizers.wordpiece_tokenizer(path, split_chinese=split)
    assert tokenizer.encode("中文").tokens[1:-1] == expected
