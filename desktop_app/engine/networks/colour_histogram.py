"""Colours of a picture as a soft histogram of hue, saturation and value, made of tensor operations."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

HUES = 16
SATURATIONS = 4
VALUES = 4
COLOUR_BINS = HUES * SATURATIONS * VALUES


def colour_histogram(x: Tensor) -> Tensor:
    """Square roots of the shares of colours; each pixel is shared between neighbouring bins.

    The square root makes the inner product of two histograms their Bhattacharyya coefficient, as in
    RootSIFT (Arandjelovic and Zisserman, 2012, section 2).

    Args:
        x: (B, 3, H, W) in [-1, 1], RGB.

    Returns:
        (B, COLOUR_BINS) float32, unit length.
    """
    hue, saturation, value = _hsv((x.float() + 1.0) / 2.0)
    hues = _shares(hue, HUES, is_circle=True)  # (B, P, 16)
    shades = _shares(saturation, SATURATIONS)[..., :, None] * _shares(value, VALUES)[..., None, :]
    counts = hues.transpose(1, 2) @ shades.flatten(2)  # (B, 16, 16)
    return F.normalize(counts.flatten(1).clamp_min(0.0).sqrt(), dim=1)


def _hsv(rgb: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hue, saturation and value, each (B, P) in [0, 1]; hue 0 where there is none."""
    red, green, blue = rgb.clamp(0.0, 1.0).flatten(2).unbind(dim=1)
    value = torch.maximum(torch.maximum(red, green), blue)
    spread = value - torch.minimum(torch.minimum(red, green), blue)
    per = spread.clamp_min(1e-6).reciprocal()
    hue = torch.where(
        value == red,
        ((green - blue) * per) % 6.0,
        torch.where(value == green, (blue - red) * per + 2.0, (red - green) * per + 4.0),
    )
    return hue / 6.0, spread / value.clamp_min(1e-6), value


def _shares(values: Tensor, bins: int, *, is_circle: bool = False) -> Tensor:
    """How much each value in [0, 1] belongs to the nearest bins: (B, P) -> (B, P, bins), rows sum to 1."""
    centres = (torch.arange(bins, device=values.device, dtype=values.dtype) + 0.5) / bins
    distance = (values[..., None] - centres).abs()
    if is_circle:
        distance = torch.minimum(distance, 1.0 - distance)
    weight = (1.0 - distance * bins).clamp_min(0.0)
    return weight / weight.sum(dim=-1, keepdim=True)
