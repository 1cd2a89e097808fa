"""The published tests agree with R's sandwich, lmtest and car."""

import pathlib

import numpy as np
import pandas as pd
import pytest

from structcomp_jax.report.clustered import clustered_difference, clustered_mean
from structcomp_jax.studies.break_it_down.reanalysis import published_tests

GOLDEN = pathlib.Path(__file__).parents[3] / "golden" / "reanalysis"
KEY = ["table", "task", "model", "coding", "term"]


@pytest.fixture(scope="module")
def tables():
  """The released tables of task differences."""
  every = pd.read_csv(GOLDEN / "analysis_data.csv")
  return {
    str(name): part.drop(columns="table").dropna(axis="columns")
    for name, part in every.groupby("table")
  }


@pytest.fixture(scope="module")
def found(tables):
  return published_tests.tests(tables)


def test_every_number_is_that_of_r(found):
  theirs = pd.read_csv(GOLDEN / "statistics.csv")
  both = theirs.merge(found, on=[*KEY, "kind"], suffixes=("_r", ""))
  assert len(both) == len(theirs) == len(found) == 270
  # One error is zero; there R takes the root of a rounding error.
  without_spread = both["statistic_r"].isna()
  assert both[without_spread]["standard_error"].tolist() == [0.0]
  both = both[~without_spread]
  for column in ("estimate", "standard_error", "statistic", "p"):
    np.testing.assert_allclose(
      both[column], both[f"{column}_r"], rtol=1e-8, atol=1e-15, err_msg=column
    )


def test_the_versions_of_r_are_known():
  versions = pd.read_csv(GOLDEN / "statistics_versions.csv")
  assert set(versions["package"]) == {"R", "sandwich", "lmtest", "car"}


def test_singular_and_plural_networks_are_different_clusters(found):
  of_language = found["table"].str.contains("bert")
  in_a = found["model"] == "a"
  assert set(found[of_language & in_a]["num_clusters"]) == {6}
  assert set(found[of_language & ~in_a]["num_clusters"]) == {12}


def test_trained_and_untrained_networks_are_different_clusters(tables):
  both = published_tests.compared(
    tables["inside_contact-resnet50-scratch"],
    tables["inside_contact-resnet50-random_init"],
  )
  assert both.groupby("cluster")["Random"].nunique().max() == 1
  assert both["cluster"].nunique() == 2 + 3


def test_models_say_what_the_clustered_means_say(tables, found):
  trained = tables["count_contact-resnet50-scratch"]
  untrained = tables["count_contact-resnet50-random_init"]
  rows = found[
    (found["table"] == "count_contact-resnet50-scratch")
    & (found["task"] == "Number")
  ].set_index(["model", "coding", "term"])

  def of(table, ablation):
    part = table[(table["Task"] == "Number") & (table["Ablation"] == ablation)]
    return part["Performance"], part["Base_Model"]

  for ablation, mean, difference in (
    (0, ("a", "Ablation", "(Intercept)"), ("b", "Ablation", "Random")),
    (1, ("a", "Subnetwork", "(Intercept)"), ("b", "Subnetwork", "Random")),
  ):
    expected = clustered_mean(*of(trained, ablation))
    row = rows.loc[mean]
    np.testing.assert_allclose(row["estimate"], expected.value)
    np.testing.assert_allclose(row["standard_error"], expected.standard_error)
    np.testing.assert_allclose(row["p"], expected.p_normal)
    expected = clustered_difference(
      *of(untrained, ablation), *of(trained, ablation)
    )
    row = rows.loc[difference]
    np.testing.assert_allclose(row["estimate"], expected.value)
    np.testing.assert_allclose(row["standard_error"], expected.standard_error)


def test_only_tables_with_a_control_are_compared(found):
  compared = set(found[found["model"] == "b"]["table"])
  assert len(compared) == 5
  assert all(name.endswith("-scratch") for name in compared)
  assert not any("wideresnet50" in name for name in compared)
