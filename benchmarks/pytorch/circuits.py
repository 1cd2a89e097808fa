"""Masks as NeuroSurgeon learns them, in a plain loop over the same batches."""

import types
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import transformers
from NeuroSurgeon.Models import circuit_model, model_configs
from torch import nn

from benchmarks.frozen_networks import Case, layer_names
from benchmarks.pytorch.networks import odd_one_out_loss
from structcomp_jax import search, trees
from structcomp_jax.models.pretrained import hugging_face
from structcomp_jax.search import schedules


class _Perceptron(nn.Module):
  """`frozen_networks.perceptron` with layers of the same names."""

  def __init__(self, case: Case) -> None:
    super().__init__()
    for name, layer in case.params.items():
      linear = nn.Linear(*layer["kernel"].shape)
      linear.load_state_dict(
        {"weight": _tensor(layer["kernel"]).T, "bias": _tensor(layer["bias"])}
      )
      self.add_module(name, linear)
    self.names = sorted(case.params.keys() - {"output"})

  def forward(self, x, y, return_dict=True):
    for name in self.names:
      x = torch.relu(getattr(self, name)(x))
    loss = torch.mean((self.output(x)[:, 0] - y) ** 2)
    return types.SimpleNamespace(loss=loss)


class _Bert(transformers.BertModel):
  """The BERT of transformers with our weights, which finds the odd item."""

  def __init__(self, case: Case) -> None:
    sizes = case.sizes
    config = transformers.BertConfig(
      vocab_size=sizes.vocab_size,
      hidden_size=sizes.hidden_size,
      num_hidden_layers=sizes.num_layers,
      num_attention_heads=sizes.num_heads,
      intermediate_size=sizes.intermediate_size,
      max_position_embeddings=sizes.max_positions,
      type_vocab_size=sizes.type_vocab_size,
      layer_norm_eps=sizes.layer_norm_eps,
      hidden_act=sizes.hidden_act,
    )
    super().__init__(config, add_pooling_layer=False)
    leaves = trees.leaves_by_path(case.params)
    tensors = {}
    for path, place in hugging_face.bert_layout(sizes).places.items():
      tensor = _tensor(leaves[path])
      tensors[place.name] = tensor.T if place.is_transposed else tensor
    self.load_state_dict(tensors)

  def forward(self, token_ids, attention_mask, return_dict=True):
    hidden = super().forward(
      input_ids=token_ids.flatten(0, 1),
      attention_mask=attention_mask.flatten(0, 1),
    )
    sentences = hidden.last_hidden_state[:, 0]
    loss = odd_one_out_loss(sentences.view(*token_ids.shape[:2], -1))
    return types.SimpleNamespace(loss=loss)


def _tensor(array: Any) -> torch.Tensor:
  return torch.from_numpy(np.array(array))


class Circuit:
  """The search for one mask in NeuroSurgeon.

  Args:
    case: network and task.
    relaxation: its name, which is the same in both packages.
    num_steps: of the search.
    seed: of PyTorch's random numbers.
  """

  def __init__(
    self, case: Case, relaxation: str, num_steps: int, seed: int
  ) -> None:
    torch.manual_seed(seed)
    config = case.config(relaxation, (seed,))
    self._layers = layer_names(case)
    self._data = {name: _tensor(array) for name, array in case.train.items()}
    self.model = _with_masks(case, relaxation, config)
    self._optimizer = torch.optim.Adam(
      [one for one in self.model.parameters() if one.requires_grad],
      lr=config.learning_rates[0],
    )
    self._temperatures = None
    if relaxation == "continuous_sparsification":
      # `geometric` needs no epochs.
      betas = schedules.geometric(
        np.arange(num_steps), None, num_steps, config.max_beta
      )
      self._temperatures = np.asarray(betas).tolist()

  def run(self, order: np.ndarray) -> None:
    """Takes a step on each batch, i32[steps, batch]."""
    for step, examples in enumerate(torch.from_numpy(order)):
      if self._temperatures:
        self.model.temperature = self._temperatures[step]
      batch = {name: array[examples] for name, array in self._data.items()}
      self._optimizer.zero_grad()
      self.model(**batch).loss.backward()
      self._optimizer.step()

  def mask(self) -> dict[str, np.ndarray]:
    """Returns the hard mask of every layer, {path: bool[in, out]}."""
    self.model.eval()
    modules = dict(self.model.wrapped_model.named_modules())
    with torch.no_grad():
      return {
        path: modules[name]._compute_mask("weight_mask_params").T.numpy() > 0
        for path, name in self._layers.items()
      }

  def test_loss(self, batch: Mapping[str, Any], *, removed: bool) -> float:
    """Returns the mean loss with the hard mask, or without what it keeps."""
    self.model.eval()
    self.model.set_ablate_mode("zero_ablate" if removed else "none")
    with torch.no_grad():
      tensors = {name: _tensor(array) for name, array in batch.items()}
      return float(self.model(**tensors).loss)


def _with_masks(
  case: Case, relaxation: str, config: search.SearchConfig
) -> circuit_model.CircuitModel:
  """Returns the network with a mask in every masked layer."""
  logit = config.init_logits[0]
  network = _Perceptron(case) if case.sizes is None else _Bert(case)
  circuit = model_configs.CircuitConfig(
    mask_method=relaxation,
    mask_hparams={
      "ablation": "none",
      "mask_unit": "weight",
      "mask_bias": False,
      "mask_init_value": logit,
      "mask_init_percentage": 1 / (1 + np.exp(-logit)),
    },
    target_layers=list(layer_names(case).values()),
    l0_lambda=config.penalties[0],
  )
  with warnings.catch_warnings():
    # It warns of the temperature that it sets itself.
    warnings.simplefilter("ignore")
    return circuit_model.CircuitModel(circuit, network)
