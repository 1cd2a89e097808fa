import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import chex
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax.io import checkpoints
from structcomp_jax.types import UserError


@flax.struct.dataclass
class State:
  step: jax.Array
  mask_logits: dict
  opt_state: tuple


def make_state(value=0.0):
  rng = np.random.default_rng(0)
  return State(
    step=jnp.int32(7),
    mask_logits={
      # Neither `/` nor `.` nor `..` in a name may reach the file system.
      "layer_0/query/kernel": rng.standard_normal((2, 3, 4), np.float32),
      "../b.c": jnp.full((5,), value, jnp.float32),
    },
    opt_state=(
      jnp.array([1.5, -0.0, np.nan, np.inf], jnp.bfloat16),
      np.zeros((0, 3), np.float32),
      np.array([True, False]),
      jax.random.key_data(jax.random.key(3)),
      {},
    ),
  )


def restore(directory, state=None, **options):
  state = make_state() if state is None else state
  abstract = jax.eval_shape(lambda: jax.tree.map(jnp.asarray, state))
  return checkpoints.restore(directory, abstract, **options)


def assert_same_bits(a, b):
  chex.assert_trees_all_equal_structs(a, b)
  chex.assert_trees_all_equal_shapes_and_dtypes(a, b)
  for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
    assert np.asarray(x).tobytes() == np.asarray(y).tobytes()


def files_of(directory):
  return sorted(path for path in directory.rglob("*") if path.is_file())


def test_round_trip_is_bit_identical(tmp_path):
  metadata = {"fingerprint": "abc", "paths": ["a"], "nested": {"x": 0.1}}
  checkpoints.save(tmp_path / "new" / "dir", 7, make_state(), metadata)
  step, state, read = restore(tmp_path / "new" / "dir", fingerprint="abc")
  assert (step, read) == (7, metadata)
  assert_same_bits(state, make_state())


def test_nothing_saved_is_none_and_makes_no_directory(tmp_path):
  assert restore(tmp_path / "w") is None
  assert not (tmp_path / "w").exists()
  assert restore(tmp_path) is None


def test_the_newest_of_several_is_read(tmp_path):
  """A kill after a save may leave the one before; number 10 is newer than 9."""
  for step in range(11):
    checkpoints.save(tmp_path, step, make_state(step), {"step": step})
    if step == 9:
      shutil.copytree(tmp_path / "9", tmp_path.with_name("kept"))
  shutil.copytree(tmp_path.with_name("kept"), tmp_path / "9")
  step, state, metadata = restore(tmp_path)
  assert (step, metadata) == (10, {"step": 10})
  assert_same_bits(state, make_state(10))


def test_only_the_latest_is_kept_also_for_a_repeated_step(tmp_path):
  for step, value in [(10, 1.0), (20, 2.0), (20, 3.0), (15, 4.0)]:
    checkpoints.save(tmp_path, step, make_state(value), {"value": value})
    read_step, state, metadata = restore(tmp_path)
    assert (read_step, metadata) == (step, {"value": value})
    assert_same_bits(state, make_state(value))
    assert len(list(tmp_path.iterdir())) == 1


def test_files_beside_the_checkpoint_are_left_alone(tmp_path):
  (tmp_path / "metrics.jsonl").write_text("{}\n")
  (tmp_path / "DONE").write_text("{}")
  checkpoints.save(tmp_path, 1, make_state(), {})
  checkpoints.save(tmp_path, 2, make_state(), {})
  assert restore(tmp_path)[0] == 2
  assert (tmp_path / "metrics.jsonl").read_text() == "{}\n"
  assert (tmp_path / "DONE").exists()


@pytest.mark.parametrize("tree", [{}, {"a": np.zeros((0,), np.float32)}])
def test_tree_without_numbers(tmp_path, tree):
  checkpoints.save(tmp_path, 1, tree, {})
  assert_same_bits(restore(tmp_path, tree)[1], tree)


