"""Where compiled programs are kept, and what happens if they cannot be."""

import jax
import pytest

from launch.process import compiled

_SETTINGS = (
  "jax_compilation_cache_dir",
  "jax_persistent_cache_min_compile_time_secs",
)


@pytest.fixture(autouse=True)
def no_cache(tmp_path, monkeypatch):
  """Sets another home directory and no cache, and restores JAX afterwards."""
  before = {name: getattr(jax.config, name) for name in _SETTINGS}
  jax.config.update("jax_compilation_cache_dir", None)
  monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
  yield
  for name, value in before.items():
    jax.config.update(name, value)


def test_default_is_below_the_cache_directory_of_the_user(tmp_path):
  compiled.keep_programs("")
  kept = jax.config.jax_compilation_cache_dir
  assert kept.startswith(f"{tmp_path}/home/structcomp_jax/")
  assert list((tmp_path / "home" / "structcomp_jax").iterdir())


def test_given_directory_is_made(tmp_path):
  compiled.keep_programs(str(tmp_path / "a" / "b"))
  assert jax.config.jax_compilation_cache_dir == f"{tmp_path}/a/b"
  assert not list((tmp_path / "a" / "b").iterdir())


def test_off_and_the_environment_come_first(tmp_path):
  compiled.keep_programs("off")
  assert jax.config.jax_compilation_cache_dir is None
  jax.config.update("jax_compilation_cache_dir", "/set/before")
  compiled.keep_programs(str(tmp_path / "other"))
  assert jax.config.jax_compilation_cache_dir == "/set/before"
  assert not (tmp_path / "other").exists()


def test_unwritable_directory_is_one_warning(tmp_path, caplog):
  (tmp_path / "file").touch()
  with caplog.at_level("WARNING", logger="absl"):
    compiled.keep_programs(str(tmp_path / "file" / "below"))
  assert jax.config.jax_compilation_cache_dir is None
  (record,) = caplog.records
  assert f"{tmp_path}/file/below" in record.getMessage()
  assert "runtime.compilation_cache" in record.getMessage()
