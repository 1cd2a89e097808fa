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
  roads.check(workdirs[name] / table, name, roads.TABLES[table], request)
