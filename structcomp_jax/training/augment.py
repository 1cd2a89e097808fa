"""Random views of pictures for contrastive learning.

The views of Lepori, Serre & Pavlick (2023) for SimCLR, in their order:

1. horizontal flip with probability 0.5;
2. with probability 0.5 contrast and saturation, in random order, each with a
   factor from 0.5..1.5;
3. with probability 0.5 an affine map: rotation up to 30 degrees, shift up to
   5 % of a side in whole pixels, scale 0.9..1, shear up to 20 degrees along x;
4. rotation by -90..90 degrees, always;
5. grey with probability 0.2.

Every operation is defined as in torchvision: 3 and 4 take the nearest pixel of
the picture before (its default; thin lines get gaps, but no shades) and leave
white what lies outside. No crop and no blur.

A view is drawn once (`draw`) and applied to any number of pictures (`apply`).
"""

import flax.struct
import jax
import jax.numpy as jnp

_WHITE = 1.0


class View(flax.struct.PyTreeNode):
  """The random numbers of one view; the defaults change nothing.

  Attributes:
    flip: bool, left and right are exchanged.
    contrast: f32, 0: the mean grey of the picture; 1: as it is.
    saturation: f32, 0: grey; 1: as it is.
    contrast_first: bool, contrast is changed before saturation.
    tilt: f32, clockwise rotation of the affine map, degrees.
    shear: f32, its shear along x, degrees.
    scale: f32, its scale; below 1: smaller.
    shift: f32[2], its shift to the right and down, fraction of the side.
    turn: f32, clockwise rotation after the affine map, degrees.
    grey: bool, colours become grey at last.
  """

  flip: jax.Array | bool = False
  contrast: jax.Array | float = 1.0
  saturation: jax.Array | float = 1.0
  contrast_first: jax.Array | bool = True
  tilt: jax.Array | float = 0.0
  shear: jax.Array | float = 0.0
  scale: jax.Array | float = 1.0
  shift: jax.Array | tuple[float, float] = (0.0, 0.0)
  turn: jax.Array | float = 0.0
  grey: jax.Array | bool = False


def draw(key: jax.Array) -> View:
  """Returns a random view."""
  # All numbers are drawn in one call, since every call of a generator takes a
  # second to compile.
  numbers = iter(jax.random.uniform(key, (13,)))

  def chance(probability):
    return next(numbers) < probability

  def uniform(low, high):
    return low + (high - low) * next(numbers)

  is_jittered = chance(0.5)
  is_mapped = chance(0.5)
  shift = jnp.stack([uniform(-0.05, 0.05), uniform(-0.05, 0.05)])
  return View(
    flip=chance(0.5),
    contrast=jnp.where(is_jittered, uniform(0.5, 1.5), 1.0),
    saturation=jnp.where(is_jittered, uniform(0.5, 1.5), 1.0),
    contrast_first=chance(0.5),
    tilt=jnp.where(is_mapped, uniform(-30, 30), 0.0),
    shear=jnp.where(is_mapped, uniform(-20, 20), 0.0),
    scale=jnp.where(is_mapped, uniform(0.9, 1.0), 1.0),
    shift=jnp.where(is_mapped, shift, 0.0),
    turn=uniform(-90, 90),
    grey=chance(0.2),
  )


def apply(view: View, images: jax.Array) -> jax.Array:
  """Returns the pictures in one view, the same for all.

  Args:
    view: of `draw`.
    images: u8 (0..255) or float (0..1) [batch, height, width, 3].

  Returns:
    f32[batch, height, width, 3] in 0..1.
  """
  batch, height, width, channels = images.shape
  images = _jitter(view, _as_float(images))
  # Colours may change before the maps: these take whole pixels.
  images = jnp.where(view.grey, luma(images), images)
  # A pixel is looked up through both maps at once: as if the first result had
  # been drawn and then turned, with one read of the pictures.
  sources = jnp.take(
    _affine_sources(view, height, width),
    _nearest_sources(_unrotate(view.turn), jnp.zeros(2), height, width),
    mode="fill",
    fill_value=height * width,
  )
  pixels = images.reshape(batch, height * width, channels)
  pixels = jnp.take(pixels, sources, axis=1, mode="fill", fill_value=_WHITE)
  return pixels.reshape(images.shape)


def luma(images: jax.Array) -> jax.Array:
  """Returns the grey of colours (ITU-R BT.601): f32[..., 3] -> f32[..., 1]."""
  # A sum over the short last axis would be slow on CPUs.
  red, green, blue = (images[..., index, None] for index in range(3))
  return 0.299 * red + 0.587 * green + 0.114 * blue


def _as_float(images):
  if jnp.issubdtype(images.dtype, jnp.floating):
    return images.astype(jnp.float32)
  return images.astype(jnp.float32) / 255


def _jitter(view, images):
  """Changes contrast and saturation, each a blend with a kind of grey."""
  for is_contrast in (view.contrast_first, ~jnp.asarray(view.contrast_first)):
    grey = luma(images)
    other = jnp.where(
      is_contrast, grey.mean(axis=(1, 2, 3), keepdims=True), grey
    )
    factor = jnp.where(is_contrast, view.contrast, view.saturation)
    images = jnp.clip(factor * images + (1 - factor) * other, 0, 1)
  return images


def _affine_sources(view, height, width):
  """Where the pixels come from after flip and affine map."""
  shear = jnp.tan(jnp.deg2rad(view.shear))
  mirror = jnp.where(view.flip, -1.0, 1.0)
  unshear = jnp.array([[mirror, mirror * shear], [0.0, 1.0]]) / view.scale
  shift = jnp.round(jnp.asarray(view.shift) * jnp.array([width, height]))
  return _nearest_sources(
    _product(unshear, _unrotate(view.tilt)), shift, height, width
  )


def _unrotate(degrees):
  """Matrix that undoes a clockwise rotation (y points down)."""
  angle = jnp.deg2rad(degrees)
  cos, sin = jnp.cos(angle), jnp.sin(angle)
  return jnp.array([[cos, sin], [-sin, cos]])


def _product(first, second):
  return jnp.matmul(first, second, precision=jax.lax.Precision.HIGHEST)


def _nearest_sources(inverse, shift, height, width):
  """Which pixel every pixel of a mapped picture shows.

  Args:
    inverse: f32[2, 2], from new to old (x, y), about the middle.
    shift: f32[2], pixels to the right and down.
    height: of the picture.
    width: of the picture.

  Returns:
    i32[height * width]: row-major index of the old pixel, or height * width
    where the new one lies outside the old picture.
  """
  middle = jnp.array([width - 1, height - 1]) / 2
  x, y = jnp.meshgrid(jnp.arange(width), jnp.arange(height))
  new = jnp.stack([x.ravel(), y.ravel()]) - (middle + shift)[:, None]
  old = jnp.round(_product(inverse, new) + middle[:, None]).astype(jnp.int32)
  x, y = old
  is_inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
  return jnp.where(is_inside, y * width + x, height * width)
