"""The search for one mask in PyTorch, and the batch it is timed with."""

import dataclasses
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
import torch
from torch import nn
from torch.utils import flop_counter

from benchmarks import measure
from benchmarks.pytorch import networks as torch_networks
from benchmarks.workload import Workload, reads
from structcomp_jax import masks, trees
from structcomp_jax.models.pretrained import tokenizers
from structcomp_jax.search import schedules

# Lepori et al. 2023 pad sentences to this many tokens.
_NUM_TOKENS = 50


def use_all_threads() -> int:
  """Computes with as many threads as XLA does; returns their number."""
  torch.set_num_threads(len(os.sched_getaffinity(0)))
  return torch.get_num_threads()


class MaskSearch:
  """The search for one mask; a loop over batches calls `step`.

  Args:
    network: `Bert` or `ResNet`; gets the masks.
    paths: of the weights to mask, in our network.
    learning_rate, init_logit, penalty: of our candidate.
  """

  def __init__(
    self,
    network: nn.Module,
    paths: Sequence[str],
    *,
    learning_rate: float,
    init_logit: float,
    penalty: float,
  ) -> None:
    self._network, self._penalty = network, penalty
    self._layers = [
      layer
      for layer in network.modules()
      if isinstance(layer, torch_networks.Masked) and layer.path in paths
    ]
    for layer in self._layers:
      layer.add_mask(init_logit)
    self._optimizer = torch.optim.Adam(
      [layer.mask_logits for layer in self._layers], lr=learning_rate
    )

  def step(
    self, items: tuple[torch.Tensor, ...], betas: Mapping[str, float]
  ) -> float:
    """Takes one optimiser step; returns the loss without penalty.

    Args:
      items: what the network reads, arrays [problems * 4, ...].
      betas: {path: sharpness of its mask}.
    """
    for layer in self._layers:
      layer.beta = betas[layer.path]
    self._optimizer.zero_grad()
    embeddings = self._network(*items)
    task_loss = torch_networks.odd_one_out_loss(
      embeddings.view(-1, 4, embeddings.shape[-1])
    )
    size = sum(layer.mask.sum() for layer in self._layers)
    (task_loss + self._penalty * size).backward()
    self._optimizer.step()
    return task_loss.item()


@dataclasses.dataclass(frozen=True, eq=False)
class Baseline:
  """The search in PyTorch, and the batch that it repeats.

  Attributes:
    search: the search.
    items: one batch.
    betas: step -> {path: sharpness}.
  """

  search: MaskSearch
  items: tuple[torch.Tensor, ...]
  betas: Callable[[int], Mapping[str, float]]

  def run(self, num_steps: int) -> tuple[list[float], float]:
    """Returns the losses of the first steps, and their seconds."""
    started = time.perf_counter()
    losses = [
      self.search.step(self.items, self.betas(number))
      for number in range(num_steps)
    ]
    return losses, time.perf_counter() - started

  def flops(self) -> float:
    """Returns what PyTorch counts for the products of one step."""
    with flop_counter.FlopCounterMode(display=False) as counter:
      self.run(1)
    return counter.get_total_flops()

  def stopwatch(self, least_seconds: float) -> measure.Stopwatch:
    """Returns a stopwatch of one step; runs some."""
    num_steps = max(1, round(least_seconds / self.run(1)[1]))
    return lambda: self.run(num_steps)[1] / num_steps


def make_baseline(workload: Workload, masked_from: Any) -> Baseline:
  """Returns the same search of the same problems in PyTorch."""
  spec = workload.spec(masked_from)
  config = workload.search_config()
  device = "cuda" if jax.default_backend() == "gpu" else "cpu"
  network, items = _network_and_items(workload)
  search = MaskSearch(
    network.to(device),
    spec.paths,
    learning_rate=config.learning_rates[0],
    init_logit=config.init_logits[0],
    penalty=config.penalties[0],
  )
  schedule = schedules.get_schedule(config.schedule)

  def betas(number):
    beta = float(
      schedule(
        np.int32(number),
        workload.steps_per_epoch,
        config.total_steps(workload.steps_per_epoch),
        config.max_beta,
      )
    )
    return masks.leaf_betas(spec, beta, config.constant_beta)

  return Baseline(
    search, tuple(torch.tensor(array).to(device) for array in items), betas
  )


def _network_and_items(
  workload: Workload,
) -> tuple[nn.Module, tuple[np.ndarray, ...]]:
  """Returns the network with our weights, and its batch."""
  study = workload.study
  weights = trees.leaves_by_path(workload.params)
  problems = study.domain.sample(workload.batch_size)
  sizes = workload.network.model.config
  if reads(study) == "images":
    images = study.datasets["base"].encode(problems)["images"]
    images = images.reshape(-1, *images.shape[2:]).transpose(0, 3, 1, 2)
    images = (images.astype(np.float32) / 255 - 0.9) / 0.1
    network = torch_networks.ResNet(weights, sizes)
    return network, (np.ascontiguousarray(images),)
  network = torch_networks.Bert(weights, sizes.num_layers, sizes.num_heads)
  batch = tokenizers.encode(
    study.domain.tokenizer,
    problems.ravel(),
    length=min(_NUM_TOKENS, sizes.max_positions),
  )
  return network, (batch["token_ids"], batch["attention_mask"])
