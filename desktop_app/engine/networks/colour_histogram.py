"""Colours of a picture as a soft histogram of hue, saturation and value, made of tensor operations."""

from __future__ import annotations

from itertools import product

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
    hues = _nearest(hue * HUES - 0.5, HUES)  # a circle: beyond one end lies the other
    shades, lights = (
        _nearest((one * bins - 0.5).clamp(0.0, bins - 1.0), bins)
        for one, bins in ((saturation, SATURATIONS), (value, VALUES))
    )
    counts = x.new_zeros((len(x), COLOUR_BINS), dtype=torch.float32)
    for (hue_bin, hue_share), (shade_bin, shade_share), (light_bin, light_share) in product(
        hues, shades, lights
    ):
        bins = (hue_bin * SATURATIONS + shade_bin) * VALUES + light_bin
        counts.scatter_add_(1, bins, hue_share * shade_share * light_share)
    return F.normalize(counts.sqrt(), dim=1)


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


def _nearest(place: Tensor, bins: int) -> list[tuple[Tensor, Tensor]]:
    """The two bins next to each place, counted in bins, and its share of each: pairs of (B, P), sum 1."""
    low = place.floor()
    share = place - low
    below = low.long()
    return [(below % bins, 1.0 - share), ((below + 1) % bins, share)]
