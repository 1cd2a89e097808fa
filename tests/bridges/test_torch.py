"""Modules of PyTorch, from transformers and torchvision, as JAX functions.

Run where the extra `torch` is installed, see docs/torch.md.
"""

import copy
import pathlib
import re
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

pytest.importorskip("torch")
pytest.importorskip("torchax", exc_type=(ImportError, AttributeError))

import torch

from structcomp_jax import masks, search
from structcomp_jax.bridges import torch as bridge
from structcomp_jax.trees import fingerprint
from structcomp_jax.types import UserError

TOKENS = np.random.default_rng(0).integers(0, 50, (2, 10))
PICTURES = (
  np.random.default_rng(0).normal(size=(2, 3, 32, 32)).astype("float32")
)
SIZES = {
  "hidden_size": 32,
  "num_hidden_layers": 2,
  "num_attention_heads": 2,
  "intermediate_size": 48,
}


@pytest.fixture(autouse=True)
def same_draws():
  """Makes the same random weights whatever ran before."""
  torch.manual_seed(0)


def bert():
  """Returns a BERT with its head for masked words."""
  package = pytest.importorskip("transformers")
  return package.BertForMaskedLM(package.BertConfig(vocab_size=50, **SIZES))


def gpt2():
  """Returns a GPT-2, whose head is its embedding."""
  package = pytest.importorskip("transformers")
  config = package.GPT2Config(
    n_layer=2, n_head=2, n_embd=32, vocab_size=50, n_positions=16,
    bos_token_id=None, eos_token_id=None,
  )  # fmt: skip
  return package.GPT2LMHeadModel(config)


def llama():
  """Returns a decoder with rotary positions and shared keys."""
  package = pytest.importorskip("transformers")
  config = package.LlamaConfig(vocab_size=50, num_key_value_heads=1, **SIZES)
  return package.LlamaForCausalLM(config)


def resnet():
  """Returns a ResNet whose running averages are not those of the start."""
  models = pytest.importorskip("torchvision").models
  block = models.resnet.BasicBlock
  network = models.ResNet(block, [1, 1, 1, 1], num_classes=7)
  for name, buffer in network.named_buffers():
    if "running" in name:
      buffer.uniform_(0.5, 1.5)
  return network


def vit():
  """Returns a ViT with a classifier."""
  package = pytest.importorskip("transformers")
  config = package.ViTConfig(image_size=32, patch_size=8, num_labels=7, **SIZES)
  return package.ViTForImageClassification(config)


NETWORKS = {
  "bert": (bert, TOKENS),
  "gpt2": (gpt2, TOKENS),
  "llama": (llama, TOKENS),
  "resnet": (resnet, PICTURES),
  "vit": (vit, PICTURES),
}


def logits_of(outputs):
  """Returns the logits of any of the networks, on either side."""
  if isinstance(outputs, dict):  # Also what transformers return.
    return outputs["logits"]
  return outputs


def in_torch(module, inputs):
  """Returns the logits that PyTorch computes."""
  with torch.no_grad():
    return logits_of(module(torch.from_numpy(inputs))).float().numpy()


def small():
  """Returns a module of two linear layers and a batch norm."""
  return torch.nn.Sequential(
    torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2)
  ).eval()


@pytest.mark.parametrize("name", NETWORKS)
def test_logits_are_those_of_pytorch(name, capsys):
  make, inputs = NETWORKS[name]
  module = make().eval()
  params, apply = bridge.from_module(module)
  found = np.asarray(logits_of(jax.jit(apply)(params, inputs)))
  expected = in_torch(module, inputs)
  largest = np.abs(found - expected).max()
  with capsys.disabled():
    print(f"\n{name}: {largest:.1e} of {np.abs(expected).max():.1e}")
  assert expected.std() > 0
  assert largest < 1e-5


def test_gradients_are_those_of_pytorch():
  module = gpt2().eval()
  params, apply = bridge.from_module(module)
  targets = np.roll(TOKENS, -1, axis=1)

  def loss_fn(params):
    logits = apply(params, TOKENS)["logits"]
    return optax.softmax_cross_entropy_with_integer_labels(
      logits, targets
    ).mean()

  logits = module(torch.from_numpy(TOKENS)).logits
  torch.nn.functional.cross_entropy(
    logits.flatten(0, 1), torch.from_numpy(targets).flatten()
  ).backward()
  gradients = jax.jit(jax.grad(loss_fn))(params)
  for name, parameter in module.named_parameters():
    expected = parameter.grad.numpy()
    np.testing.assert_allclose(gradients[name], expected, atol=1e-6)
  assert set(gradients) == dict(module.named_parameters()).keys()


