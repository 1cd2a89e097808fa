"""Subject-verb agreement in five minutes on two cores: `make quickstart`.

    python -m launch.run --config=configs/quickstart.py --workdir=DIR

The experiment sv_singular with a BERT of 2 layers of 64, 2 base seeds and 3
mask seeds per subroutine, beside networks that were never trained.
"""

from configs.common.language import language_variant


def get_config(variant: str = ""):
  """Returns the quickstart config; variant "smoke" takes seconds."""
  config = language_variant("sv_singular", variant or "small")
  if not variant:
    config.base_seeds = (0, 1)
    config.data.num_problems.test = 500
    config.training.num_epochs = 4
    # One pass at three times the step size, tried with both penalties.
    config.search.num_epochs = 1
    config.search.learning_rates = (3e-2,)
  return config
