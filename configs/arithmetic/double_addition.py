r"""Two additions in one network (Csordás et al. 2021).

Both pairs of numbers need the same function: are their sums computed by the
same weights? From nothing to the report:

    python -m launch.run --config=configs/arithmetic/double_addition.py:small \
      --workdir=DIR

Variants: ff_big (2000 x 4, also ""), ff_big_copy_weight (beside networks that
share weights by construction), ff_small (800 x 4, the half-mask test),
lstm_together and lstm_only_one_io (how an LSTM reads the pairs: `model.mode`,
one of together, only_one, only_one_io, same_input, same_output, same_io);
ff_400_reduced, copy_weight_reduced and lstm_reduced (three networks, fewer
steps, for two cores), small (two cores), smoke (seconds).
"""

from configs.common.are_nets_modular import feed_forward, smoke, with_changes
from configs.common.variants import choose

_FF_BIG = feed_forward("ff_4x2000", 2000, 2000, 2000, 2000)
_FF_400 = feed_forward("ff_4x400", 400, 400, 400, 400)
_COPIES = {"regimes": ("scratch", "copy_weight", "random_init")}
_REDUCED = {
  "base_seeds": (0, 1, 2),
  "training": {"num_steps": 6000},
  "runtime": {"cpu_devices": 3, "vmap_width": 1},
}


def _lstm(mode):
  return {
    "name": f"lstm_2x256_{mode}",
    "family": "lstm",
    "mode": mode,
    "sizes": {"hidden_size": 256, "num_layers": 2},
  }


# The feed-forward networks were published with the larger penalty.
_FF_BETA = {"search": {"betas": (4e-4,)}}

_VARIANTS = {
  "ff_big": (_FF_BIG, _FF_BETA),
  "ff_big_copy_weight": (_FF_BIG, {**_FF_BETA, **_COPIES}),
  "ff_small": (feed_forward("ff_4x800", 800, 800, 800, 800), _FF_BETA),
  "lstm_together": (_lstm("together"), {}),
  "lstm_only_one_io": (_lstm("only_one_io"), {}),
  "ff_400_reduced": (
    _FF_400,
    {
      **_REDUCED,
      "regimes": ("scratch",),
      "search": {"betas": (4e-4,), "num_steps": 6000},
    },
  ),
  "copy_weight_reduced": (
    _FF_400,
    {
      **_REDUCED,
      **_COPIES,
      "search": {"betas": (4e-4,), "num_steps": 6000, "seeds": (0, 1)},
    },
  ),
  "lstm_reduced": (
    _lstm("together"),
    {**_REDUCED, "regimes": ("scratch",), "search": {"num_steps": 3000}},
  ),
  "small": (
    feed_forward("ff_4x256", 256, 256, 256, 256),
    {
      **_COPIES,
      "base_seeds": (0, 1),
      "data": {"num_problems": {"train": 200_000}},
      "training": {"num_steps": 5000},
      "search": {"betas": (4e-4,), "num_steps": 4000, "seeds": (0, 1)},
      "runtime": {"cpu_devices": 4, "vmap_width": 1},
    },
  ),
  "smoke": (
    feed_forward("ff_2x16", 16, 16),
    {**_COPIES, **smoke((4e-4,), num_steps=20)},
  ),
}


def get_config(variant: str = ""):
  """Returns the config of one variant.

  Raises:
    ValueError: there is no such variant.
  """
  chosen = choose(_VARIANTS, variant or "ff_big")
  return with_changes("double_addition", *chosen)
