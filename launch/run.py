"""Runs a whole experiment: data, base networks, masks, results, report.

    python -m launch.run --config=configs/NAME.py[:variant] --workdir=DIR
      [--plan[=v5e:4x4]]

Give the same command again after a kill: complete steps are skipped, and the
one that was killed goes on from its last checkpoint. With --plan nothing is
run: printed are memory and cost of every step on the devices at hand, or on a
TPU topology, and what would make fit what does not.
"""

from absl import flags

from launch.process import main as common
from structcomp_jax.pipeline import run
from structcomp_jax.studies import plan, registry

# What --plan is without a topology.
_AT_HAND = "true"


class _OptionalValue(flags.Flag):  # type: ignore[type-arg]
  """A flag that may be given without a value, as --plan."""

  def __init__(self, name: str, help_string: str):
    super().__init__(
      parser=flags.ArgumentParser(),
      serializer=flags.ArgumentSerializer(),
      name=name,
      default=None,
      help_string=help_string,
      # Without a value, absl gives it "true".
      boolean=True,
    )


_PLAN = flags.DEFINE_flag(
  _OptionalValue(
    "plan",
    "Run nothing: print memory and cost of every step on the devices at hand, "
    "or on a TPU topology such as --plan=v5e:4x4 (needs libtpu, extra tpu).",
  )
)


def _run(config, workdir):
  if _PLAN.value in (None, "false"):
    run.run(config, workdir, registry.make_study)
    return
  topology = "" if _PLAN.value == _AT_HAND else _PLAN.value
  plan.show(config, workdir, registry.make_study, topology)


if __name__ == "__main__":
  common.main_with_config(_run)
