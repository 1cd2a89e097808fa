"""The pruned regime: what a mask of the composite task leaves of a network.

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

from structcomp_jax import evaluation, masks, trees, types
from structcomp_jax.io import mask_files
from structcomp_jax.io.layout import MASKS
from structcomp_jax.pipeline import experiment as experiments
from structcomp_jax.pipeline import mask_search
from structcomp_jax.pipeline.frozen import FrozenNetwork
from structcomp_jax.pipeline.keys import purpose_key

_TASK = "base"


def prune(
  experiment: experiments.Experiment, base_seed: int, params: types.Params
) -> tuple[types.Params, dict[str, Any]]:
  """Returns a pruned network, searching the mask where there is none.

  The grid of `config.pruning` is searched with one seed; the subnetwork with
  the highest validation accuracy on the composite task wins, whatever its
  size (published).

  Args:
    experiment: the experiment.
    base_seed: of the network.
    params: its trained weights.

  Returns:
    The weights with the removed ones set to zero, and the settings of the
    mask with `kept` and `maskable` weights and `validation_accuracy`.

  Raises:
    UserError: no mask stayed finite, or a file is damaged.
  """
  directory = experiment.paths.pruning(base_seed)
  masked_from = experiment.config.pruning.masked_from
  frozen = FrozenNetwork(experiment, params)
  mask_search.search_masks(
    frozen,
    directory,
    _TASK,
    masked_from,
    experiment.pruning_config(),
    key=purpose_key(experiment.config.seed, "pruning", base_seed),
    label=f"pruning network {base_seed}",
  )
  stacked, settings = mask_files.load(directory / MASKS, frozen.fingerprint)
  spec = frozen.mask_spec(masked_from)
  pruned_networks = evaluation.Variant(stacked, settings["mask_seed"])
  found = frozen.evaluate(
    masked_from,
    {"pruned": pruned_networks},
    (_TASK,),
    "validation",
    key=purpose_key(experiment.config.seed, "ablation"),
  )
  accuracies = found["pruned"][_TASK]["accuracy"]
  frozen.forget_features()
  best = int(np.argmax(np.where(settings["finite"], accuracies, -1.0)))
  chosen = {name: values[best] for name, values in settings.items()}
  info = {
    **chosen,
    "masked_from": masked_from,
    "validation_accuracy": float(accuracies[best]),
    "kept": int(pruned_networks.kept_weights(spec)[best]),
    "maskable": spec.num_weights,
  }
  logging.info("pruned network %d: %s", base_seed, json.dumps(info))
  pruned = masks.merge(params, trees.row(stacked, best))
  return jax.tree.map(jnp.asarray, pruned), info