def test_a_search_on_gpt2_lowers_its_loss():
  module = gpt2().eval()
  params, apply = bridge.from_module(module)
  before = fingerprint(params)

  def loss_fn(params, batch):
    logits = apply(params, batch["tokens"])["logits"]
    return optax.softmax_cross_entropy_with_integer_labels(
      logits[:, :-1], batch["tokens"][:, 1:]
    ).mean()

  rules = [(r".*\.h\..*(attn|mlp).*weight", "weight"), (".*", "frozen")]
  spec = masks.select(params, rules)
  config = search.SearchConfig(
    num_epochs=15, batch_size=2, learning_rates=(0.1,), seeds=(0, 1)
  )
  result = search.run(
    loss_fn, params, spec, {"tokens": TOKENS}, config, key=jax.random.key(0)
  )
  losses = [
    line["train/loss"] for line in result.history if line["candidate"] == 0
  ]
  assert losses[-1] < losses[0] - 0.01
  assert fingerprint(params) == before
  masked = bridge.write_back(module, masks.merge(params, result.mask))
  found = apply(masks.merge(params, result.mask), TOKENS)["logits"]
  np.testing.assert_allclose(in_torch(masked, TOKENS), found, atol=1e-5)
  assert np.abs(in_torch(module, TOKENS) - found).max() > 1e-3


def test_a_tied_weight_is_one_leaf_and_has_one_mask(tmp_path):
  module = gpt2().eval()
  params, apply = bridge.from_module(module)
  assert "transformer.wte.weight" in params
  assert "lm_head.weight" not in params
  keep = np.arange(50)[:, None] % 2 == 0
  masked = masks.merge(params, {"transformer.wte.weight": keep})
  copied = bridge.write_back(module, masked)
  assert copied.lm_head.weight is copied.transformer.wte.weight
  logits = in_torch(copied, TOKENS)
  np.testing.assert_array_equal(logits[..., 1::2], 0)
  np.testing.assert_allclose(apply(masked, TOKENS)["logits"], logits, atol=1e-6)
  copied.save_pretrained(tmp_path)
  loaded = type(module).from_pretrained(tmp_path)
  np.testing.assert_array_equal(in_torch(loaded.eval(), TOKENS), logits)


def test_two_parameters_in_one_memory_are_one_leaf():
  module = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3))
  module[1].weight.data = module[0].weight.data
  params, apply = bridge.from_module(module.eval())
  assert set(params) == {"0.weight", "0.bias", "1.bias"}
  zero = {"0.weight": jnp.zeros((3, 3))}
  outputs = apply({**params, **zero}, np.ones((1, 3), np.float32))
  np.testing.assert_array_equal(outputs[0], params["1.bias"])


def test_running_averages_are_leaves():
  module = small()
  params, apply = bridge.from_module(module)
  averages = {"1.running_mean", "1.running_var"}
  assert averages < params.keys()
  assert "1.num_batches_tracked" not in params
  inputs = np.ones((2, 3), np.float32)
  shifted = {**params, "1.running_mean": params["1.running_mean"] + 1}
  module[1].running_mean += 1
  np.testing.assert_allclose(
    apply(shifted, inputs), in_torch(module, inputs), atol=1e-6
  )
  assert np.abs(apply(params, inputs) - apply(shifted, inputs)).max() > 1e-3


def test_what_happens_to_the_module_later_changes_nothing():
  module = small()
  params, apply = bridge.from_module(module)
  inputs = np.ones((2, 3), np.float32)
  before, bits = np.asarray(apply(params, inputs)), fingerprint(params)
  module.train()
  with torch.no_grad():
    for tensor in module.state_dict().values():
      tensor.zero_()
  assert fingerprint(params) == bits
  np.testing.assert_array_equal(apply(params, inputs), before)


def test_what_a_module_remembers_is_forgotten():
  class Remembers(torch.nn.Module):
    def __init__(self):
      super().__init__()
      self.weight = torch.nn.Parameter(torch.ones(2))
      self.last = None

    def forward(self, inputs):
      known = 0 if self.last is None else self.last
      self.last = inputs * self.weight
      return self.last + known

  module = Remembers().eval()
  params, apply = bridge.from_module(module)
  inputs = np.ones(2, np.float32)
  for function in (jax.jit(apply), apply, apply):
    np.testing.assert_array_equal(function(params, inputs), inputs)
  assert module.last is None


def test_other_tensors_of_a_module_are_constants():
  class Positions(torch.nn.Module):
    def __init__(self):
      super().__init__()
      self.weight = torch.nn.Parameter(torch.ones(3))
      self.register_buffer("places", torch.tensor([2, 0, 1]))
      self.scale = torch.full((3,), 2.0)

    def forward(self, *, inputs):
      return {"y": inputs[self.places] * self.weight * self.scale, "n": None}

  params, apply = bridge.from_module(Positions().eval())
  assert set(params) == {"weight"}
  outputs = jax.jit(apply)(params, inputs=np.arange(3.0, dtype=np.float32))
  assert set(outputs) == {"y"}
  np.testing.assert_array_equal(outputs["y"], [4, 0, 2])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_kept_or_widened(dtype):
  module = small().to(dtype)
  kept, _ = bridge.from_module(module)
  params, apply = bridge.from_module(module, jnp.float32)
  for name, value in params.items():
    expected = module.state_dict()[name].float().numpy()
    np.testing.assert_array_equal(value, expected)
    assert kept[name].dtype == str(dtype).removeprefix("torch.")
    np.testing.assert_array_equal(kept[name].astype(jnp.float32), expected)
  inputs = np.ones((2, 3), np.float32)
  wide = copy.deepcopy(module).float()
  np.testing.assert_allclose(
    apply(params, inputs), in_torch(wide, inputs), atol=1e-6
  )
  for given in (params, kept):
    back = bridge.write_back(module, given)
    for name, tensor in module.state_dict().items():
      assert back.state_dict()[name].dtype == tensor.dtype
      assert torch.equal(back.state_dict()[name], tensor)


