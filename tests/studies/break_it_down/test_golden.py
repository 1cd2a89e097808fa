"""The smoke runs of both domains give the tables that are stored."""

import pytest

from tests.golden import roads


@pytest.fixture(scope="module")
def workdirs(launch, finished, tmp_path_factory):
  """{name: finished work directory}."""
  directory = tmp_path_factory.mktemp("golden")
  vision = "inside_contact_smoke"
  config = f"--config={roads.CONFIGS[vision]}"
  outcome = launch("run", config, f"--workdir={directory}")
  assert outcome.status == 0, outcome.text
  return {"sv_singular_smoke": finished, vision: directory}


@pytest.mark.parametrize("table", roads.TABLES)
@pytest.mark.parametrize("name", roads.CONFIGS)
def test_table_is_the_stored_one(workdirs, name, table, request):
  found = workdirs[name] / table
  if request.config.getoption("--store-golden"):
    roads.store(found, name)
  stored = roads.Maker.stored()
  if roads.Maker.here() == stored:
    expected = roads.DIRECTORY / name / table
    assert found.read_bytes() == expected.read_bytes()
    return
  roads.assert_close(found, name)
  pytest.skip(
    f"close to the stored table; bytes are compared with JAX {stored.jax} on "
    f"{stored.machine} alone"
  )
