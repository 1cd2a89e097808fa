"""Fields shared by all experiment configs; JSON values only, none derived."""

from ml_collections import ConfigDict, FieldReference


def published() -> ConfigDict:
  """Returns what the published experiments of both domains share.

  Lepori et al. 2023, appendix: 3 base networks, 24 mask settings per network
  and subroutine, 3 mask seeds for the chosen one. The first masked stages
  (`search.masked_from`, `pruning.masked_from`) and the model are the domain's.
  """
  return ConfigDict(
    {
      "experiment": "",
      # The first is the network in question, the others stand beside it:
      # scratch, lm_pretrained (language), simclr (vision), pruned (needs
      # scratch) or random_init.
      "regimes": ("scratch", "random_init"),
      "base_seeds": (0, 1, 2),
      # Base key of everything that is drawn.
      "seed": 0,
      "data": {
        # published; or disjoint (language), balanced (vision): see
        # docs/differences.md.
        "policy": "published",
        # The first so many problems of a split; 0: all.
        "num_problems": {"train": 0, "validation": 0, "test": 0},
      },
      "training": {
        "num_epochs": 100,
        "batch_size": 32,
        "learning_rate": 1e-4,
        # Of networks that start from other weights; 0: as above.
        "pretrained_learning_rate": 0.0,
        "pretrained_batch_size": 0,
        "patience": 30,
        # Pairs to try with the first base seed before all are trained with
        # the best one; empty: the values above.
        "sweep": {"learning_rates": (), "batch_sizes": ()},
      },
      "search": {
        "num_epochs": 90,
        "batch_size": 64,
        "relaxation": "continuous_sparsification",
        "schedule": "geometric",
        "max_beta": 200.0,
        # Regexes of leaves held at beta = 1 (published: the vision head).
        "constant_beta": (),
        "num_mask_samples": 1,
        "data_order": "per_candidate",
        # weight: one logit per weight; neuron: one per output neuron.
        "unit": "weight",
        # Mask seeds of the chosen setting.
        "seeds": (0, 1, 2),
        # The grid; its settings are tried with grid_seed and one is selected
        # on validation data. A grid of one setting needs no selection.
        "learning_rates": (1e-2, 1e-4),
        "init_logits": (0.1, 0.05, 0.0, -0.05),
        "penalties": (1e-8,),
        # First masked stage; each value is a search of its own.
        "masked_from": (),
        "grid_seed": 0,
        # own_task, or published (prefers masks whose ablation hurts).
        "selection": "own_task",
        # What enters the first masked stage is computed once and kept on the
        # device, in the host's memory or on disk (WORKDIR/cache); off: computed
        # at every step. auto: the first that has room.
        "cache": "auto",
        # Memory of the host that auto may use for it.
        "cache_gigabytes": 4.0,
        # float32, or bfloat16: half the size.
        "cache_dtype": "float32",
        # Of the network while masks are searched and evaluated: float32, or
        # bfloat16 for accelerators. Weights, mask logits, optimiser and
        # cosines are float32 always.
        "compute_dtype": "float32",
      },
      # The masks that prune a network on its composite task (regime pruned);
      # everything else is as in `search`.
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
      # What does not change a result beyond rounding; may differ between two
      # launches in one work directory.
      "runtime": {
        # TFDS directory; empty: WORKDIR/data.
        "data_dir": "",
        # Devices that JAX makes of a CPU; candidates are split over them. As
        # many as mask seeds is fastest for small networks: every device
        # computes a candidate of its own, and no matmul waits for the others.
        "cpu_devices": 1,
        # Steps between two looks of the host; 0: one epoch.
        "steps_per_call": 0,
        # Candidates computed at once on a device; 0: all. auto: the fastest
        # of what fits, measured at the first search of its kind.
        "vmap_width": FieldReference("auto", field_type=object),
        # Devices that share the batches of a candidate, for networks whose
        # batch does not fit on one; the others split the candidates.
        "data_devices": 1,
        # Directory of compiled programs, which later launches need not compile;
        # empty: one below the user's cache directory; off: none.
        "compilation_cache": "",
        "checkpoint_seconds": 20.0,
      },
    }
  )


def choose(variants, variant):
  """Returns the changes of one variant, `variants[variant]`.

  Raises:
    ValueError: there is no such variant.
  """
  if variant not in variants:
    raise ValueError(
      f"unknown variant {variant!r}; choose one of {', '.join(variants)}"
    )
  return variants[variant]
