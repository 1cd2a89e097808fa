"""Subject-verb agreement in minutes on two cores: `make quickstart`.

    python -m launch.run --config=configs/quickstart.py --workdir=DIR

This is the experiment sv_singular with a BERT of 2 layers of width 64, 4 base
seeds and one mask per subroutine. Networks that were never trained are
searched the same way, for comparison.
"""

from configs.common.language import language_variant


def get_config(variant: str = ""):
  """Returns the quickstart config; variant "smoke" takes seconds."""
  config = language_variant("sv_singular", variant or "small")
  if not variant:
    # Base networks are what an answer is inferred from, so there are many of
    # them and few masks in each.
    config.base_seeds = (0, 1, 2, 3)
    config.data.num_problems.test = 500
    config.training.num_epochs = 4
    # The search takes one epoch at three times the step size of `small`.
    config.search.num_epochs = 1
    config.search.learning_rates = (3e-2,)
    config.search.penalties = (1e-8,)
    config.search.seeds = (0,)
  return config
