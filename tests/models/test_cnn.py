"""The convolutional network: its sizes, its maxima, what it drops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import trees
from structcomp_jax.models import cnn
from structcomp_jax.models.cnn import Cnn, CnnConfig
from structcomp_jax.types import UserError

IMAGES = {
  "images": jax.random.normal(jax.random.key(1), (3, 7, 6, 2)),
}
CONFIG = CnnConfig(num_inputs=2, num_outputs=5, widths=(4, 6), dropouts=(0, 0))


def test_published_sizes():
  model = Cnn(CnnConfig())
  variables = jax.eval_shape(
    lambda: model.init(jax.random.key(0), {"images": jnp.zeros((1, 32, 32, 3))})
  )
  assert trees.num_elements(variables["params"]) == 390_986


def test_maxima_of_two_by_two():
  images = np.asarray(IMAGES["images"])
  expected = np.stack(
    [
      [images[:, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2].max((1, 2))
       for x in range(3)]
      for y in range(3)
    ]
  ).transpose(2, 0, 1, 3)  # fmt: skip
  np.testing.assert_array_equal(cnn.halve(images), expected)


def test_output_is_the_formula():
  model = Cnn(CONFIG)
  params = model.init(jax.random.key(0), IMAGES)["params"]
  found = model.apply({"params": params}, IMAGES)

  def convolved(images, layer):
    result = jax.lax.conv_general_dilated(
      images,
      layer["kernel"],
      (1, 1),
      [(1, 1), (1, 1)],
      dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return np.maximum(result + layer["bias"], 0)

  hidden = cnn.halve(convolved(IMAGES["images"], params["conv_0"]))
  hidden = convolved(hidden, params["conv_1"]).mean((1, 2))
  expected = hidden @ params["output"]["kernel"] + params["output"]["bias"]
  np.testing.assert_allclose(found, expected, atol=1e-5)


def test_weights_start_as_those_of_pytorch():
  params = Cnn(CnnConfig()).init(
    jax.random.key(0), {"images": jnp.zeros((1, 8, 8, 3))}
  )["params"]
  for name, fan_in in (("conv_0", 27), ("conv_3", 9 * 128)):
    for leaf in params[name].values():
      largest = float(jnp.abs(leaf).max()) * fan_in**0.5
      assert 0.8 < largest <= 1.0


def test_values_are_dropped_where_there_is_randomness():
  config = CnnConfig(
    num_inputs=2, num_outputs=5, widths=(4, 6), dropouts=(0.0, 0.5)
  )
  model = Cnn(config)
  variables = model.init(jax.random.key(0), IMAGES)
  still = model.apply(variables, IMAGES)
  np.testing.assert_array_equal(still, Cnn(CONFIG).apply(variables, IMAGES))
  drawn = model.apply(variables, IMAGES, rngs={"dropout": jax.random.key(2)})
  assert float(jnp.abs(drawn - still).max()) > 0.01


@pytest.mark.parametrize("dropouts", [(0.5,), (0.0, 1.0), (-0.1, 0.0)])
def test_dropouts_must_fit(dropouts):
  with pytest.raises(UserError, match="dropouts is"):
    CnnConfig(widths=(4, 6), dropouts=dropouts)
