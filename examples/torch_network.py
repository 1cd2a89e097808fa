"""A PyTorch network of Hugging Face: a mask search on a GPT-2 as it is.

Needs pip install 'structcomp_jax[torch]', see docs/torch.md.
"""

import jax
import numpy as np
import optax
import torch
import transformers

from structcomp_jax import masks, search
from structcomp_jax.bridges import torch as bridge


def main():
  """Searches a GPT-2 that was never trained for one that counts to ten."""
  torch.manual_seed(0)
  config = transformers.GPT2Config(
    n_layer=2, n_head=2, n_embd=64, vocab_size=10, initializer_range=0.2,
    bos_token_id=None, eos_token_id=None,
  )  # fmt: skip
  model = transformers.GPT2LMHeadModel(config).eval()
  tokens = np.add.outer(np.arange(10), np.arange(9)) % 10  # 7 8 9 0 1 ...
  params, apply = bridge.from_module(model)

  def loss_fn(params, batch):
    logits = apply(params, batch["tokens"])["logits"]
    return optax.softmax_cross_entropy_with_integer_labels(
      logits[:, :-1], batch["tokens"][:, 1:]
    ).mean()

  rules = [(r"transformer\.h\..*(attn|mlp).*weight", "weight")]
  spec = masks.select(params, [*rules, (".*", "frozen")])
  settings = search.SearchConfig(
    num_epochs=200, batch_size=10, learning_rates=(0.1,), seeds=(0, 1)
  )
  result = search.run(
    loss_fn, params, spec, {"tokens": tokens}, settings, key=jax.random.key(0)
  )
  masked = bridge.write_back(model, masks.merge(params, result.mask))

  table = {}
  for name, network in {"whole": model, "subnetwork": masked}.items():
    guesses = network(torch.from_numpy(tokens)).logits[:, :-1].argmax(-1)
    table[name] = float(np.mean(guesses.numpy() == tokens[:, 1:]))
    print(f"{name:10s}  next number {table[name]:4.0%}")
  print(f"{masks.total_density(result.mask):.0%} of the weights are kept")
  return table


if __name__ == "__main__":
  main()
