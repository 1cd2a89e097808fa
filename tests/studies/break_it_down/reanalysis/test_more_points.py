"""Points about sizes, fills and tests: the numbers in them are right."""

import numpy as np
from scipy import stats

from structcomp_jax.studies.break_it_down.reanalysis.points import weights
from tests.studies.break_it_down.reanalysis import synthetic


def test_kept_weights_are_compared_at_equal_stages(published, points):
  found = weights.kept_weights(published.searches)
  row = found[
    (found["release_experiment"] == "inside_contact")
    & (found["regime"] == "scratch")
    & (found["task"] == "Inside")
    & (found["masked_from"] == "stage_3")
  ].iloc[0]
  rows = published.evaluations
  rows = rows[
    (rows["experiment"] == "inside_contact")
    & (rows["regime"] == "scratch")
    & (rows["mask_task"] == "inside")
    & (rows["masked_from"] == "stage_3")
    & (rows["ablation"] == "none")
    & (rows["eval_task"] == 103)
  ]
  assert row["num_searches"] == len(rows) == 6
  np.testing.assert_allclose(row["l0"], rows["l0"].mean())
  assert (row["l0_min"], row["l0_max_kept"]) == (
    rows["l0"].min(),
    rows["l0"].max(),
  )
  assert row["l0_max"] == synthetic.SIZES["stage_3"]
  np.testing.assert_allclose(row["fraction"], row["l0"] / row["l0_max"])
  # Every row but one, which lacks a network.
  assert points["sizes"].change.startswith("23 of 24 rows mix")


def test_the_pooler_bounds_kept_fractions(published, points):
  rows = published.searches
  rows = rows[rows["model"] == "bert_small"]
  small = int((rows["l0"] <= 512 * 512).sum())
  assert 0 < small < len(rows)
  assert f"in {small} of {len(rows)} searches" in points["3"].change
  assert "4.0% and 2.0%" in points["3"].change
  bounds = points["3"].tables["03_pooler"]
  assert (bounds["at_least"] <= bounds["at_most"]).all()
  one = bounds.iloc[0]
  of_one = rows[
    (rows["release_experiment"] == one["release_experiment"])
    & (rows["regime"] == one["regime"])
    & (rows["hparams_from"] == one["hparams_from"])
    & (rows["task"] == one["task"])
    & (rows["masked_from"] == one["masked_from"])
  ]
  used = synthetic.SIZES[one["masked_from"]] - 512 * 512
  np.testing.assert_allclose(one["at_most"], (of_one["l0"] / used).mean())
  least = np.maximum(of_one["l0"] - 512 * 512, 0) / used
  np.testing.assert_allclose(one["at_least"], least.mean())


def test_redrawn_weights_stand_beside_removed_ones(published, points):
  rows = published.searches
  apart = np.abs(rows["d_redrawn"] - rows["d_abl"])
  assert f"by 0.1 or more in {(apart >= 0.1).sum()} of 213" in (
    points["12"].change
  )
  assert f"differ by {apart.mean():.2f} on average" in points["12"].change


def test_t_has_one_degree_of_freedom_less_than_networks(published, points):
  means = points["t"].tables["t_means"]
  row = means[
    (means["table"] == "inside_count-wideresnet50-scratch")
    & (means["task"] == "Inside")
    & (means["difference"] == "D_abl")
  ].iloc[0]
  rows = published.searches
  rows = rows[
    (rows["release_experiment"] == "inside_count")
    & (rows["regime"] == "scratch")
    & (rows["task"] == "Inside")
  ]
  networks = rows.groupby("base_seed")["d_abl"].mean()
  expected = stats.ttest_1samp(networks, 0)
  np.testing.assert_allclose(row["p_t"], expected.pvalue)
  interval = expected.confidence_interval()
  np.testing.assert_allclose((row["low"], row["high"]), interval)
  assert row["num_networks"] == 3
  predicted = means[~means["table"].str.endswith("random_init")]
  predicted = predicted[
    (predicted["estimate"] > 0) == (predicted["difference"] == "D_sub")
  ]
  counts = [int((predicted[name] < 0.05).sum()) for name in ("p_normal", "p_t")]
  assert f"{len(predicted)} lie on the side" in points["t"].change
  assert f"{counts[0]} of these are below 0.05" in points["t"].change
  assert f"and {counts[1]} with t" in points["t"].change


def test_settings_below_the_filter_are_counted(published, points):
  rows = published.searches
  rows = rows[rows["regime"] != "random_init"]
  below = int((rows["subnetwork_own"] < 0.9).sum())
  assert f"{below} of {len(rows)} fail the filter" in points["7"].change
  best = rows.groupby("directory")["subnetwork_own"].max()
  assert f"{(best < 0.9).sum()} of {len(best)} chosen" in points["7"].change
