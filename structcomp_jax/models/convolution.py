"""2-D convolution whose batching rule is a batched matrix product.

`jax.vmap` over kernels turns `lax`'s convolution into a grouped one, which is
slow on every backend, and inside `lax.scan` or `lax.fori_loop` XLA:CPU computes
any convolution without its fast kernels. Here

- on CPU a convolution is a matrix product, but under `outside_of_loops`;
- elsewhere it is `lax.conv_general_dilated` while all rows share one kernel,
  and a matrix product where every row has a kernel of its own.

A 1x1 kernel multiplies the (strided) image as it is; a larger one multiplies
the image's windows, laid side by side (im2col). Windows are as large as
size^2 images, so they are not kept for the backward pass but made again.
"""

import contextlib
import contextvars
import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Float

_Bilinear = Callable[[jax.Array, jax.Array], jax.Array]


_is_outside_of_loops = contextvars.ContextVar("outside", default=False)


@contextlib.contextmanager
def outside_of_loops() -> Iterator[None]:
  """Says that what is traced here will not run inside a loop.

  XLA:CPU is then several times as fast with its own convolution. Elsewhere it
  changes nothing.
  """
  token = _is_outside_of_loops.set(True)
  try:
    yield
  finally:
    _is_outside_of_loops.reset(token)


def convolve(
  images: Float[Array, "batch height width inputs"],
  kernel: Float[Array, "size size inputs outputs"],
  stride: int = 1,
) -> Float[Array, "batch out_height out_width outputs"]:
  """Returns the cross-correlation, as PyTorch's Conv2d without bias.

    out[n, y, x, o] = sum_{i,j,c} kernel[i, j, c, o]
                      images[n, stride y + i - pad, stride x + j - pad, c]

  with zeros outside of the image and pad = size // 2, so that an odd
  kernel with stride 1 keeps the image's size.

  >>> convolve(jnp.ones((1, 4, 4, 1)), jnp.ones((3, 3, 1, 2)), 2).shape
  (1, 2, 2, 2)

  Differentiable in reverse mode. May be `vmap`ped over either argument or both.
  """
  return _convolve(stride, *_varying_alike(images, kernel))


class Conv(nn.Module):
  """A convolution without bias; its parameter is `kernel`, see `convolve`.

  Attributes:
    features: number of output channels.
    size: of the kernel, along both axes.
    stride: along both axes.
    dtype: of the computation; the kernel is float32 always.
  """

  features: int
  size: int
  stride: int = 1
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
    self, images: Float[Array, "batch height width inputs"]
  ) -> Float[Array, "batch out_height out_width outputs"]:
    kernel = self.param(
      "kernel",
      # He et al. 2015 (arXiv 1502.01852), eq. 14: torchvision's for ResNets.
      nn.initializers.variance_scaling(2.0, "fan_out", "normal"),
      (self.size, self.size, images.shape[-1], self.features),
      jnp.float32,
    )
    return convolve(
      images.astype(self.dtype), kernel.astype(self.dtype), self.stride
    )


def _varying_alike(*arrays: jax.Array) -> list[jax.Array]:
  """Lets all arrays differ between the devices of `shard_map` if one does.

  `jax.custom_vjp` asks this of what it differentiates.
  """
  own_axes = [_varying_axes(array) for array in arrays]
  axes = frozenset().union(*own_axes)
  return [
    lax.pcast(array, tuple(axes - own), to="varying") if axes - own else array
    for array, own in zip(arrays, own_axes, strict=True)
  ]


def _varying_axes(array: jax.Array) -> frozenset[str]:
  kind = jax.typeof(array)
  # `vma` before JAX 0.10.
  return kind.vma if hasattr(kind, "vma") else kind.manual_axis_type.varying


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _convolve(stride, images, kernel):
  forward = _by_backend(
    functools.partial(_lax_convolve, stride),
    functools.partial(_multiply_windows, stride),
  )
  return forward(images, kernel)


def _forward(stride, images, kernel):
  return _convolve(stride, images, kernel), (images, kernel)


