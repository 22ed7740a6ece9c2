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


def biased_leaky_relu(x: Tensor, bias: Tensor) -> Tensor:
    """sqrt(2) * leaky_relu(x + bias, 0.2), bias per channel (dimension 1)."""
    shape = (1, -1) + (1,) * (x.dim() - 2)
    return F.leaky_relu(x + bias.to(x.dtype).view(shape), LEAK) * ACTIVATION_GAIN
