"""What the language and vision experiments of "Break It Down" share.

All fields are JSON values, and none is computed from another one.
"""

from ml_collections import ConfigDict, FieldReference

from configs.common.runtime import runtime


def break_it_down() -> ConfigDict:
  """Returns the settings of Lepori et al. 2023 (arXiv 2301.10884), appendix.

  There are 3 base networks, 24 mask settings per network and subroutine, and
  3 mask seeds for the chosen setting. A domain must still set the model and
  the first masked stages (`search.masked_from`, `pruning.masked_from`).
  """
  return ConfigDict(
    {
      "experiment": "",
      # The first regime is the one in question, the others are compared with
      # it. Choices: scratch, lm_pretrained (language), simclr (vision), pruned
      # (needs scratch), random_init.
      "regimes": ("scratch", "random_init"),
      "base_seeds": (0, 1, 2),
      # launch.run adds base seeds while cuts leave the question about the
      # first regime open, see docs/design/cuts.md.
      "auto_base_seeds": {
        # So many in all; 0: none are added.
        "most": 0,
        # So many at a time.
        "step": 2,
        # None are added after so many hours of work; 0: no limit.
        "max_hours": 0.0,
      },
      # All random numbers are drawn from this key.
      "seed": 0,
      "data": {
        # How problems are drawn. published: as in the paper; disjoint and
        # unseen_words (language), balanced (vision): see docs/differences/.
        "policy": "published",
        # How many problems of a split to use, the first ones; 0: all.
        "num_problems": {"train": 0, "validation": 0, "test": 0},
      },
      "training": {
        "num_epochs": 100,
        "batch_size": 32,
        "learning_rate": 1e-4,
        # Number of steps; 0: as many as num_epochs have.
        "num_steps": 0,
        # Steps between two looks (validation, history); 0: one epoch.
        "look_every": 0,
        # Whether every batch is drawn anew from all training problems.
        "with_replacement": False,
        # Gradients are scaled down to this Euclidean norm; 0: never.
        "clip_norm": 0.0,
        # For networks that start from pretrained weights; 0: as above.
        "pretrained_learning_rate": 0.0,
        "pretrained_batch_size": 0,
        "patience": 30,
        # Every pair of these is tried with the first base seed; all networks
        # are then trained with the best pair. Empty: no sweep.
        "sweep": {"learning_rates": (), "batch_sizes": ()},
      },
      "search": {
        "num_epochs": 90,
        "batch_size": 64,
        # A name in masks.RELAXATIONS; or, for other parameters than the
        # published ones, a dict such as {"name": "hard_concrete", "tau": 0.5}.
        # On the command line:
        # "--config.search.relaxation={'name': 'hard_concrete', 'tau': 0.5}"
        "relaxation": FieldReference(
          "continuous_sparsification", field_type=object
        ),
        "schedule": "geometric",
        "max_beta": 200.0,
        # Regexes of leaves whose beta stays 1.
        "constant_beta": (),
        "num_mask_samples": 1,
        # Parts of a batch, one after the other, for its memory; changes nothing
        # but rounding.
        "micro_batches": 1,
        # Dtype of Adam's moments: float32, or bfloat16 to save memory.
        "moments": "float32",
        "data_order": "per_candidate",
        # Number of steps; 0: as many as num_epochs have.
        "num_steps": 0,
        # Steps between two looks (validation, history); 0: one epoch.
        "look_every": 0,
        # Whether every batch is drawn anew from all training problems.
        "with_replacement": False,
        # Gradients are scaled down to this Euclidean norm; 0: never.
        "clip_norm": 0.0,
        # Looks without a better hard mask before a candidate stops; 0: never.
        "patience": 0,
        # weight: one logit per weight; neuron: one per output neuron.
        "unit": "weight",
        # Mask seeds of the chosen setting.
        "seeds": (0, 1, 2),
        # The grid: every combination of the next three lists is searched with
        # grid_seed, and one is selected on validation data. A grid of one
        # setting needs no selection.
        "learning_rates": (1e-2, 1e-4),
        "init_logits": (0.1, 0.05, 0.0, -0.05),
        "penalties": (1e-8,),
        # The first masked stage. Every value gets a grid of its own.
        "masked_from": (),
        "grid_seed": 0,
        # The rule that selects a setting: own_task, or published (the rule of
        # the paper, which prefers masks whose ablation hurts).
        "selection": "own_task",
        # Where the inputs of the first masked stage are kept once they are
        # computed: device, host (its memory) or disk (WORKDIR/cache). off:
        # they are computed at every step. auto: the first place with room.
        "cache": "auto",
        # How much memory of the host "auto" may use for them.
        "cache_gigabytes": 4.0,
        # float32, or bfloat16, which needs half the memory.
        "cache_dtype": "float32",
        # The type in which the network computes while masks are searched and
        # evaluated: float32, or bfloat16 for accelerators. Weights, mask
        # logits, optimiser state and cosines are always float32.
        "compute_dtype": "float32",
      },
      # One mask that cuts a network in two: what it keeps does the first
      # subroutine, what it removes the second one. How soon such a cut is
      # found tells networks apart, see docs/design/cuts.md. All other settings
      # are those of a search.
      "cuts": {
        # 0: no cuts.
        "num_steps": 160,
        "look_every": 20,
        "with_replacement": True,
        "batch_size": 32,
        # Of the three relaxations the one that finds planted blocks best.
        "relaxation": FieldReference("hard_concrete", field_type=object),
        "learning_rates": (0.1,),
        "penalties": (0.0,),
        "seeds": (0,),
        # The first masked stage.
        "masked_from": (0,),
        # Pairs of nonsense properties that are searched for as a control.
        "num_nonsense": 1,
      },
      # The search for the masks that prune a network on its composite task
      # (regime pruned). All other settings are those of `search`.
      "pruning": {
        "num_epochs": 90,
        "learning_rates": (1e-2, 1e-4),
        "init_logits": (0.1, 0.05, 0.0, -0.05),
        "penalties": (1e-8,),
      },
      "evaluation": {
        "batch_size": 256,
        # A base network below this test accuracy counts as failed.
        "failed_below": 0.9,
      },
      "runtime": runtime(),
    }
  )
