"""The arithmetic experiments: add or multiply, and two sums at once."""

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from structcomp_jax import types
from structcomp_jax.io.tables import Schema
from structcomp_jax.models import lstm, mlp
from structcomp_jax.pipeline.sizes import make_sizes
from structcomp_jax.studies.are_nets_modular.arithmetic_networks import (
  MODES,
  AddMulNetwork,
  DoubleAdditionNetwork,
)
from structcomp_jax.studies.are_nets_modular.columns import SCHEMAS
from structcomp_jax.studies.are_nets_modular.domain import CONTROL, WEIGHTS
from structcomp_jax.studies.are_nets_modular.mask_tests import Tests
from structcomp_jax.tasks import arithmetic
from structcomp_jax.tasks.arithmetic import add_mul, double_addition

_ALL = "all"
# Problems of one pair, the other of which the network does not see.
_ALONE = "alone"
# One-hot digits of two numbers, an operation; digits of one result.
_PAIR_INPUTS, _OPERATION_INPUTS, _RESULT_OUTPUTS = 40, 2, 20
# {family: where its first and its last kernel lie}
_FAMILIES = {"mlp": ("layer_0", "output"), "lstm": ("cell_0/input", "output")}
# Paths of all leaves that are the first or the last of their family.
END_LEAVES = frozenset(
  f"{end}/kernel" for ends in _FAMILIES.values() for end in ends
)


