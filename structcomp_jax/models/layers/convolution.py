"""2-D convolution that is fast in loops, and where every row has a kernel.

`jax.vmap` over kernels turns `lax`'s convolution into a grouped one, which is
slow on every backend. And inside of loops XLA:CPU is 50 times slower with the
convolutions that `jax.grad` makes of one than with those whose axes stand in
channels-last order (jax issue 12868). Here

- output and both gradients are three convolutions in that order, which is as
  fast in a loop as outside of one;
- where every row has a kernel of its own, the rows are computed one after the
  other on a CPU and by a batched matrix product of the images' windows
  elsewhere.

Windows take size^2 times the memory of the images, so the backward pass makes
them again instead of keeping them.
"""

import functools
import os
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Float

from structcomp_jax import target, varying
from structcomp_jax.models.layers import windows
from structcomp_jax.models.layers.dense import symmetric_uniform

_Bilinear = Callable[[jax.Array, jax.Array], jax.Array]
# Operations; see `_by_parts`.
_SHARED_BY_XLA = 3e6
_WORTH_SHARING = 3e7
_MAX_PARTS = 8


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
  return _convolve(stride, *varying.alike(images, kernel))


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


class BiasedConv(nn.Module):
  """A convolution with bias; its parameters are `kernel` and `bias`.

  They start as those of PyTorch's Conv2d: uniform on an interval from -b to b,
  b = 1 / sqrt(inputs size^2).

  Attributes:
    features: number of output channels.
    size: of the kernel, along both axes.
    dtype: of the computation; the parameters are float32 always.
  """

  features: int
  size: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
    self, images: Float[Array, "batch height width inputs"]
  ) -> Float[Array, "batch height width outputs"]:
    num_inputs = images.shape[-1]
    draw = symmetric_uniform((num_inputs * self.size**2) ** -0.5)
    shape = (self.size, self.size, num_inputs, self.features)
    kernel = self.param("kernel", draw, shape)
    bias = self.param("bias", draw, (self.features,))
    convolved = convolve(images.astype(self.dtype), kernel.astype(self.dtype))
    return convolved + bias.astype(self.dtype)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _convolve(stride, images, kernel):
  forward = _by_rows(
    functools.partial(_lax_convolve, stride),
    functools.partial(windows.convolve, stride),
  )
  return forward(images, kernel)


def _forward(stride, images, kernel):
  return _convolve(stride, images, kernel), (images, kernel)


def _backward(stride, saved, cotangent):
  images, kernel = saved
  image_size, kernel_size = images.shape[1:3], kernel.shape[0]
  to_images = _by_rows(
    functools.partial(_lax_image_gradient, stride, image_size),
    functools.partial(windows.image_gradient, stride, image_size),
  )
  to_kernel = _by_rows(
    functools.partial(
      _pixel_kernel_gradient
      if kernel_size == 1 and _is_for_cpu()
      else _lax_kernel_gradient,
      stride,
      kernel_size,
    ),
    functools.partial(windows.kernel_gradient, stride, kernel_size),
    second_is_kernel=False,
  )
  return to_images(cotangent, kernel), to_kernel(images, cotangent)


_convolve.defvjp(_forward, _backward)


def _is_for_cpu() -> bool:
  return target.platform() == "cpu"


def _by_rows(
  single: _Bilinear, batched: _Bilinear, second_is_kernel: bool = True
) -> _Bilinear:
  """Gives one of a convolution's three products a batching rule.

  Args:
    single: computes the product of one row.
    batched: computes the same, and is fast under `vmap` on an accelerator.
    second_is_kernel: whether the second factor is the kernel; rows with the
      same kernel are then computed as one larger batch of images.
  """

  @jax.custom_batching.custom_vmap
  def apply(first, second):
    return single(first, second)

  @apply.def_vmap
  def rule(axis_size, in_batched, first, second):
    if axis_size == 1:
      only_row = apply(
        first[0] if in_batched[0] else first,
        second[0] if in_batched[1] else second,
      )
      return only_row[None], True
    if second_is_kernel and not in_batched[1]:
      rows = apply(first.reshape(-1, *first.shape[2:]), second)
      return rows.reshape(axis_size, -1, *rows.shape[1:]), True
    if _is_for_cpu():
      return _one_by_one(apply, in_batched, first, second), True
    in_axes = tuple(0 if batched else None for batched in in_batched)
    return jax.vmap(batched, in_axes)(first, second), True

  return apply


