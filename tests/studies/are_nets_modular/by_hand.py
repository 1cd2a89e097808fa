"""The networks of the arithmetic experiments, written out in NumPy.

Nothing here is the product's: what enters when, and what is read where, is
that of section 3.3 of Csordás et al. 2021 and of their code.
"""

import numpy as np

BASE = 10


def digits_of(number):
  """Returns [units, tens]."""
  return [number % 10, number // 10]


def port(numbers):
  """Returns f64[20 per number]: every digit as ten units, the lowest first."""
  units = np.zeros(2 * BASE * len(numbers))
  for place, number in enumerate(numbers):
    for index, digit in enumerate(digits_of(number)):
      units[2 * BASE * place + BASE * index + digit] = 1
  return units


def feed_forward(params, inputs):
  """Returns the outputs of a network of dense layers for one input."""
  hidden = inputs
  for name in sorted(name for name in params if name.startswith("layer_")):
    layer = params[name]
    hidden = np.maximum(hidden @ layer["kernel"] + layer["bias"], 0)
  return hidden @ params["output"]["kernel"] + params["output"]["bias"]


def sigmoid(x):
  return 1 / (1 + np.exp(-x))


def lstm(params, steps):
  """Returns the outputs of an LSTM at every step, [steps, outputs]."""
  features = list(steps)
  for name in sorted(name for name in params if name.startswith("cell_")):
    cell = params[name]
    units = cell["recurrent"]["kernel"].shape[0]
    hidden, memory = np.zeros(units), np.zeros(units)
    after = []
    for one in features:
      gates = (
        one @ cell["input"]["kernel"]
        + hidden @ cell["recurrent"]["kernel"]
        + cell["bias"]
      )
      enter, forget, new, out = np.split(gates, 4)
      memory = sigmoid(forget) * memory + sigmoid(enter) * np.tanh(new)
      hidden = sigmoid(out) * np.tanh(memory)
      after.append(hidden)
    features = after
  output = params["output"]
  return np.stack(features) @ output["kernel"] + output["bias"]


def judge(logits, numbers):
  """Returns (mean cross-entropy, whether right) of some results.

  Args:
    logits: [results, 20], units then tens.
    numbers: the right results; None does not count.
  """
  losses, right = [], []
  for result, number in zip(logits, numbers, strict=True):
    if number is None:
      continue
    for index, digit in enumerate(digits_of(number)):
      scores = result[BASE * index : BASE * (index + 1)]
      losses.append(np.log(np.exp(scores).sum()) - scores[digit])
      right.append(int(np.argmax(scores)) == digit)
  return np.mean(losses), all(right)


NOTHING = np.zeros(4 * BASE)


def double_addition(params, mode, pairs):
  """Returns the logits of both sums, [2, 20].

  Args:
    params: weights, NumPy arrays.
    mode: of an LSTM; empty: feed-forward.
    pairs: ((a, b), (c, d)); None for a pair that is not shown.
  """
  first, second = (
    NOTHING if pair is None else port(pair) for pair in pairs
  )  # 40 units each

  def beside(one, other):
    return np.concatenate([one, other])

  both = beside(first, second)
  alone = [beside(first, NOTHING), beside(NOTHING, second)]
  if not mode:
    # Two passes. Of each, the half of the output that is its own.
    return np.stack(
      [
        feed_forward(params, alone[0])[:20],
        feed_forward(params, alone[1])[20:],
      ]
    )
  steps = {
    "together": 6 * [both],
    "only_one": 3 * [alone[0]] + 3 * [alone[1]],
    "only_one_io": 3 * [alone[0]] + 3 * [alone[1]],
    "same_input": 3 * [first] + 3 * [second],
    "same_output": 6 * [both],
    "same_io": 3 * [first] + 3 * [second],
  }[mode]
  outputs = lstm(params, steps)
  third, last = outputs[2], outputs[5]
  return {
    "together": lambda: np.stack([last[:20], last[20:]]),
    "only_one": lambda: np.stack([last[:20], last[20:]]),
    "only_one_io": lambda: np.stack([third[:20], last[20:]]),
    "same_input": lambda: np.stack([last[:20], last[20:]]),
    "same_output": lambda: np.stack([third, last]),
    "same_io": lambda: np.stack([third, last]),
  }[mode]()


def add_mul(params, is_recurrent, a, b, operation):
  """Returns the logits of the result, [1, 20]; operation 1 multiplies."""
  inputs = np.concatenate([port((a, b)), np.eye(2)[operation]])
  if is_recurrent:
    return lstm(params, 3 * [inputs])[2][None]
  return feed_forward(params, inputs)[None]