@dataclasses.dataclass(frozen=True, eq=False)
class Arithmetic:
  """One arithmetic experiment; see `domain.Domain`.

  Attributes:
    experiment: its name.
    policy: how problems are divided into splits.
    family: kind of the model.
  """

  network: Any
  frozen_network: Any
  subroutines: Mapping[str, str]
  test_tasks: tuple[str, ...]
  experiment: str
  policy: str
  family: str
  loss_draws: bool = False
  masked: str = WEIGHTS
  tests: type[Tests] = Tests
  tables: Mapping[str, Schema] = dataclasses.field(
    default_factory=lambda: SCHEMAS
  )
  only_tasks: Mapping[str, str] = dataclasses.field(default_factory=dict)

  def tasks(self) -> list[str]:
    return list(dict.fromkeys((*self.subroutines.values(), *self.test_tasks)))

  def dataset_name(self, task: str) -> str:
    suffix = "" if self.policy == "published" else f".{self.policy}"
    return f"arithmetic/{self.experiment}{suffix}"

  def available(self, task: str) -> Mapping[str, int]:
    return arithmetic.SPLIT_SIZES

  def sample(self, num_problems: int) -> np.ndarray:
    """Real problems."""
    return arithmetic.make_problems(self.experiment, "train")[:num_problems]

  def encode(self, task: str, problems: np.ndarray) -> types.Batch:
    return _ENCODE[self.experiment](task, problems)

  def separation(self) -> list[str]:
    return arithmetic.separation(self.dataset_name("").partition("/")[2])

  def ends(self) -> tuple[list[str], list[str]]:
    first, last = _FAMILIES[self.family]
    return [f"{first}/kernel"], [f"{last}/kernel"]

  def halves(self, paths: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """Early and late leaves; of LSTMs that add or multiply, random ones."""
    if self.family == "lstm" and self.experiment == "add_mul":
      return random_halves(paths)
    if self.experiment == "add_mul":
      num_early = -(-len(paths) // 2)
    else:
      num_early = len(paths) // 2
    return {"early": sorted(paths, key=_depth)[:num_early]}

  def outputs(self) -> tuple[str, Sequence[str]]:
    return "output/kernel", ()

  def output_leaves(self) -> tuple[str, ...]:
    return ("output/.*",)

  def copied(self, params: types.Params) -> types.Params | None:
    """Both pairs use the weights of pair 2 where they enter and leave.

    Csordás et al. 2021 did so with feed-forward networks: then exactly the same
    weights compute both sums.
    """
    if self.experiment != "double_addition" or self.family != "mlp":
      return None
    first, output = params["layer_0"], params["output"]
    kernel = first["kernel"]
    inputs = kernel.at[:_PAIR_INPUTS].set(kernel[_PAIR_INPUTS:])
    outputs = {
      name: leaf.at[..., :_RESULT_OUTPUTS].set(leaf[..., _RESULT_OUTPUTS:])
      for name, leaf in output.items()
    }
    return {
      **params,
      "layer_0": {**first, "kernel": inputs},
      "output": outputs,
    }


def random_halves(paths: Sequence[str]) -> dict[str, list[str]]:
  """Returns up to five random halves, the same for the same paths."""
  size = -(-len(paths) // 2)
  subsets = list(itertools.combinations(sorted(paths), size))
  chosen = np.random.default_rng(0).permutation(len(subsets))[:5]
  return {f"random_{i}": list(subsets[j]) for i, j in enumerate(chosen)}


def _depth(path: str) -> tuple[bool, int, str]:
  """Returns where a leaf stands: by number, and the output last."""
  stage = path.partition("/")[0]
  # layer_10 comes after layer_9.
  return stage == "output", len(stage), path


def _encode_add_mul(task: str, problems: np.ndarray) -> types.Batch:
  if task != _ALL:
    is_asked = problems[:, 2] == add_mul.OPERATIONS.index(task)
    if not is_asked.any():
      raise types.UserError(
        f"none of {len(problems)} problems of a split is one of task {task}; "
        "raise data.num_problems"
      )
    problems = problems[is_asked]
  results = {
    name: add_mul.targets(
      np.concatenate(
        [problems[:, :2], np.full((len(problems), 1), index, np.uint8)], axis=1
      )
    )
    for index, name in enumerate(("sum", "product"))
  }
  return {
    "numbers": _flat_digits(problems[:, :2]),
    "operation": problems[:, 2].astype(np.int32),
    "target": arithmetic.digits(add_mul.targets(problems)),
    **{name: arithmetic.digits(values) for name, values in results.items()},
  }


def _encode_double_addition(task: str, problems: np.ndarray) -> types.Batch:
  numbers = _flat_digits(problems.reshape(-1, 2, 2))
  targets = arithmetic.digits(double_addition.targets(problems))
  part, _, sees = task.partition(".")
  if part != _ALL:
    other = 1 - double_addition.PAIRS.index(part)
    targets[:, other] = -1
    if sees == _ALONE:
      numbers[:, other] = -1
  return {"numbers": numbers, "target": targets}


_ENCODE: Mapping[str, Callable[[str, np.ndarray], types.Batch]] = {
  "add_mul": _encode_add_mul,
  "double_addition": _encode_double_addition,
}


def _flat_digits(numbers: np.ndarray) -> np.ndarray:
  """Returns i32[..., 4]: the digits of the two numbers on the last axis."""
  digits = arithmetic.digits(numbers)
  return digits.reshape(*digits.shape[:-2], -1)


EXPERIMENTS = ("add_mul", "double_addition")
CHOICES = {
  "data.policy": arithmetic.POLICIES,
  "model.family": tuple(_FAMILIES),
  "regimes": ("scratch", "copy_weight", "random_init"),
}


def make(config: ConfigDict) -> Arithmetic:
  """Makes the network that the config describes, and what it reads.

  Raises:
    UserError: sizes, mode or search.cache fit nothing.
  """
  if config.experiment == "add_mul":
    parts, sees = add_mul.OPERATIONS, ""
    network: Any = _add_mul_network(config)
  else:
    parts, sees = double_addition.PAIRS, f".{_ALONE}"
    network = _double_addition_network(config)
  return Arithmetic(
    network=network.in_dtype("float32"),
    frozen_network=network.in_dtype(config.search.compute_dtype),
    subroutines={CONTROL: _ALL, **{part: part + sees for part in parts}},
    test_tasks=parts,
    experiment=config.experiment,
    policy=config.data.policy,
    family=config.model.family,
  )


def _add_mul_network(config: ConfigDict) -> AddMulNetwork:
  model = _model(
    config.model, _PAIR_INPUTS + _OPERATION_INPUTS, _RESULT_OUTPUTS
  )
  return AddMulNetwork(model, is_recurrent=config.model.family == "lstm")


def _double_addition_network(config: ConfigDict) -> DoubleAdditionNetwork:
  name = _mode(config.model) if config.model.family == "lstm" else ""
  if not name:
    _check_cache(config.search)
  one_input = bool(name) and MODES[name].one_input
  one_output = bool(name) and MODES[name].one_output
  model = _model(
    config.model,
    _PAIR_INPUTS * (2 - one_input),
    _RESULT_OUTPUTS * (2 - one_output),
  )
  return DoubleAdditionNetwork(model, mode=name)


def _mode(model: ConfigDict) -> str:
  """Returns the name of the mode of an LSTM, if there is such a mode."""
  if "mode" not in model:
    raise types.UserError(
      f"model.family {model.family!r} needs model.mode, which the config does "
      "not have; start from a variant of that family"
    )
  if model.mode not in MODES:
    raise types.UserError(
      f"model.mode {model.mode!r} is unknown; choose from {', '.join(MODES)}"
    )
  return str(model.mode)


def _check_cache(search: ConfigDict) -> None:
  """Raises UserError for features of a problem that has two passes."""
  (masked_from,) = search.masked_from
  if search.cache != "off" and masked_from not in (0, "layer_0"):
    raise types.UserError(
      f"search.cache {search.cache!r} keeps what enters {masked_from!r}, but a "
      "feed-forward network has two passes for a problem of double_addition; "
      "set it to off"
    )


def _model(model: ConfigDict, num_inputs: int, num_outputs: int) -> Any:
  ends = {"num_inputs": num_inputs, "num_outputs": num_outputs}
  if model.family == "mlp":
    return mlp.Mlp(make_sizes(model, mlp.MlpConfig, **ends))
  return lstm.Lstm(make_sizes(model, lstm.LstmConfig, **ends))