def test_restore_changes_no_file(tmp_path):
  checkpoints.save(tmp_path, 1, make_state(), {})
  (tmp_path / "1.orbax-checkpoint-tmp").mkdir()
  before = [(path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*")]
  assert restore(tmp_path)[0] == 1
  after = [(path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*")]
  assert before == after


def test_leftovers_are_ignored_and_go_with_the_next_save(tmp_path):
  leftover = tmp_path / "0.orbax-checkpoint-tmp"
  leftover.mkdir()
  assert restore(tmp_path) is None
  checkpoints.save(tmp_path, 1, make_state(), {})
  assert not leftover.exists()
  assert restore(tmp_path)[0] == 1


@pytest.mark.parametrize(
  ("change", "cause"),
  [
    (lambda s: s.replace(step=jnp.float32(7)), r"step is int32\[\] there"),
    (
      lambda s: s.replace(mask_logits={**s.mask_logits, "new": np.zeros(2)}),
      "no leaf mask_logits/new",
    ),
    (
      lambda s: s.replace(mask_logits={"../b.c": s.mask_logits["../b.c"]}),
      "leaf mask_logits/layer_0/query/kernel is not expected",
    ),
    (
      lambda s: s.replace(
        mask_logits={**s.mask_logits, "../b.c": np.zeros(6, np.float32)}
      ),
      r"b\.c is float32\[5\] there and float32\[6\] is expected",
    ),
  ],
)
def test_another_tree_is_refused_naming_the_leaf(tmp_path, change, cause):
  checkpoints.save(tmp_path, 1, make_state(), {})
  with pytest.raises(UserError, match=cause) as caught:
    restore(tmp_path, change(make_state()))
  assert str(tmp_path) in str(caught.value)
  assert "\n" not in str(caught.value)


def test_another_fingerprint_is_refused(tmp_path):
  checkpoints.save(tmp_path, 1, make_state(), {"fingerprint": "abc"})
  with pytest.raises(UserError, match=r"fingerprint abc, not xyz.*delete"):
    restore(tmp_path, fingerprint="xyz")
  checkpoints.save(tmp_path, 1, make_state(), {})
  with pytest.raises(UserError, match=r"fingerprint None, not xyz"):
    restore(tmp_path, fingerprint="xyz")
  assert restore(tmp_path)[0] == 1


def damaged_copies(directory):
  """Yields (what, file) after damaging, and mends the file afterwards."""
  for file in files_of(directory):
    content = file.read_bytes()
    for part in (0.0, 0.3, 0.9):
      file.write_bytes(content[: int(len(content) * part)])
      yield f"{file.name} cut to {part}", file
    if content:
      file.write_bytes(content[:-1])
      yield f"{file.name} without its last byte", file
    for part in (0.05, 0.5, 0.95):
      flipped = bytearray(content)
      if flipped:
        flipped[int(len(content) * part)] ^= 1
        file.write_bytes(flipped)
        yield f"{file.name} with a bit flipped at {part}", file
    file.unlink()
    yield f"{file.name} missing", file
    file.write_bytes(content)


def test_damage_is_refused_or_harmless_never_garbage(tmp_path):
  checkpoints.save(tmp_path, 7, make_state(), {"fingerprint": "abc"})
  refused = set()
  for what, file in damaged_copies(tmp_path):
    try:
      restored = restore(tmp_path)
    except UserError as error:
      assert "torn or altered" in str(error), what
      assert str(tmp_path) in str(error), what
      assert "\n" not in str(error), what
      refused.add(file)
    else:
      # Orbax does not need every byte it writes, but ours must be there.
      assert restored is not None, what
      assert restored[0] == 7, what
      assert restored[2] == {"fingerprint": "abc"}, what
      assert_same_bits(restored[1], make_state())
  # The files with the arrays, and the record, are among the refused.
  assert any("record" in file.parts for file in refused)
  assert any("d" in file.parts for file in refused)
  assert restore(tmp_path)[0] == 7


def test_flipped_bit_in_an_array_is_detected(tmp_path):
  tree = {"a": np.arange(100_000, dtype=np.float32)}
  checkpoints.save(tmp_path, 1, tree, {})
  file = max(files_of(tmp_path), key=lambda path: path.stat().st_size)
  content = bytearray(file.read_bytes())
  content[len(content) // 2] ^= 4
  file.write_bytes(content)
  with pytest.raises(UserError, match="torn or altered"):
    restore(tmp_path, tree)


@pytest.mark.parametrize("old", ['"step":7', '"abc"'])
def test_altered_record_is_detected(tmp_path, old):
  checkpoints.save(tmp_path, 7, make_state(), {"fingerprint": "abc"})
  (file,) = [f for f in files_of(tmp_path) if f.match("record/metadata")]
  text = file.read_text().replace('": ', '":')
  assert old in text
  file.write_text(text.replace(old, old.replace("7", "8").replace("b", "x")))
  with pytest.raises(UserError, match="the checksum of its record differs"):
    restore(tmp_path)


def test_empty_newest_checkpoint_is_no_fresh_start(tmp_path):
  (tmp_path / "3").mkdir()
  with pytest.raises(UserError, match="torn or altered"):
    restore(tmp_path)
  checkpoints.save(tmp_path, 8, make_state(), {})
  assert restore(tmp_path)[0] == 8


def test_unusable_directory_is_a_user_error(tmp_path):
  (tmp_path / "file").write_text("")
  for directory in (tmp_path / "file", tmp_path / "file" / "below"):
    with pytest.raises(UserError, match=f"cannot (read|write) {directory}"):
      checkpoints.save(directory, 1, make_state(), {})
  with pytest.raises(UserError, match="cannot read"):
    restore(tmp_path / "file")


def test_orbax_is_quiet_but_we_are_not(tmp_path, caplog):
  with caplog.at_level(logging.INFO, "absl"):
    checkpoints.save(tmp_path, 1, make_state(), {})
    restore(tmp_path)
    logging.getLogger("absl").info("ours")
  assert [record.message for record in caplog.records] == ["ours"]


# Saves one tree after the other, each filled with its step, until it is killed.
SAVER = """
import itertools, sys
import numpy as np
from structcomp_jax.io import checkpoints
print("ready", flush=True)
for step in itertools.count(int(sys.argv[2])):
  tree = {f"leaf_{i}": np.full(50_000, step + i, np.float32) for i in range(4)}
  checkpoints.save(sys.argv[1], step, tree, {"step": step})
  print(step, flush=True)
"""


def test_killed_saves_leave_a_usable_checkpoint(tmp_path):
  abstract = {
    f"leaf_{i}": jax.ShapeDtypeStruct((50_000,), np.float32) for i in range(4)
  }
  delays = random.Random(0)
  step = 0
  for _ in range(5):
    saved = kill_while_saving(tmp_path, step, delays.uniform(0.05, 0.5))
    restored = checkpoints.restore(tmp_path, abstract)
    if restored is None:
      assert saved is None and step == 0
      continue
    reached, tree, metadata = restored
    # What was reported as saved is never lost.
    assert reached >= (step - 1 if saved is None else saved)
    assert metadata == {"step": reached}
    for i in range(4):
      np.testing.assert_array_equal(tree[f"leaf_{i}"], np.float32(reached + i))
    step = reached + 1
  assert step > 0
  checkpoints.save(tmp_path, step, {"a": np.ones(2)}, {})
  assert len(os.listdir(tmp_path)) == 1


def kill_while_saving(directory, step, seconds):
  """Returns the last step that was reported as saved, or None."""
  process = subprocess.Popen(
    [sys.executable, "-c", SAVER, str(directory), str(step)],
    stdout=subprocess.PIPE,
    text=True,
  )
  assert process.stdout.readline() == "ready\n"
  time.sleep(seconds)
  assert process.poll() is None
  process.send_signal(signal.SIGKILL)
  lines = process.communicate()[0].split()
  return int(lines[-1]) if lines else None


def test_small_saves_are_quick(tmp_path):
  tree = {f"leaf_{i}": np.ones(100_000, np.float32) for i in range(8)}
  seconds = []
  for step in range(5):
    begun = time.perf_counter()
    checkpoints.save(tmp_path, step, tree, {})
    seconds.append(time.perf_counter() - begun)
  # 0.1 s on an idle disk; the bound is for a busy machine.
  assert min(seconds) < 1.0