def test_weights_are_written_to_a_copy_or_in_place(tmp_path):
  module = small()
  params, _ = bridge.from_module(module)
  rows = np.array([[True], [False]])
  masked = masks.merge(params, {"2.weight": rows})
  copied = bridge.write_back(module, {"2.weight": masked["2.weight"]})
  assert bool((copied[2].weight[1] == 0).all())
  assert torch.equal(copied[2].weight[0], module[2].weight[0])
  assert bool((module[2].weight != 0).all())
  assert bridge.write_back(module, masked, in_place=True) is module
  assert torch.equal(module[2].weight, copied[2].weight)
  assert float(jnp.min(jnp.abs(params["2.weight"]))) > 0
  files = pytest.importorskip("safetensors.torch")
  files.save_model(module, str(tmp_path / "model.safetensors"))
  loaded = small()
  files.load_model(loaded, str(tmp_path / "model.safetensors"))
  assert torch.equal(loaded[2].weight, copied[2].weight)


def on_meta():
  """Returns a module without values."""
  return small().to("meta")


def quantised():
  """Returns a module with a parameter of whole numbers."""
  module = small()
  whole = torch.ones(2, 2, dtype=torch.int8)
  module.whole = torch.nn.Parameter(whole, requires_grad=False)
  return module


def complex_valued():
  """Returns a module with complex values."""
  module = small()
  module.register_buffer("turns", torch.ones(2, dtype=torch.complex64))
  return module


def compiled():
  """Returns a module that wraps another one as `torch.compile` does."""
  module = small()
  module._orig_mod = small()
  return module


def overlapping():
  """Returns a module with a view of its own weight."""
  module = small()
  module.turned = module[0].weight.detach().t()
  return module


@pytest.mark.parametrize(
  ("make", "message"),
  [
    (lambda: small().train(), r"training mode \(Sequential\).*module.eval"),
    (on_meta, "'0.weight' has no values yet; load"),
    (lambda: torch.nn.LazyLinear(2).eval(), "has no values yet.*lazy"),
    (quantised, "'whole' of int8 is sparse, quantised"),
    (complex_valued, "'turns' of complex64 is sparse"),
    (overlapping, "share a part of their memory; give"),
    (lambda: small().double(), "float64, which JAX cuts.*float32"),
    (lambda: small, "function is no torch.nn.Module; give"),
    (compiled, "is compiled; give"),
  ],
)
def test_what_cannot_be_bridged_is_refused_in_one_line(make, message):
  with pytest.raises(UserError, match=message) as caught:
    bridge.from_module(make())
  assert "\n" not in str(caught.value)


def test_leaves_of_another_network_are_refused():
  module = small()
  params, apply = bridge.from_module(module)
  inputs = np.ones((2, 3), np.float32)
  with pytest.raises(UserError, match=r"lack leaf '0\.weight'"):
    apply({k: v for k, v in params.items() if k != "0.weight"}, inputs)
  with pytest.raises(UserError, match="no weights or buffers 'more'"):
    bridge.write_back(module, {"more": inputs})
  with pytest.raises(UserError, match=r"'0.bias' has shape \(2, 4\)"):
    bridge.write_back(module, {"0.bias": np.ones((2, 4), np.float32)})


def test_an_operation_that_torchax_lacks_is_named():
  _, apply = bridge.from_module(torch.nn.AdaptiveMaxPool2d(2).eval())
  with pytest.raises(UserError, match=r"adaptive_max_pool2d.*other operations"):
    apply({}, PICTURES)


def test_without_torchax_one_line_says_what_to_install(monkeypatch):
  monkeypatch.setitem(sys.modules, "torchax", None)
  with pytest.raises(UserError, match="needs torchax; pip install"):
    bridge.from_module(small())


def test_the_example_finds_a_subnetwork(capsys):
  pytest.importorskip("transformers")
  from examples import torch_network

  table = torch_network.main()
  assert table["whole"] < 0.4
  assert table["subnetwork"] > 0.95
  assert len(capsys.readouterr().out.splitlines()) == 3


def test_the_example_of_the_readme_prints_what_it_says(capsys):
  pytest.importorskip("transformers")
  text = (pathlib.Path(__file__).parents[2] / "README.md").read_text("utf-8")
  section = text.partition("## Your PyTorch network")[2]
  code = re.search(r"```python\n(.*?)```", section, re.DOTALL)[1]
  exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})
  whole, subnetwork = capsys.readouterr().out.splitlines()
  assert int(re.fullmatch(r"whole +next number +(\d+)%", whole)[1]) < 40
  assert (
    int(re.fullmatch(r"subnetwork +next number +(\d+)%", subnetwork)[1]) > 95
  )
