"""How a machine is used: the section `runtime` of every experiment."""

from typing import Any

from ml_collections import FieldReference


def runtime() -> dict[str, Any]:
  """Returns the fields of `structcomp_jax.pipeline.config.Runtime`.

  They change no result beyond rounding, so two launches in one work directory
  may differ in them.
  """
  return {
    # TFDS directory; empty: WORKDIR/data.
    "data_dir": "",
    # How many devices JAX makes of a CPU; candidates are split over them.
    # For small networks, as many devices as mask seeds are fastest: every
    # device computes one candidate, and no matmul waits for another.
    "cpu_devices": 1,
    # Steps in one call of the compiled program; 0: one epoch. The host
    # writes metrics and checkpoints between two calls.
    "steps_per_call": 0,
    # Candidates computed at once on a device; 0: all. auto: the fastest
    # number that fits, measured before the first search of its kind.
    "vmap_width": FieldReference("auto", field_type=object),
    # How many devices share the batches of one candidate, for networks
    # whose batch does not fit on one device. Candidates are split over
    # groups of so many devices.
    "data_devices": 1,
    # How many devices share the weights of one candidate and its mask logits,
    # for networks that one device can compute but not search: training and
    # evaluation keep the network whole.
    "model_devices": 1,
    # Directory in which compiled programs are kept for later launches.
    # Empty: one below the user's cache directory; off: none.
    "compilation_cache": "",
    # The least number of seconds between two checkpoints.
    "checkpoint_seconds": 20.0,
    # Whether the rows of metrics.jsonl are written for TensorBoard, too, into
    # WORKDIR/tensorboard.
    "tensorboard": False,
  }
