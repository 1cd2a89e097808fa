"""The PyTorch baseline does the work that our search does."""

import numpy as np
import pytest

pytest.importorskip("torch")

from benchmarks.pytorch import search as torch_search
from benchmarks.workload import Workload, load_study

# name: (config, changes, first masked stage)
CASES = {
  "bert": ("configs/language/sv_singular.py:smoke", {}, 0),
  "resnet": (
    "configs/vision/inside_contact.py:smoke",
    {"model": {"sizes": {"block": "bottleneck", "stem_pool": True}}},
    "stage_2",
  ),
}


@pytest.mark.parametrize("name", CASES)
def test_both_searches_have_the_same_losses(name):
  config, changes, masked_from = CASES[name]
  changes = {**changes, "search": {"learning_rates": (3e-2,)}}
  workload = Workload.make(
    load_study(config, changes), batch_size=4, num_batches=1
  )
  steps = workload.search(masked_from, is_cached=True)
  sums = [float(steps.run(number)[0].loss_sum[0]) for number in (1, 2, 3, 4)]
  theirs, _ = torch_search.make_baseline(workload, masked_from).run(4)
  np.testing.assert_allclose(np.cumsum(theirs), sums, rtol=1e-4)
  assert theirs[0] != theirs[-1]
