"""A PyTorch module as a JAX function of its weights, and weights back into it.

`torchax` runs the module's own Python code on JAX arrays, so that any network
will do whose operations it knows. Both packages come with the extra `torch`.
"""

import copy
import importlib
import itertools
from collections.abc import Mapping
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from structcomp_jax import trees
from structcomp_jax.bridges import arrays
from structcomp_jax.types import Params, UserError, one_line

_FLOATING = ("float16", "bfloat16", "float32", "float64")
_WHOLE = ("bool", "uint8", "int8", "int16", "int32", "int64")


class Apply(Protocol):
  """A module as a pure function."""

  def __call__(self, params: Params, /, *args: Any, **kwargs: Any) -> Any:
    """Returns what the module's `forward` returns, see `from_module`."""


def from_module(
  module: Any, dtype: Any = None
) -> tuple[dict[str, jax.Array], Apply]:
  """Returns the weights of a PyTorch module, and the module as a function.

      params, apply = from_module(model.eval())
      logits = apply(params, token_ids)["logits"]

  The module is copied: nothing that happens to it later changes `apply`, and
  what its code writes to itself while it runs is forgotten.

  Args:
    module: `torch.nn.Module` in eval mode. It stays as it is.
    dtype: what floating weights and buffers are cast to, such as jnp.float32;
      None keeps their dtypes.

  Returns:
    params: {name as in `state_dict`: float[...]}, parameters and floating
      buffers (running averages, frequencies). A tensor with several names, such
      as a tied embedding, is one leaf under the first of them. Buffers of
      integers, and tensors that are neither, are constants of `apply`.
    apply: (params, *inputs, **inputs) -> outputs. Inputs are those of
      `module.forward`, with JAX or NumPy arrays for tensors. Outputs are JAX
      arrays; mappings become dicts, and what is no array (a cache) is left out.

  Raises:
    UserError: PyTorch or torchax is not installed; the module is in training
      mode, compiled, quantised or without values (meta device); or tensors
      share a part of their memory. `apply` raises it where a leaf is missing or
      of another shape, or torchax does not know an operation.
  """
  torch, torchax = _library("torch"), _library("torchax")
  registered = _registered(torch, module)
  _check_eval(module)
  tensors = registered | _attributes(torch, module)
  _check_values(torch, tensors)
  _check_overlaps(tensors)
  # For each piece of memory a tensor without values, which holds its place in
  # a copy of the module.
  blanks: dict[Any, Any] = {}
  params: dict[str, jax.Array] = {}
  leaves: dict[str, Any] = {}
  constants: list[tuple[Any, Any]] = []
  for name, tensor in tensors.items():
    memory = _memory(tensor)
    if memory in blanks:
      continue
    blanks[memory] = blank = tensor.detach().to("meta")
    array = _to_numpy(torch, tensor)
    if not tensor.is_floating_point():
      constants.append((blank, np.array(array)))
    elif name in registered:
      params[name], leaves[name] = arrays.leaf(name, array, dtype), blank
    else:
      constants.append((blank, arrays.leaf(name, array, dtype)))
  shell = copy.deepcopy(
    module, {id(tensor): blanks[_memory(tensor)] for tensor in tensors.values()}
  )
  shapes = {name: value.shape for name, value in params.items()}
  environment = torchax.default_env()  # It draws a key: not within a trace.

  def to_torch(value):
    is_array = isinstance(value, (np.ndarray, jax.Array))
    return environment.j2t_iso(jnp.asarray(value)) if is_array else value

  def apply(params, /, *args, **kwargs):
    given = trees.leaves_by_path(params)
    arrays.check_fit(_shapes(given), shapes, all_of=True)
    values = {
      id(blank): to_torch(given[name]) for name, blank in leaves.items()
    }
    values |= {id(blank): to_torch(array) for blank, array in constants}
    args, kwargs = jax.tree.map(to_torch, (args, kwargs))
    try:
      with environment:
        outputs = copy.deepcopy(shell, values)(*args, **kwargs)
    except torchax.tensor.OperatorNotFound as error:
      raise UserError(
        f"torchax cannot translate the module: {one_line(error)}; write this "
        "step with other operations"
      ) from error
    return arrays.plain(outputs, torch.is_tensor, environment.t2j_iso)

  return params, apply


def write_back(module: Any, params: Params, *, in_place: bool = False) -> Any:
  """Returns a PyTorch module with other weights, such as masked ones.

      masked = write_back(model, masks.merge(params, result.mask))
      masked.save_pretrained(directory)  # or safetensors.torch.save_model

  Args:
    module: what `params` were made of by `from_module`, in any mode.
    params: all of these leaves or some, in any floating dtype. They are cast to
      the dtypes of the module.
    in_place: changes `module` itself instead of a copy.

  Returns:
    A copy of the module, or `module`.

  Raises:
    UserError: PyTorch is not installed, or the module has no such leaf, or has
      it in another shape (a stack of masked networks: take one row).
  """
  torch = _library("torch")
  given = trees.leaves_by_path(params)
  shapes = {
    name: tuple(tensor.shape)
    for name, tensor in _registered(torch, module).items()
  }
  arrays.check_fit(_shapes(given), shapes)
  target = module if in_place else copy.deepcopy(module)
  tensors = _registered(torch, target)
  with torch.no_grad():
    for name, value in given.items():
      array = np.asarray(value)
      if array.dtype == jnp.bfloat16:  # PyTorch takes no such NumPy array.
        array = array.astype(np.float32)
      tensors[name].copy_(torch.from_numpy(np.array(array)))
  return target


