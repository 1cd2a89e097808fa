"""One mask, both of whose halves have a task."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import masks, search, trees, types

from . import tiny

# No penalty: either half is as good as the other.
CONFIG = search.SearchConfig(
  num_epochs=40,
  batch_size=8,
  seeds=(0, 1),
  learning_rates=(0.1,),
  penalties=(0.0,),
  two_sided=True,
)
KEPT, REST = (tiny.TWO_TASKS[half] for half in ("kept", "rest"))


def run(config=CONFIG, dataset=tiny.TWO_TASKS, **kwargs):
  return tiny.run(config, dataset=dataset, **kwargs)


def test_both_halves_of_a_planted_network_do_their_task():
  result = run(validation=tiny.TWO_TASKS, metrics_fn=tiny.metrics_fn)
  for row in range(2):
    mask = trees.row(result.masks, row)
    for half, task in ((mask, "first"), (masks.complement(mask), "second")):
      # What neither task needs may lie in any half.
      needed = tiny.NETWORK.truth[task]
      for path, leaf in needed.items():
        assert half[path][leaf].all()
  last = result.history[-2:]
  assert [line["validation/hard/accuracy"] for line in last] == [1.0, 1.0]


def test_exchanged_tasks_exchange_the_halves():
  config = search.SearchConfig(
    num_steps=5,
    batch_size=8,
    learning_rates=(0.1,),
    penalties=(0.0,),
    two_sided=True,
  )
  found = run(config)
  exchanged = run(config, dataset=search.halves(REST, KEPT))
  moved = [np.abs(leaf).max() for leaf in found.mask_logits.values()]
  assert max(moved) > 0.1
  chex.assert_trees_all_close(
    exchanged.mask_logits,
    {path: -leaf for path, leaf in found.mask_logits.items()},
    atol=1e-5,
  )


def test_validation_measures_both_halves_and_names_the_worse_one():
  # One half is validated on answers that it has not learned.
  validation = search.halves(KEPT, {**REST, "label": REST["label"] + 0.7})
  result = run(validation=validation, metrics_fn=tiny.metrics_fn)
  line = result.history[-1]
  mask = trees.row(result.masks, 1)
  networks = (
    masks.merge(tiny.NETWORK.params, mask),
    masks.merge(tiny.NETWORK.params, masks.complement(mask)),
  )
  losses, accuracies = [], []
  for half, network in zip(("kept", "rest"), networks, strict=True):
    found = tiny.metrics_fn(network, validation[half])
    for name, values in found.items():
      assert line[f"validation/hard/{half}/{name}"] == pytest.approx(
        float(values.mean()), abs=1e-5
      )
    losses.append(float(found["loss"].mean()))
    accuracies.append(float(found["accuracy"].mean()))
  assert losses[0] != pytest.approx(losses[1], abs=1e-3)
  assert accuracies[0] != accuracies[1]
  assert line["validation/hard/loss"] == pytest.approx(sum(losses), abs=1e-5)
  assert line["validation/hard/accuracy"] == pytest.approx(min(accuracies))


def test_a_loss_that_draws_gets_keys_in_both_halves():
  def loss_fn(params, batch):
    noise = jax.vmap(jax.random.normal)(batch["key"])
    return tiny.loss_fn(params, {**batch, "label": batch["label"] + noise})

  def logits(loss_draws, loss_fn):
    config = search.SearchConfig(
      num_steps=2,
      batch_size=8,
      learning_rates=(0.1,),
      two_sided=True,
      loss_draws=loss_draws,
    )
    found = search.run(
      loss_fn,
      tiny.NETWORK.params,
      tiny.SPEC,
      tiny.TWO_TASKS,
      config,
      key=tiny.KEY,
      devices=jax.devices()[:1],
    )
    return np.asarray(found.mask_logits["hidden"])

  assert (logits(True, loss_fn) != logits(False, tiny.loss_fn)).any()


def test_halves_cut_the_longer_part():
  short = {"inputs": jnp.ones((3, 2)), "label": jnp.ones(3)}
  found = search.halves(short, tiny.DATASET)
  assert trees.num_rows(found["rest"]) == 3
  np.testing.assert_array_equal(
    found["rest"]["label"], tiny.DATASET["label"][:3]
  )
  chex.assert_trees_all_equal(found["kept"], short)


@pytest.mark.parametrize(
  ("dataset", "message"),
  [
    (tiny.DATASET, "has the fields inputs, label; make it with search.halves"),
    (
      {"kept": KEPT, "rest": trees.row(REST, slice(3))},
      "has 16 and 3 examples; make it with search.halves",
    ),
  ],
)
def test_data_of_one_task_is_refused(dataset, message):
  for split in ("dataset", "validation"):
    data = {"dataset": tiny.TWO_TASKS, split: dataset}
    if split == "validation":
      data["metrics_fn"] = tiny.metrics_fn
    with pytest.raises(types.UserError, match=f"the {split} of .*{message}"):
      run(**data)
