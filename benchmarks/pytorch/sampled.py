"""Several mask samples per batch, as a PyTorch user writes them.

Every mask is in its layer, one mask is learnt at a time, the mode is eager, all
as in the implementation of Csordás et al. 2021: two uniforms and four
logarithms for every weight and sample, and a norm for clipping that counts the
gradients of the frozen weights, which pile up.
"""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks import measure
from benchmarks.workload import Workload
from structcomp_jax import trees

_EPSILON = 1e-10


class SampledLinear(nn.Module):
  """x W^T + b with S samples of the mask, each for a chunk of the batch."""

  def __init__(
    self, kernel: np.ndarray, bias: np.ndarray | None, init_logit: float
  ) -> None:
    super().__init__()
    self.weight = nn.Parameter(torch.tensor(np.array(kernel).T.copy()))
    self.bias = (
      None if bias is None else nn.Parameter(torch.tensor(np.array(bias)))
    )
    self.mask_logits = nn.Parameter(torch.full_like(self.weight, init_logit))
    self.masked = self.weight

  def draw(self, num_samples: int) -> None:
    """Draws masks for the next forward pass."""
    u0, u1 = torch.rand(2, num_samples, *self.weight.shape)
    log = torch.log(torch.log(u1 + _EPSILON) / torch.log(u0 + _EPSILON) + 1e-10)
    soft = torch.sigmoid(self.mask_logits - log)
    hard = (soft > 0.5).float() - soft.detach() + soft
    self.masked = self.weight * hard

  def forward(self, x: torch.Tensor) -> torch.Tensor:
    num_samples = len(self.masked)
    chunks = x.view(num_samples, -1, x.shape[-1])
    output = torch.bmm(chunks, self.masked.transpose(1, 2))
    output = output.view(len(x), -1)
    return output if self.bias is None else output + self.bias


class FeedForward(nn.Module):
  """Linear layers with ReLU between them."""

  def __init__(self, layers: Sequence[SampledLinear]) -> None:
    super().__init__()
    self.layers = nn.ModuleList(layers)

  def forward(self, x: torch.Tensor) -> torch.Tensor:
    for layer in self.layers[:-1]:
      x = F.relu(layer(x))
    return self.layers[-1](x)


class Lstm(nn.Module):
  """Cells of two products, step by step; reads the last step."""

  def __init__(
    self,
    cells: Sequence[tuple[SampledLinear, SampledLinear]],
    output: SampledLinear,
  ) -> None:
    super().__init__()
    self.cells = nn.ModuleList(nn.ModuleList(cell) for cell in cells)
    self.output = output

  def forward(self, x: torch.Tensor) -> torch.Tensor:
    for read, recur in self.cells:
      size = recur.weight.shape[1]
      hidden = memory = x.new_zeros(len(x), size)
      outputs = []
      for step in range(x.shape[1]):
        gates = read(x[:, step].contiguous()) + recur(hidden)
        i, f, g, o = gates.chunk(4, dim=1)
        memory = torch.sigmoid(f) * memory + torch.sigmoid(i) * torch.tanh(g)
        hidden = torch.sigmoid(o) * torch.tanh(memory)
        outputs.append(hidden)
      x = torch.stack(outputs, dim=1)
    return self.output(x[:, -1].contiguous())


@dataclasses.dataclass(frozen=True, eq=False)
class Baseline:
  """The search for one mask, and the batch that it repeats."""

  network: nn.Module
  optimizer: Any
  features: torch.Tensor
  targets: torch.Tensor
  penalty: float
  clip_norm: float
  num_samples: int

  def step(self) -> float:
    """Takes one step; returns the loss without penalty."""
    layers = [m for m in self.network.modules() if isinstance(m, SampledLinear)]
    self.optimizer.zero_grad()
    for layer in layers:
      layer.draw(self.num_samples)
    logits = self.network(self.features).view(-1, 10)
    loss = F.cross_entropy(logits, self.targets.view(-1))
    size = sum(layer.mask_logits.sum() for layer in layers)
    (loss + self.penalty * size).backward()
    # Of the frozen weights, too: nothing clears their gradients.
    nn.utils.clip_grad_norm_(self.network.parameters(), self.clip_norm)
    self.optimizer.step()
    return loss.item()

  def run(self, num_steps: int) -> tuple[list[float], float]:
    """Returns the losses of the first steps, and their seconds."""
    started = time.perf_counter()
    losses = [self.step() for _ in range(num_steps)]
    return losses, time.perf_counter() - started

  def stopwatch(self, least_seconds: float) -> measure.Stopwatch:
    """Returns a stopwatch of one step; runs some."""
    num_steps = max(1, round(least_seconds / self.run(1)[1]))
    return lambda: self.run(num_steps)[1] / num_steps


def make_baseline(workload: Workload, init_logit: float) -> Baseline:
  """Returns the same search of the same batch in PyTorch.

  Args:
    workload: of add_mul, or of double_addition with an LSTM in mode together.
    init_logit: where all logits begin.
  """
  config = workload.search_config()
  network = workload.network
  weights = trees.leaves_by_path(workload.params)
  batch = {name: array[: workload.batch_size] for name, array in
           workload.problems.items()}  # fmt: skip
  features = np.asarray(network._inputs(batch)["features"])
  targets = np.asarray(batch["target"]).reshape(-1)
  model = (_lstm if features.ndim == 3 else _feed_forward)(weights, init_logit)
  logits = [layer.mask_logits for layer in model.modules()
            if isinstance(layer, SampledLinear)]  # fmt: skip
  return Baseline(
    network=model,
    optimizer=torch.optim.Adam(logits, lr=config.learning_rates[0]),
    features=torch.tensor(features),
    targets=torch.tensor(targets, dtype=torch.long),
    penalty=config.penalties[0],
    clip_norm=config.clip_norm,
    num_samples=config.num_mask_samples,
  )


def _feed_forward(weights: Mapping[str, Any], init_logit: float) -> FeedForward:
  names = sorted({path.split("/")[0] for path in weights} - {"output"})
  return FeedForward(
    [
      SampledLinear(
        weights[f"{name}/kernel"], weights[f"{name}/bias"], init_logit
      )
      for name in (*names, "output")
    ]
  )


def _lstm(weights: Mapping[str, Any], init_logit: float) -> Lstm:
  names = sorted({path.split("/")[0] for path in weights} - {"output"})
  cells = [
    (
      SampledLinear(
        weights[f"{name}/input/kernel"], weights[f"{name}/bias"], init_logit
      ),
      SampledLinear(weights[f"{name}/recurrent/kernel"], None, init_logit),
    )
    for name in names
  ]
  output = SampledLinear(
    weights["output/kernel"], weights["output/bias"], init_logit
  )
  return Lstm(cells, output)
