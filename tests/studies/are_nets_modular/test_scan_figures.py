"""Figures of SCAN show all that was found."""

import pandas as pd

from structcomp_jax.studies.are_nets_modular.page import scan_figures


def test_the_highest_bar_of_lost_weights_can_be_seen():
  rows = [
    {
      "regime": "scratch", "base_seed": seed, "subroutine": mask,
      "mask_seed": 0, "beta": 3e-5, "output": output, "size": 200,
      "kept": 200 - lost, "control_kept": 200, "lost": lost,
    }
    for seed in (0, 1)
    for mask, output, lost in (
      ("control", "I_JUMP", 0), ("jump", "I_JUMP", 60), ("jump", "EOS", 1),
    )
  ]  # fmt: skip
  figure = scan_figures.output_figure(pd.DataFrame(rows))
  axis = figure.axes[0]
  highest = max(bar.get_height() for bar in axis.patches)
  assert highest == 30
  assert 30 < axis.get_ylim()[1] < 40
