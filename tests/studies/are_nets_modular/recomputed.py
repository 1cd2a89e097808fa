"""What an experiment should have stored, computed again from its data.

Keys, settings and networks are written out here; only the loops of `search` and
`training` are the product's.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import masks, search, training, trees
from structcomp_jax.io import logit_files, mask_files, tables
from structcomp_jax.pipeline import search_together
from structcomp_jax.studies.are_nets_modular.columns import SCHEMAS

from . import toy

# One stream of draws per purpose: what was stored before must not change.
INIT, TRAINING, SEARCH, ABLATION, CONTROL = range(5)
DRAWS = 7
CLOSE = {"rtol": 2e-4, "atol": 2e-5}


def batch(domain, task, split):
  """Returns the made-up problems of a task, as the network reads them."""
  problems = toy.make_problems(domain.dataset_name(task), split)
  return domain.encode(task, problems)


def train(domain, task, starts, **more):
  """Returns {base seed: weights after the last step}.

  Args:
    domain: of the experiment.
    task: what is learned.
    starts: {base seed: weights}.
    **more: of `training.run`.
  """
  config = training.TrainConfig(
    num_steps=6,
    look_every=3,
    batch_size=toy.BATCH_SIZE,
    learning_rate=0.01,
    clip_norm=1.0,
    with_replacement=True,
    keep="last",
    eval_batch_size=4,
  )
  state = trees.stack(
    [
      training.init_state(jnp.int32(seed), start, config)
      for seed, start in starts.items()
    ]
  )
  state = training.run(
    domain.network.loss_fn,
    domain.network.metrics_fn,
    state,
    batch(domain, task, "train"),
    batch(domain, task, "validation"),
    config,
    key=toy.purpose_key(TRAINING),
    **more,
  )
  return {
    seed: trees.row(state.params, index) for index, seed in enumerate(starts)
  }


def spec_of(params):
  """Selects all weights but biases and embeddings."""
  return masks.select(params, [(".*/kernel", "weight"), (".*", "frozen")])


def search_masks(
  domain, params, subroutine, base_seed, *, seeds, betas, devices=None
):
  """Returns the result of one search.

  Args:
    domain: of the experiment.
    params: of a network.
    subroutine: what masks are for.
    base_seed: of the network.
    seeds: of masks.
    betas: weights of the penalty; seeds vary fastest.
    devices: default: all of them, by the program of the experiment if that has
      as many candidates.
  """
  task = domain.subroutines[subroutine]
  config = search.SearchConfig(
    num_steps=6,
    look_every=3,
    batch_size=toy.BATCH_SIZE,
    relaxation="gumbel_sigmoid",
    schedule="constant",
    num_mask_samples=2,
    with_replacement=True,
    clip_norm=1.0,
    clip_scope="reference",
    loss_draws=domain.loss_draws,
    eval_batch_size=4,
    learning_rates=(toy.LEARNING_RATE,),
    init_logits=(0.1,),
    seeds=tuple(search_together.row_seed(base_seed, seed) for seed in seeds),
    # Divided by the batch size of the base networks.
    penalties=tuple(beta / toy.BATCH_SIZE for beta in betas),
  )
  index = list(domain.subroutines).index(subroutine)
  rows = trees.stack([params] * len(seeds) * len(betas))
  return search.run(
    domain.frozen_network.loss_fn,
    rows if devices is None else params,
    spec_of(params),
    batch(domain, task, "train"),
    config,
    key=toy.purpose_key(SEARCH, index),
    validation=batch(domain, task, "validation"),
    metrics_fn=domain.frozen_network.metrics_fn,
    params_have_rows=devices is None,
    devices=devices,
  )


def stored_masks(work, regime, base_seed, subroutine):
  """Returns [(columns of a mask, mask, logits)] of one base network."""
  directory = work.paths.masks(regime, base_seed, subroutine)
  stacked, columns = mask_files.load(directory / "masks.npz")
  stacked = jax.device_get(stacked)
  logits = jax.device_get(logit_files.load(directory / "logits.safetensors"))
  return [
    (
      {name: values[row] for name, values in columns.items()},
      trees.row(stacked, row),
      trees.row(logits, row),
    )
    for row in range(len(columns["mask_seed"]))
  ]


def masked(params, mask):
  """Returns what a mask leaves of a network."""
  leaves = dict(trees.leaves_by_path(params))
  for path, kept in mask.items():
    leaves[path] = np.where(kept, np.asarray(leaves[path]), np.float32(0))
  return trees.replace_leaves(params, leaves)


def inverse(mask, **instead):
  """Returns what a mask removes; some leaves have another mask instead."""
  return {path: ~np.asarray(leaf) for path, leaf in mask.items()} | instead


@functools.partial(jax.jit, static_argnums=0)
def _metrics(network, params, problems):
  return network.metrics_fn(params, problems)


def measure(domain, params, task):
  """Returns {metric: mean over the test problems of a task}."""
  problems = batch(domain, task, "test")
  found = jax.device_get(_metrics(domain.frozen_network, params, problems))
  means = {name: float(np.mean(value)) for name, value in found.items()}
  return means | {"num_problems": len(problems["target"])}


def read(work, name):
  return tables.read(work.paths.table(name), SCHEMAS[name])


def rows_of(table, **values):
  """Returns the rows that have some values."""
  for name, value in values.items():
    table = table[table[name] == value]
  return table


def assert_record(found, expected):
  """Asserts that a record has all values of another, numbers nearly."""
  for name, value in expected.items():
    if not isinstance(value, str):
      value = pytest.approx(value, rel=1e-4, abs=1e-5, nan_ok=True)
    assert found[name] == value, name


def assert_network(domain, rows, params, common):
  """Asserts that the rows of one network are those of its test problems."""
  assert sorted(rows["test_task"]) == sorted(domain.test_tasks)
  for row in rows.to_dict("records"):
    assert_record(row, measure(domain, params, row["test_task"]))
    assert_record(row, common)


def assert_table_of_masks(domain, table, networks, common):
  """Asserts that a table has the networks of one mask, and no others.

  Args:
    domain: of the experiment.
    table: the rows of the mask.
    networks: {ablation: (frozen weights, mask)}.
    common: what stands in all rows.
  """
  assert list(dict.fromkeys(table["ablation"])) == list(networks)
  for ablation, (params, mask) in networks.items():
    kept = sum(int(np.sum(leaf)) for leaf in mask.values())
    size = sum(np.size(leaf) for leaf in mask.values())
    assert_network(
      domain,
      rows_of(table, ablation=ablation),
      masked(params, mask),
      {**common, "l0": kept, "l0_max": size, "density": kept / size},
    )
