"""Blur, upsampling and biased activation of StyleGAN2 (reference, section 1, building blocks)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

BLUR_TAPS = (1.0, 3.0, 3.0, 1.0)
LEAK = 0.2
ACTIVATION_GAIN = math.sqrt(2.0)


def blur_kernel(gain: float = 1.0) -> Tensor:
    """The 4x4 binomial kernel, outer([1,3,3,1]) / 64, times `gain`."""
    taps = torch.tensor(BLUR_TAPS)
    return gain * torch.outer(taps, taps) / 64.0


def blur(x: Tensor, kernel: Tensor, *, padding: int) -> Tensor:
    """Convolve every channel with one kernel after symmetric zero padding.

    Args:
        x: (B, C, H, W).
        kernel: (4, 4), symmetric.
        padding: Zeros on every side.

    Returns:
        (B, C, H + 2 * padding - 3, W + 2 * padding - 3).
    """
    channels = x.shape[1]
    weight = kernel.to(x.dtype).expand(channels, 1, *kernel.shape)
    return F.conv2d(x, weight, padding=padding, groups=channels)


def upsample_2x(x: Tensor, kernel: Tensor) -> Tensor:
    """Zero-insert, pad 2 before and 1 after, convolve: (B, C, H, W) -> (B, C, 2H, 2W).

    Written as one transposed convolution: stride 2 with padding 1 places the taps alike.
    """
    channels = x.shape[1]
    weight = kernel.to(x.dtype).expand(channels, 1, *kernel.shape)
    return F.conv_transpose2d(x, weight, stride=2, padding=1, groups=channels)


def upsample_2x_bilinear(x: Tensor) -> Tensor:
    """`upsample_2x` with the kernel of gain 4, without a convolution.

    Those taps are [1, 3] / 4 and [3, 1] / 4 in each direction, which is bilinear interpolation with
    zeros outside the picture. Faster than a transposed convolution of three channels; no gradient
    is needed where it is used.
    """
    height, width = x.shape[2:]
    padded = F.pad(x, (1, 1, 1, 1))
    large = F.interpolate(padded, scale_factor=2, mode="bilinear", align_corners=False)
    return large[:, :, 2 : 2 * height + 2, 2 : 2 * width + 2].contiguous()


def biased_leaky_relu(x: Tensor, bias: Tensor) -> Tensor:
    """sqrt(2) * leaky_relu(x + bias, 0.2), bias per channel (dimension 1)."""
    shape = (1, -1) + (1,) * (x.dim() - 2)
    return F.leaky_relu(x + bias.to(x.dtype).view(shape), LEAK) * ACTIVATION_GAIN
