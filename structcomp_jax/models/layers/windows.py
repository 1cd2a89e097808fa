"""The three products of a convolution as matrix products of image windows.

A window is what one output pixel sees. Under `vmap` over kernels these become
batched matrix products. See `convolution.convolve` for what is computed.
"""

import jax.numpy as jnp
from jax import lax


def convolve(stride, images, kernel):
  """Multiplies the images' windows with the kernel."""
  size, _, _, outputs = kernel.shape
  windows = _windows(images, size, stride, [(size // 2, size // 2)] * 2)
  return windows @ kernel.reshape(-1, outputs)


def kernel_gradient(stride, size, images, cotangent):
  """Multiplies the images' windows with the cotangent."""
  windows = _windows(images, size, stride, [(size // 2, size // 2)] * 2)
  gradient = jnp.einsum("nyxk,nyxo->ko", windows, cotangent)
  return gradient.reshape(size, size, images.shape[-1], -1)


def image_gradient(stride, image_size, cotangent, kernel):
  """Multiplies the cotangent's windows with the flipped kernel.

  With a stride s, pixels s b + r of the image (r = 0 ... s-1) meet every s-th
  tap of the kernel only. The taps are grouped by r, so that one convolution
  with stride 1 gives all s x s pixels of block b as its channels.
  """
  size, _, inputs, outputs = kernel.shape
  if size == 1:
    return _spread(cotangent @ kernel[0, 0].T, stride, image_size)
  taps = -(-size // stride)
  lacking = (0, taps * stride - size)
  kernel = jnp.pad(kernel, [lacking, lacking, (0, 0), (0, 0)])
  kernel = kernel.reshape(taps, stride, taps, stride, inputs, outputs)
  kernel = kernel[::-1, :, ::-1].transpose(0, 2, 5, 1, 3, 4)
  kernel = kernel.reshape(taps * taps * outputs, -1)
  first_block, first_pixel = divmod(size // 2, stride)
  num_blocks = [-(-(first_pixel + pixels) // stride) for pixels in image_size]
  low = taps - 1 - first_block
  padding = [
    (low, blocks + taps - 1 - rows - low)
    for blocks, rows in zip(num_blocks, cotangent.shape[1:3], strict=True)
  ]
  blocks = _windows(cotangent, taps, 1, padding) @ kernel
  pixels = _blocks_to_pixels(blocks, stride)
  height, width = image_size
  return pixels[
    :, first_pixel : first_pixel + height, first_pixel : first_pixel + width
  ]


def _windows(images, size, stride, padding):
  """Returns [batch, out_height, out_width, size * size * channels]."""
  zero = jnp.zeros((), images.dtype)
  padded = lax.pad(
    images, zero, [(0, 0, 0), *((*pair, 0) for pair in padding), (0, 0, 0)]
  )
  height, width = (
    (length - size) // stride + 1 for length in padded.shape[1:3]
  )
  return jnp.concatenate(
    [
      padded[
        :,
        row : row + stride * (height - 1) + 1 : stride,
        column : column + stride * (width - 1) + 1 : stride,
      ]
      for row in range(size)
      for column in range(size)
    ],
    axis=-1,
  )


def _blocks_to_pixels(blocks, stride):
  """[n, y, x, stride * stride * c] -> [n, y * stride, x * stride, c]."""
  if stride == 1:
    return blocks
  batch, height, width, _ = blocks.shape
  blocks = blocks.reshape(batch, height, width, stride, stride, -1)
  pixels = blocks.transpose(0, 1, 3, 2, 4, 5)
  return pixels.reshape(batch, height * stride, width * stride, -1)


def _spread(pixels, stride, image_size):
  """Puts zeros between pixels: the transpose of taking every stride-th."""
  if stride == 1:
    return pixels
  zero = jnp.zeros((), pixels.dtype)
  spread = [
    (0, size - (length - 1) * stride - 1, stride - 1)
    for size, length in zip(image_size, pixels.shape[1:3], strict=True)
  ]
  return lax.pad(pixels, zero, [(0, 0, 0), *spread, (0, 0, 0)])
