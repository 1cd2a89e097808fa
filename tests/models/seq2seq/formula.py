"""The encoder-decoders in NumPy, for one source and its target, unpadded.

Parameters are {path: array}. The formulas are those of Csordás et al. 2021.
"""

import numpy as np

from ..formula import lstm


def of_lstm(leaves, source, target):
  """Returns f64[target length, vocabulary]: logits, given the true target.

  Args:
    leaves: parameters.
    source: ids with the end token, which is not read.
    target: ids with the end token.
  """

  def run(cell, inputs, state):
    return lstm(
      leaves[f"{cell}/input/kernel"],
      leaves[f"{cell}/recurrent/kernel"],
      leaves[f"{cell}/bias"],
      inputs,
      state,
    )

  features = leaves["encoder_embedding/embedding"][source[:-1]][None]
  states = []
  for layer in range(2):
    features, state = run(f"encoder_cell_{layer}", features, None)
    states.append(state)
  features = leaves["decoder/embedding/embedding"][_before(target)][None]
  for layer in range(2):
    features, _ = run(f"decoder/cell_{layer}", features, states[layer])
  logits = features[0] @ leaves["decoder/output/kernel"]
  return logits + leaves["decoder/output/bias"]


def of_transformer(leaves, source, target, num_heads):
  """Returns f64[target length, vocabulary]: logits, given the true target."""

  def norm(name, x):
    deviation = x.std(-1, keepdims=True, ddof=1)
    normal = (x - x.mean(-1, keepdims=True)) / (deviation + 1e-5)
    return normal * leaves[f"{name}/scale"] + leaves[f"{name}/bias"]

  def attend(name, x, read, causal):
    query = x @ leaves[f"{name}/query/kernel"]
    size = query.shape[1] // num_heads
    mixed = np.zeros_like(query)
    for head in range(num_heads):
      # Columns of one head: keys, then values.
      both = (
        read
        @ leaves[f"{name}/key_value/kernel"][
          :, 2 * head * size : 2 * (head + 1) * size
        ]
      )
      part = slice(head * size, (head + 1) * size)
      scores = query[:, part] @ both[:, :size].T / np.sqrt(size)
      if causal:
        scores[np.triu_indices(len(x), 1)] = -np.inf
      weights = np.exp(scores - scores.max(-1, keepdims=True))
      weights /= weights.sum(-1, keepdims=True)
      mixed[:, part] = weights @ both[:, size:]
    return mixed @ leaves[f"{name}/output/kernel"]

  def feed_forward(name, x):
    for part in ("intermediate", "output"):
      x = x @ leaves[f"{name}/{part}/kernel"] + leaves[f"{name}/{part}/bias"]
      x = np.maximum(x, 0) if part == "intermediate" else x
    return x

  def layer(name, x, memory=None):
    found = attend(f"{name}/self_attention", x, x, memory is not None)
    x = norm(f"{name}/self_attention_norm", x + found)
    if memory is not None:
      found = attend(f"{name}/cross_attention", x, memory, causal=False)
      x = norm(f"{name}/cross_attention_norm", x + found)
    return norm(f"{name}/output_norm", x + feed_forward(name, x))

  def embed(name, tokens):
    vectors = leaves[f"{name}/embedding"][tokens].astype(np.float64)
    for place in range(len(tokens)):
      for column in range(vectors.shape[1]):
        turn = 10000 ** (column // 2 * 2 / vectors.shape[1])
        wave = np.cos if column % 2 else np.sin
        vectors[place, column] += wave(place / turn)
    return vectors

  memory = embed("encoder_embedding", source)
  for index in range(2):
    memory = layer(f"encoder_layer_{index}", memory)
  features = embed("decoder/embedding", _before(target))
  for index in range(2):
    features = layer(f"decoder/layer_{index}", features, memory)
  return (
    features @ leaves["decoder/output/kernel"] + leaves["decoder/output/bias"]
  )


def _before(target):
  return np.concatenate([target[-1:], target[:-1]])
