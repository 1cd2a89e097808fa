"""The pruned regime: what is left of a network by a mask of its whole task.

A mask is learned on the composite task itself and multiplied in; subroutines
are then searched in what remains (Lepori et al. 2023, appendix). Positions
that were pruned can still be masked, and count as maskable.
"""

import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging

from structcomp_jax import evaluation, masks, search, trees, types
from structcomp_jax.pipeline import mask_search
from structcomp_jax.pipeline.frozen import FrozenNetwork
from structcomp_jax.studies.break_it_down import config as sections

TASK = "base"


def settings(study: Any) -> sections.Pruning:
  """Returns the section of the config."""
  return sections.Pruning(**study.config.pruning.to_dict())


def search_config(study: Any) -> search.SearchConfig:
  """Returns the grid of masks that prune a network."""
  seeds = (study.mask_search.grid_seed,)
  return study.search_config(seeds=seeds, **settings(study).changes())


def prune(
  study: Any, dense: FrozenNetwork, base_seed: int
) -> tuple[types.Params, dict[str, Any]]:
  """Returns a pruned network, searching the mask where there is none.

  The grid of `config.pruning` is searched with one seed; the subnetwork with
  the highest validation accuracy on the composite task wins, whatever its
  size, as in Lepori et al. 2023.

  Args:
    study: the study.
    dense: the trained network.
    base_seed: of the network.

  Returns:
    The weights with the removed ones set to zero, and the settings of the
    mask with `kept` and `maskable` weights and `validation_accuracy`.

  Raises:
    UserError: no mask stayed finite, or a file is damaged.
  """
  work = dense.work
  found = mask_search.learn(
    dense,
    mask_search.Search(
      directory=work.paths.pruning(base_seed),
      task=TASK,
      masked_from=settings(study).masked_from,
      config=search_config(study),
      key=work.key("pruning", base_seed),
      label=f"pruning network {base_seed}",
    ),
  )
  networks = evaluation.Variant(found.stacked, found.seeds)
  metrics = dense.evaluate(
    found.masked_from,
    {"pruned": networks},
    (TASK,),
    "validation",
    key=work.key("ablation"),
  )
  accuracies = metrics["pruned"][TASK]["accuracy"]
  dense.forget_features()
  best = int(np.argmax(np.where(found.finite, accuracies, -1.0)))
  info = {
    **found.settings[best],
    "finite": bool(found.finite[best]),
    "validation_accuracy": float(accuracies[best]),
    "kept": int(networks.kept_weights(found.spec)[best]),
    "maskable": found.spec.num_weights,
  }
  logging.info("pruned network %d: %s", base_seed, json.dumps(info))
  params = masks.merge(dense.params, trees.row(found.stacked, best))
  return jax.tree.map(jnp.asarray, params), info