def _library(name: str) -> Any:
  """Returns a package of the extra `torch`."""
  try:
    return importlib.import_module(name)
  except ImportError as error:
    raise UserError(
      f"the bridge to PyTorch needs {name}; pip install 'structcomp_jax[torch]'"
    ) from error
  except (
    AttributeError
  ) as error:  # How torchax meets a PyTorch it is too old for.
    raise UserError(
      f"{name} does not fit the other packages ({one_line(error)}); install "
      "versions of the table in docs/torch.md"
    ) from error


def _shapes(leaves: Mapping[str, Any]) -> dict[str, arrays.Shape]:
  return {name: np.shape(value) for name, value in leaves.items()}


def _registered(torch: Any, module: Any) -> dict[str, Any]:
  """Returns {name: parameter or buffer}, with all names of each."""
  if not isinstance(module, torch.nn.Module):
    raise UserError(
      f"{type(module).__name__} is no torch.nn.Module; give the network itself"
    )
  if isinstance(module, torch.jit.ScriptModule) or hasattr(module, "_orig_mod"):
    raise UserError(
      "the module is compiled; give the one that it was compiled from"
    )
  return {
    **dict(module.named_parameters(remove_duplicate=False)),
    **dict(module.named_buffers(remove_duplicate=False)),
  }


def _attributes(torch: Any, module: Any) -> dict[str, Any]:
  """Returns {name: tensor} of those that modules just hold as attributes."""
  return {
    f"{prefix}.{name}".lstrip("."): value
    for prefix, part in module.named_modules()
    for name, value in vars(part).items()
    if torch.is_tensor(value)
  }


def _check_eval(module: Any) -> None:
  for name, part in module.named_modules():
    if part.training:
      raise UserError(
        f"the module is in training mode ({name or type(part).__name__}), "
        "where dropout draws and batch norm changes its averages; call "
        "module.eval() first"
      )


def _check_values(torch: Any, tensors: Mapping[str, Any]) -> None:
  """Raises UserError unless tensors are plain arrays with values."""
  for name, tensor in tensors.items():
    if torch.nn.parameter.is_lazy(tensor) or tensor.is_meta:
      raise UserError(
        f"tensor {name!r} has no values yet; load the weights, or run the "
        "module once if its layers are lazy"
      )
    # A parameter of whole numbers is quantised.
    is_weight = isinstance(tensor, torch.nn.Parameter)
    allowed = _FLOATING if is_weight else (*_FLOATING, *_WHOLE)
    dtype = str(tensor.dtype).removeprefix("torch.")
    if tensor.layout != torch.strided or dtype not in allowed:
      raise UserError(
        f"tensor {name!r} of {dtype} is sparse, quantised or complex; give a "
        "network with dense real weights"
      )


def _check_overlaps(tensors: Mapping[str, Any]) -> None:
  """Raises UserError if two tensors share a part of their memory.

  A mask of the one would have to change the other one.
  """
  spans: dict[Any, tuple[str, int, int, str]] = {}
  for name, tensor in tensors.items():
    steps = zip(tensor.shape, tensor.stride(), strict=True)
    extent = 1 + sum((size - 1) * stride for size, stride in steps)
    begin = tensor.data_ptr()
    if tensor.numel():
      end = begin + extent * tensor.element_size()
      spans.setdefault(_memory(tensor), (str(tensor.device), begin, end, name))
  for first, second in itertools.pairwise(sorted(spans.values())):
    if first[0] == second[0] and second[1] < first[2]:
      raise UserError(
        f"tensors {first[3]!r} and {second[3]!r} share a part of their memory; "
        "give one of them a copy (tensor.clone())"
      )


def _memory(tensor: Any) -> Any:
  """Returns the same value for tensors that are one."""
  if not tensor.numel():
    return id(tensor)
  return (
    str(tensor.device),
    tensor.data_ptr(),
    tuple(tensor.shape),
    tensor.stride(),
    str(tensor.dtype),
  )


def _to_numpy(torch: Any, tensor: Any) -> np.ndarray:
  """Returns the values of a tensor, in the memory of the tensor if it can."""
  tensor = tensor.detach().cpu().contiguous()
  if tensor.dtype == torch.bfloat16:  # NumPy does not know it.
    return tensor.view(torch.int16).numpy().view(jnp.bfloat16)
  return tensor.numpy()
