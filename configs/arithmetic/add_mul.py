r"""Add or multiply two numbers (Csordás et al. 2021).

An operation is a part of the network if its mask keeps it and loses the other
one. From nothing to the report:

    python -m launch.run --config=configs/arithmetic/add_mul.py:small \
      --workdir=DIR

Variants: ff_big (2000 x 4, that of most figures; also ""), ff_small (400, 400,
200), ff_medium (800 x 4), ff_huge (4000 x 4), lstm; sensitivity and
sensitivity_big (masks at 25 penalties, of ff_medium and ff_big); ff_small_three
and lstm_reduced (three networks, the second with fewer steps, for two cores),
small (two cores), smoke (seconds).
"""

from configs.common.are_nets_modular import feed_forward, smoke, with_changes
from configs.common.variants import choose

_SMALL = feed_forward("ff_400_400_200", 400, 400, 200)
_MEDIUM = feed_forward("ff_4x800", 800, 800, 800, 800)
_BIG = feed_forward("ff_4x2000", 2000, 2000, 2000, 2000)
_LSTM = {
  "name": "lstm_2x256",
  "family": "lstm",
  "sizes": {"hidden_size": 256, "num_layers": 2},
}
# Times 1e-5; published.
_BETAS = (
  *(1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12.5, 15, 17.5, 20, 25, 30, 40, 50),
  *(60, 70, 80, 90, 100),
)
_SENSITIVITY = {
  "regimes": ("scratch",),
  "search": {"betas": tuple(round(beta * 1e-5, 9) for beta in _BETAS)},
}
_THREE = {"regimes": ("scratch",), "base_seeds": (0, 1, 2)}

_VARIANTS = {
  "ff_big": (_BIG, {}),
  "ff_small": (_SMALL, {}),
  "ff_medium": (_MEDIUM, {}),
  "ff_huge": (feed_forward("ff_4x4000", 4000, 4000, 4000, 4000), {}),
  "lstm": (_LSTM, {}),
  "sensitivity": (_MEDIUM, _SENSITIVITY),
  "sensitivity_big": (_BIG, _SENSITIVITY),
  "ff_small_three": (
    _SMALL,
    {**_THREE, "runtime": {"cpu_devices": 3, "vmap_width": 1}},
  ),
  "lstm_reduced": (
    _LSTM,
    {
      **_THREE,
      "training": {"num_steps": 7000},
      "search": {"num_steps": 3000},
      "runtime": {"cpu_devices": 3, "vmap_width": 1},
    },
  ),
  "small": (
    _SMALL,
    {
      "base_seeds": (0, 1),
      "training": {"num_steps": 9000},
      "search": {"num_steps": 5000, "seeds": (0, 1)},
      "runtime": {"cpu_devices": 4, "vmap_width": 1},
    },
  ),
  "smoke": (
    feed_forward("ff_2x16", 16, 16),
    smoke((1e-4, 1e-2), num_steps=20),
  ),
}


def get_config(variant: str = ""):
  """Returns the config of one variant.

  Raises:
    ValueError: there is no such variant.
  """
  return with_changes("add_mul", *choose(_VARIANTS, variant or "ff_big"))
