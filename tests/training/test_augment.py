"""Random views: what each operation does, and to which pictures."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax.training import augment

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.uniform(size=(2, 8, 8, 3)).astype(np.float32)
WIDE = RANDOM.uniform(size=(1, 24, 32, 3)).astype(np.float32)
CLOSE = {"rtol": 1e-6, "atol": 1e-6}
apply = jax.jit(augment.apply)
many_views = jax.jit(jax.vmap(augment.draw))(
  jax.random.split(jax.random.key(0), 2000)
)


def grey_of(images):
  return images @ np.array([0.299, 0.587, 0.114], np.float32)


def test_the_default_view_changes_no_bit():
  np.testing.assert_array_equal(apply(augment.View(), IMAGES), IMAGES)


def test_bytes_become_fractions():
  images = np.arange(192, dtype=np.uint8).reshape(1, 8, 8, 3)
  np.testing.assert_allclose(
    apply(augment.View(), images), images / 255, **CLOSE
  )


@pytest.mark.parametrize("images", [IMAGES, WIDE])
def test_flip_exchanges_left_and_right(images):
  np.testing.assert_array_equal(
    apply(augment.View(flip=True), images), images[:, :, ::-1]
  )


@pytest.mark.parametrize("field", ["turn", "tilt"])
@pytest.mark.parametrize("quarters", [-1, 1, 2])
def test_quarter_turns_are_exact_and_clockwise(field, quarters):
  view = augment.View(**{field: 90.0 * quarters})
  np.testing.assert_array_equal(
    apply(view, IMAGES), np.rot90(IMAGES, -quarters, axes=(1, 2))
  )


def test_shift_is_rounded_to_whole_pixels_and_leaves_white():
  moved = apply(augment.View(shift=(0.2, -0.1)), IMAGES)  # 1.6 and -0.8
  np.testing.assert_array_equal(moved[:, :-1, 2:], IMAGES[:, 1:, :-2])
  np.testing.assert_array_equal(moved[:, -1], np.ones((2, 8, 3)))
  np.testing.assert_array_equal(moved[:, :, :2], np.ones((2, 8, 2, 3)))


def test_a_turned_picture_has_white_corners_and_only_old_colours():
  turned = np.asarray(apply(augment.View(turn=45.0), WIDE))
  np.testing.assert_array_equal(turned[0, [0, 0, -1, -1], [0, -1, 0, -1]], 1)
  colours = {tuple(pixel) for pixel in turned.reshape(-1, 3)}
  assert colours <= {tuple(pixel) for pixel in WIDE.reshape(-1, 3)} | {
    (1.0, 1.0, 1.0)
  }


def nearest(image, forward):
  """Maps one picture pixel by pixel; `forward` is 3x3 about the middle."""
  height, width = image.shape[:2]
  middle = np.array([(width - 1) / 2, (height - 1) / 2])
  inverse = np.linalg.inv(forward)
  result = np.ones_like(image)
  for row in range(height):
    for column in range(width):
      old = inverse @ [*(np.array([column, row]) - middle), 1]
      x, y = np.rint(old[:2] + middle).astype(int)
      if 0 <= x < width and 0 <= y < height:
        result[row, column] = image[y, x]
  return result


def rotation(degrees):
  angle = np.deg2rad(degrees)
  cos, sin = np.cos(angle), np.sin(angle)
  return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])


def test_maps_are_those_of_torchvision_one_after_the_other():
  # Documented there: shift * rotation * shear * scale about the middle. (Its
  # x shear has this sign.)
  view = augment.View(
    flip=True,
    tilt=17.0,
    shear=-12.0,
    scale=0.93,
    shift=(0.05, -0.05),
    turn=-61.0,
  )
  shift = np.array([[1, 0, 2], [0, 1, -1], [0, 0, 1]])  # 0.05 * (32, 24)
  shear = np.array([[1, -np.tan(np.deg2rad(-12)), 0], [0, 1, 0], [0, 0, 1]])
  scale = np.diag([0.93, 0.93, 1])
  affine = nearest(WIDE[0, :, ::-1], shift @ rotation(17) @ shear @ scale)
  expected = nearest(affine, rotation(-61))
  np.testing.assert_array_equal(apply(view, WIDE)[0], expected)


def test_contrast_blends_with_the_mean_grey_of_each_picture():
  mean = grey_of(IMAGES).mean(axis=(1, 2))[:, None, None, None]
  for factor in (0.5, 1.5):
    np.testing.assert_allclose(
      apply(augment.View(contrast=factor), IMAGES),
      np.clip(factor * IMAGES + (1 - factor) * mean, 0, 1),
      **CLOSE,
    )


def test_saturation_blends_with_the_grey_of_each_pixel():
  for factor in (0.5, 1.5):
    np.testing.assert_allclose(
      apply(augment.View(saturation=factor), IMAGES),
      np.clip(
        factor * IMAGES + (1 - factor) * grey_of(IMAGES)[..., None], 0, 1
      ),
      **CLOSE,
    )


@pytest.mark.parametrize("contrast_first", [True, False])
def test_colours_change_in_the_order_drawn(contrast_first):
  contrast, saturation = (
    augment.View(contrast=1.5),
    augment.View(saturation=1.5),
  )
  steps = (contrast, saturation) if contrast_first else (saturation, contrast)
  both = augment.View(
    contrast=1.5, saturation=1.5, contrast_first=contrast_first
  )
  expected = apply(steps[1], apply(steps[0], IMAGES))
  np.testing.assert_allclose(apply(both, IMAGES), expected, **CLOSE)
  other = apply(steps[0], apply(steps[1], IMAGES))
  assert np.abs(expected - other).max() > 0.01


def test_grey_has_equal_channels():
  grey = np.asarray(apply(augment.View(grey=True, turn=30.0), IMAGES))
  np.testing.assert_array_equal(grey[..., 0], grey[..., 1])
  np.testing.assert_array_equal(grey[..., 0], grey[..., 2])
  colour = apply(augment.View(turn=30.0), IMAGES)
  np.testing.assert_allclose(grey[..., 0], grey_of(np.asarray(colour)), **CLOSE)
  assert grey[0, 0, 0, 0] == 1  # white outside


def test_every_random_view_stays_in_range():
  views = jax.tree.map(lambda leaf: leaf[:64], many_views)
  images = jax.vmap(augment.apply, in_axes=(0, None))(views, IMAGES)
  assert images.dtype == jnp.float32
  assert (images >= 0).all() and (images <= 1).all()


@pytest.mark.parametrize(
  ("field", "low", "high", "probability"),
  [
    ("contrast", 0.5, 1.5, 0.5),
    ("saturation", 0.5, 1.5, 0.5),
    ("tilt", -30, 30, 0.5),
    ("shear", -20, 20, 0.5),
    ("scale", 0.9, 1, 0.5),
    ("shift", -0.05, 0.05, 0.5),
    ("turn", -90, 90, 1),
  ],
)
def test_factors_fill_their_range_as_often_as_published(
  field, low, high, probability
):
  values = np.asarray(getattr(many_views, field))
  unchanged = np.asarray(getattr(augment.View(), field))
  drawn = values[(values != unchanged).reshape(2000, -1).all(axis=1)]
  # Five standard deviations of 2000 draws.
  assert len(drawn) / 2000 == pytest.approx(probability, abs=0.056)
  assert low <= drawn.min() < low + 0.02 * (high - low)
  assert high >= drawn.max() > high - 0.02 * (high - low)


@pytest.mark.parametrize(
  ("field", "probability"),
  [("flip", 0.5), ("contrast_first", 0.5), ("grey", 0.2)],
)
def test_events_happen_as_often_as_published(field, probability):
  share = np.mean(getattr(many_views, field))
  assert share == pytest.approx(probability, abs=0.056)


def test_what_is_drawn_together_and_what_on_its_own():
  is_jittered = many_views.contrast != 1
  np.testing.assert_array_equal(is_jittered, many_views.saturation != 1)
  is_mapped = many_views.tilt != 0
  np.testing.assert_array_equal(is_mapped, many_views.scale != 1)
  numbers = np.stack(
    [
      np.broadcast_to(np.asarray(value, float).reshape(2000, -1)[:, -1], 2000)
      for value in [
        getattr(many_views, field.name)
        for field in dataclasses.fields(augment.View)
      ]
    ]
    + [is_jittered, is_mapped]
  )
  correlation = np.corrcoef(numbers) - np.eye(len(numbers))
  # Five standard deviations; scale alone knows whether there is a map.
  scale = [field.name for field in dataclasses.fields(augment.View)].index(
    "scale"
  )
  correlation[[scale, -1], [-1, scale]] = 0
  assert np.abs(correlation).max() < 0.112


def test_same_key_same_view():
  chex.assert_trees_all_equal(
    augment.draw(jax.random.key(3)), augment.draw(jax.random.key(3))
  )
