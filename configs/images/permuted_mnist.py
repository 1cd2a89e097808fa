r"""Permuted pictures: is one task of use in the next? (Csordás et al. 2021)

A network learns digits, then the same ones with their pixels in other orders,
and so on: weights that an earlier mask keeps stay as they are. Weights and
masks are learned together. Which share of a mask's weights is used again?

    python -m launch.run --config=configs/images/permuted_mnist.py:digits \
      --workdir=DIR

Variants: transfer_sharing (also ""), prefer_old, prefer_old_even_more (initial
logits of new weights of 2, 0 and -1), three (all of them); these read MNIST,
which is downloaded, or put into WORKDIR/data/downloads/manual. digits (two
cores, no download), smoke (seconds).
"""

from configs.common.are_nets_modular import feed_forward, with_changes
from configs.common.variants import choose

_PUBLISHED = feed_forward("ff_800_800_64", 800, 800, 64)


def _settings(source, new_inits, num_permutations=10):
  return {
    # transfer: weights that are used again stay as they were learned. redrawn
    # (control): they are drawn anew, and stay so.
    "regimes": ("transfer", "redrawn"),
    "data": {"source": source, "num_permutations": num_permutations},
    # Logits of weights that no mask has used yet; the others start from
    # search.init_logits, and so do all in the first permutation.
    "transfer": {"new_inits": new_inits},
    "search": {
      "num_steps": 30_000,
      "num_mask_samples": 8,
      "betas": (1.28e-3,),
      "clip_scope": "masks",
    },
  }


_DIGITS = _settings("digits", (2.0, 0.0, -1.0))
_DIGITS_SEARCH = {
  **_DIGITS["search"],
  "num_steps": 250,
  "batch_size": 64,
  "look_every": 125,
  "learning_rates": (2e-2,),
}

_VARIANTS = {
  "transfer_sharing": (_PUBLISHED, _settings("mnist", (2.0,))),
  "prefer_old": (_PUBLISHED, _settings("mnist", (0.0,))),
  "prefer_old_even_more": (_PUBLISHED, _settings("mnist", (-1.0,))),
  "three": (_PUBLISHED, _settings("mnist", (2.0, 0.0, -1.0))),
  "digits": (
    feed_forward("digits_ff_64_64_32", 64, 64, 32),
    {
      **_DIGITS,
      "base_seeds": (0, 1, 2, 3, 4),
      "search": _DIGITS_SEARCH,
      "runtime": {"cpu_devices": 2, "vmap_width": 1},
    },
  ),
  "smoke": (
    feed_forward("digits_ff_8_8", 8, 8),
    {
      **_settings("digits", (2.0, -1.0), num_permutations=2),
      "base_seeds": (0, 1),
      "search": {
        **_DIGITS_SEARCH,
        "num_steps": 4,
        "look_every": 2,
        "batch_size": 16,
        "learning_rates": (0.5,),
      },
    },
  ),
}


def get_config(variant: str = ""):
  """Returns the config of one variant.

  Raises:
    ValueError: there is no such variant.
  """
  config = with_changes(
    "permuted_mnist", *choose(_VARIANTS, variant or "transfer_sharing")
  )
  # Weights are learned in the search.
  del config["training"]
  return config
