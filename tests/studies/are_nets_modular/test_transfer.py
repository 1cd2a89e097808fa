"""One permutation after another: what stays, what is drawn, what is shared."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from configs.images import permuted_mnist
from structcomp_jax import trees
from structcomp_jax.studies import registry
from structcomp_jax.studies.are_nets_modular import transfer, transfer_study
from structcomp_jax.studies.are_nets_modular.findings import transfer_sharing
from structcomp_jax.studies.are_nets_modular.transfer import Row

FRESH = {
  "layer_0": {"kernel": jnp.full((2, 2), 1.0)},
  "output": {"kernel": jnp.full((2, 1), 2.0)},
}
OLD = jax.tree.map(lambda leaf: leaf + 10, FRESH)
USED = {
  "layer_0/kernel": np.zeros((2, 2), bool),
  "output/kernel": np.array([[True], [False]]),
}


def test_permutations_are_the_published_ones():
  pixels = np.arange(2 * 64, dtype=np.uint8).reshape(2, 8, 8, 1)
  np.testing.assert_array_equal(transfer.permuted(pixels, 0), pixels)
  order = np.random.RandomState(3).permutation(64)
  np.testing.assert_array_equal(
    transfer.permuted(pixels, 3).reshape(2, 64), pixels.reshape(2, 64)[:, order]
  )


def test_what_any_earlier_mask_keeps_is_used_but_not_in_the_first_layer():
  masks = [
    {"layer_0/kernel": np.array([True, True]), "output/k": np.array(one)}
    for one in ([True, False, False], [False, True, False])
  ]
  assert transfer.used_before([], "layer_0") is None
  found = transfer.used_before(masks, "layer_0")
  assert not found["layer_0/kernel"].any()
  assert found["output/k"].tolist() == [True, True, False]


def test_used_weights_stay_and_start_from_their_own_logit():
  row = Row("transfer", 0, -1.0)
  params, logits, stays = transfer.begin(row, FRESH, OLD, USED, 2.0)
  assert params["output"]["kernel"].tolist() == [[12.0], [2.0]]
  assert params["layer_0"]["kernel"].tolist() == [[1.0, 1.0], [1.0, 1.0]]
  assert logits["output/kernel"].tolist() == [[2.0], [-1.0]]
  assert (logits["layer_0/kernel"] == -1.0).all()
  np.testing.assert_array_equal(stays["output/kernel"], USED["output/kernel"])


def test_in_the_control_they_are_drawn_anew_and_stay():
  row = Row("redrawn", 0, -1.0)
  params, logits, stays = transfer.begin(row, FRESH, OLD, USED, 2.0)
  assert params["output"]["kernel"].tolist() == [[2.0], [2.0]]
  assert logits["output/kernel"].tolist() == [[2.0], [-1.0]]
  assert stays["output/kernel"].tolist() == [[True], [False]]


def test_in_the_first_permutation_nothing_stays():
  row = Row("transfer", 0, -1.0)
  params, logits, stays = transfer.begin(row, FRESH, None, None, 2.0)
  assert params is FRESH
  assert all((leaf == 2.0).all() for leaf in logits.values())
  assert not any(leaf.any() for leaf in stays.values())


def test_weights_are_drawn_as_published():
  shapes = {
    "layer_0": {"kernel": jnp.zeros((300, 500)), "bias": jnp.zeros(500)},
    "output": {"kernel": jnp.zeros((500, 300)), "bias": jnp.zeros(300)},
  }
  found = transfer.xavier(jax.random.key(0), shapes)
  deviations = [float(found[name]["kernel"].std()) for name in shapes]
  np.testing.assert_allclose(
    deviations, [(4 / 800) ** 0.5, (2 / 800) ** 0.5], rtol=0.01
  )
  assert not found["layer_0"]["bias"].any()
  assert not found["output"]["bias"].any()


def test_published_sizes():
  config = permuted_mnist.get_config("three")
  study = registry.make_study(config.copy_and_resolve_references())
  assert study.spec.num_weights == 1_320_714
  assert study.num_permutations == 11
  assert study.search_config().num_mask_samples == 8
  assert study.search_config().penalties == (pytest.approx(1.28e-3 / 128),)
  rows = transfer.rows_of(study.config)
  assert len(rows) == 2 * 3 * 10
  assert len({(row.regime, row.base_seed, row.new_init) for row in rows}) == 60


def test_shares_are_counted_leaf_by_leaf():
  which = {"regime": "transfer", "base_seed": 1, "mask_init": 0.0}
  mask = {"output/kernel": np.array([[True], [True]])}
  (row,) = transfer_study._share_rows(
    which, 4, mask, {"output/kernel": USED["output/kernel"]}
  )
  assert row == {
    **which,
    "permutation": 4,
    "leaf": "output/kernel",
    "size": 2,
    "kept": 2,
    "used": 1,
    "both": 1,
  }
  assert transfer_study._share_rows(which, 0, mask, None) == []


def shares_of(both, regime="transfer"):
  """Rows of two seeds, three permutations and two layers."""
  return [
    {
      "regime": regime,
      "base_seed": seed,
      "mask_init": 2.0,
      "permutation": number,
      "leaf": leaf,
      "size": 100,
      "kept": 20,
      "used": 40,
      "both": both + seed,
    }
    for seed in (0, 1)
    for number in (1, 2, 3)
    for leaf in (
      "layer_0/kernel",
      "layer_1/kernel",
      "layer_1/bias",
      "output/kernel",
    )
  ]


def test_first_layers_and_biases_do_not_count():
  rows = transfer_sharing.counted(pd.DataFrame(shares_of(16)))
  assert set(rows["leaf"]) == {"layer_1/kernel", "output/kernel"}
  assert set(rows["share"]) == {16 / 20, 17 / 20}
  assert set(rows["chance"]) == {0.4}
  chains = transfer_sharing.pooled(rows)
  assert chains["share"].tolist() == pytest.approx([0.8, 0.85])
  assert chains["chance"].tolist() == pytest.approx([0.4, 0.4])
  assert chains["density"].tolist() == pytest.approx([0.2, 0.2])


def test_chains_of_one_kind_are_averaged_over_base_seeds():
  rows = transfer_sharing.counted(pd.DataFrame(shares_of(16)))
  results = pd.DataFrame(
    [
      {"regime": "transfer", "base_seed": seed, "mask_init": 2.0,
       "test_task": f"permutation_{number}", "accuracy": accuracy}
      for seed, number, accuracy in ((0, 0, 0.8), (0, 1, 1.0), (1, 0, 0.7))
    ]
  )  # fmt: skip
  (chains,) = transfer_sharing.by_chain(results, rows).to_dict("records")
  assert chains["num_networks"] == 2
  assert chains["accuracy_mean"] == pytest.approx((0.9 + 0.7) / 2)
  assert chains["share_mean"] == pytest.approx((0.8 + 0.85) / 2)
  assert chains["share_sd"] == pytest.approx(np.std([0.8, 0.85], ddof=1))


@pytest.mark.parametrize(
  ("both", "label"),
  [
    (16, transfer_sharing.REUSED),
    (8, transfer_sharing.CHANCE),
    (1, transfer_sharing.AVOIDED),
  ],
)
def test_verdicts_compare_with_random_masks(both, label):
  shares = transfer_sharing.counted(
    pd.DataFrame(shares_of(both) + shares_of(8, "redrawn"))
  )
  # Two seeds that differ a little: an interval needs more of them.
  shares["both"] -= shares["base_seed"]
  shares["share"] = shares["both"] / shares["kept"]
  results = pd.DataFrame(
    [
      {"regime": regime, "base_seed": seed, "mask_init": 2.0,
       "test_task": "permutation_1", "accuracy": 0.95}
      for regime in ("transfer", "redrawn") for seed in (0, 1)
    ]
  )  # fmt: skip
  found = transfer_sharing._judge(("e", "m", "transfer"), results, shares, 2.0)
  assert found.label.removeprefix("probably ") == label
  results["accuracy"] = 0.2
  found = transfer_sharing._judge(("e", "m", "transfer"), results, shares, 2.0)
  assert found.label == "cannot be told"


def test_reuse_where_nothing_was_learned_is_no_use_of_what_was_learned():
  shares = transfer_sharing.counted(
    pd.DataFrame(shares_of(16) + shares_of(16, "redrawn"))
  )
  results = pd.DataFrame(
    [
      {"regime": "transfer", "base_seed": seed, "mask_init": 2.0,
       "test_task": "permutation_1", "accuracy": 0.95}
      for seed in (0, 1)
    ]
  )  # fmt: skip
  found = transfer_sharing._judge(("e", "m", "transfer"), results, shares, 2.0)
  assert found.label == transfer_sharing.HABIT
  alone = shares[shares["regime"] == "transfer"]
  found = transfer_sharing._judge(("e", "m", "transfer"), results, alone, 2.0)
  assert found.label == transfer_sharing.HABIT


def test_fingerprints_of_the_two_regimes_differ():
  """What is drawn for a permutation depends on the seed and its number."""
  keys = [jax.random.key(number) for number in (0, 1)]
  one, other = (transfer.xavier(key, FRESH) for key in keys)
  assert trees.fingerprint(one) != trees.fingerprint(other)