def _one_by_one(fn, in_batched, first, second):
  """Computes the rows in a loop; batched products are slower on a CPU."""
  batched = tuple(
    array if is_batched else None
    for array, is_batched in zip((first, second), in_batched, strict=True)
  )
  return lax.map(
    lambda row: fn(
      first if row[0] is None else row[0], second if row[1] is None else row[1]
    ),
    batched,
  )


# The three products for one kernel. Axes are put into channels-last order here,
# although `lax` takes any order: the others are slow in loops of XLA:CPU.


def _lax_convolve(stride, images, kernel):
  padding = [(kernel.shape[0] // 2,) * 2] * 2
  return _by_parts(
    lambda part: _channels_last(part, kernel, padding, (stride, stride)),
    images,
    num_rows=images.shape[0] * images.shape[1] // stride,
    operations=2 * kernel.size * images.shape[2] // stride,
  )


def _lax_image_gradient(stride, image_size, cotangent, kernel):
  """Correlates the cotangent, its pixels set apart, with the turned kernel."""
  size = kernel.shape[0]
  padding = [
    (size - 1 - size // 2, pixels - 1 - stride * (rows - 1) + size // 2)
    for pixels, rows in zip(image_size, cotangent.shape[1:3], strict=True)
  ]
  turned = kernel[::-1, ::-1].swapaxes(2, 3)
  if stride > 1:  # XLA:CPU computes these in another way, on all cores.
    return _channels_last(
      cotangent, turned, padding, lhs_dilation=(stride, stride)
    )
  return _by_parts(
    lambda part: _channels_last(part, turned, padding),
    cotangent,
    num_rows=cotangent.shape[0] * image_size[0],
    operations=2 * kernel.size * image_size[1],
  )


def _by_parts(fn, images, num_rows, operations):
  """Applies `fn` to parts of a batch, so that every core has something to do.

  XLA:CPU runs a convolution on one core where a row of its output is little
  work (measured: up to 2.4 million operations; from 4.2 million on it uses
  all). Independent convolutions run side by side.

  Args:
    fn: a convolution.
    images: its first argument.
    num_rows: number of rows of its output, over all images.
    operations: operations that one such row takes.
  """
  num_parts = 1
  if (
    _is_for_cpu()
    and operations < _SHARED_BY_XLA
    and num_rows * operations > _WORTH_SHARING
  ):
    at_most = min(os.cpu_count() or 1, len(images), _MAX_PARTS)
    num_parts = next(n for n in range(at_most, 0, -1) if len(images) % n == 0)
  if num_parts == 1:
    return fn(images)
  return jnp.concatenate([fn(part) for part in jnp.split(images, num_parts)])


def _lax_kernel_gradient(stride, size, images, cotangent):
  """Correlates the images with the cotangent, its pixels set apart.

  A convolution sums over channels, this gradient over the batch: the two axes
  change places.
  """
  padding = [
    (size // 2, size + stride * (rows - 1) - pixels - size // 2)
    for pixels, rows in zip(
      images.shape[1:3], cotangent.shape[1:3], strict=True
    )
  ]
  gradient = _channels_last(
    images.transpose(3, 1, 2, 0),
    cotangent.transpose(1, 2, 0, 3),
    padding,
    rhs_dilation=(stride, stride),
  )
  return gradient.transpose(1, 2, 0, 3)


def _pixel_kernel_gradient(stride, size, images, cotangent):
  """Returns the gradient in a 1x1 kernel: one matrix product over all pixels.

  The first factor of the product must have its pixels last. XLA:CPU multiplies
  faster if a transposed copy is made beforehand (two to three times as fast at
  64 ... 256 channels). The factor with fewer channels is the cheaper one to
  copy.
  """
  del size
  seen = images[:, ::stride, ::stride]
  pixels = seen.reshape(-1, seen.shape[-1])
  slopes = cotangent.reshape(-1, cotangent.shape[-1])
  make = lax.optimization_barrier
  if pixels.shape[1] < slopes.shape[1]:
    gradient = make(pixels.T) @ slopes
  else:
    gradient = make(make(slopes.T) @ pixels).T
  return gradient[None, None]


def _channels_last(images, kernel, padding, strides=(1, 1), **dilations):
  return lax.conv_general_dilated(
    images,
    kernel,
    strides,
    padding,
    dimension_numbers=("NHWC", "HWIO", "NHWC"),
    **dilations,
  )