def _backward(stride, saved, cotangent):
  images, kernel = saved
  image_size, kernel_size = images.shape[1:3], kernel.shape[0]
  to_images = _by_backend(
    functools.partial(_lax_image_gradient, stride, image_size),
    functools.partial(_image_gradient, stride, image_size),
  )
  to_kernel = _by_backend(
    functools.partial(_lax_kernel_gradient, stride, kernel_size),
    functools.partial(_kernel_gradient, stride, kernel_size),
    second_is_kernel=False,
  )
  return to_images(cotangent, kernel), to_kernel(images, cotangent)


_convolve.defvjp(_forward, _backward)


def _by_backend(
  with_lax: _Bilinear, with_matmul: _Bilinear, second_is_kernel: bool = True
) -> _Bilinear:
  """Chooses how one of the three products of a convolution is computed."""
  if jax.default_backend() == "cpu" and not _is_outside_of_loops.get():
    return with_matmul
  return _lax_unless_batched(with_lax, with_matmul, second_is_kernel)


def _lax_unless_batched(
  with_lax: _Bilinear, with_matmul: _Bilinear, second_is_kernel: bool
) -> _Bilinear:
  """Gives a `lax` convolution a batching rule without groups."""

  @jax.custom_batching.custom_vmap
  def apply(first, second):
    return with_lax(first, second)

  @apply.def_vmap
  def rule(axis_size, in_batched, first, second):
    if axis_size == 1:
      single = apply(
        first[0] if in_batched[0] else first,
        second[0] if in_batched[1] else second,
      )
      return single[None], True
    if second_is_kernel and not in_batched[1]:
      rows = apply(first.reshape(-1, *first.shape[2:]), second)
      return rows.reshape(axis_size, -1, *rows.shape[1:]), True
    in_axes = tuple(0 if batched else None for batched in in_batched)
    return jax.vmap(with_matmul, in_axes)(first, second), True

  return apply


# Products of `lax`.


def _lax_convolve(stride, images, kernel):
  padding = [(size // 2, size // 2) for size in kernel.shape[:2]]
  return lax.conv_general_dilated(
    images,
    kernel,
    (stride, stride),
    padding,
    dimension_numbers=("NHWC", "HWIO", "NHWC"),
  )


def _lax_image_gradient(stride, image_size, cotangent, kernel):
  """Correlates the cotangent, its pixels set apart, with the turned kernel."""
  padding = [
    (size - 1 - size // 2, pixels - 1 - stride * (rows - 1) + size // 2)
    for size, pixels, rows in zip(
      kernel.shape, image_size, cotangent.shape[1:3], strict=False
    )
  ]
  return lax.conv_general_dilated(
    cotangent,
    kernel[::-1, ::-1],
    (1, 1),
    padding,
    lhs_dilation=(stride, stride),
    dimension_numbers=("NHWC", "HWOI", "NHWC"),
  )


def _lax_kernel_gradient(stride, size, images, cotangent):
  """Correlates the images with the cotangent, its pixels set apart."""
  padding = [
    (size // 2, size + stride * (rows - 1) - pixels - size // 2)
    for pixels, rows in zip(
      images.shape[1:3], cotangent.shape[1:3], strict=True
    )
  ]
  return lax.conv_general_dilated(
    images,
    cotangent,
    (1, 1),
    padding,
    rhs_dilation=(stride, stride),
    # Summed over the batch: it stands where channels stand otherwise.
    dimension_numbers=("CHWN", "IHWO", "HWNC"),
  )


# The same as matrix products.


def _multiply_windows(stride, images, kernel):
  size, _, _, outputs = kernel.shape
  windows = _windows(images, size, stride, [(size // 2, size // 2)] * 2)
  return windows @ kernel.reshape(-1, outputs)


def _kernel_gradient(stride, size, images, cotangent):
  windows = _windows(images, size, stride, [(size // 2, size // 2)] * 2)
  gradient = jnp.einsum("nyxk,nyxo->ko", windows, cotangent)
  return gradient.reshape(size, size, images.shape[-1], -1)


def _image_gradient(stride, image_size, cotangent, kernel):
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
