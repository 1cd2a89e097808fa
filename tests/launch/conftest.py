"""Launch scripts and one finished experiment, shared with other tests."""

from tests.launch.fixtures import (  # noqa: F401
  finished,
  launch,
  shared_directory,
  workdir,
)
