"""Views of pictures, drawn for a whole batch at once: crop, stretch, mirror, recolour."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from desktop_app.training.config import ViewConfig


def draw_views(
    pictures: Tensor, side_ratio: Tensor, *, size: int, config: ViewConfig, generator: torch.Generator
) -> Tensor:
    """One view of each picture.

    Args:
        pictures: (B, 3, S, S) uint8; pictures of any shape, squeezed into a square.
        side_ratio: (B,) width over height of each picture before it was squeezed.
        size: Side of a view in pixels.
        config: How far views may differ.
        generator: Source of chance.

    Returns:
        (B, 3, size, size) float32 in [-1, 1].
    """
    count = len(pictures)
    boxes = _boxes(side_ratio, config, generator)
    grid = F.affine_grid(boxes, [count, 3, size, size], align_corners=False)
    wide = pictures.float().div_(127.5).sub_(1.0)
    x = F.grid_sample(wide, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    return recolour(x, config, generator)


def recolour(x: Tensor, config: ViewConfig, generator: torch.Generator) -> Tensor:
    """Change brightness, contrast and saturation of each picture; (B, 3, H, W) in [-1, 1]."""
    count = len(x)

    def gain(limit: float) -> Tensor:
        return 1.0 + (torch.rand(count, 1, 1, 1, generator=generator) * 2.0 - 1.0) * limit

    x = (x + 1.0) * gain(config.brightness) - 1.0
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    x = (x - mean) * gain(config.contrast) + mean
    grey = x.mean(dim=1, keepdim=True)
    keep = gain(config.saturation)
    if config.grey > 0:
        without = torch.rand(count, 1, 1, 1, generator=generator) < config.grey
        keep = torch.where(without, torch.zeros_like(keep), keep)
    return ((x - grey) * keep + grey).clamp_(-1.0, 1.0)


def _boxes(side_ratio: Tensor, config: ViewConfig, generator: torch.Generator) -> Tensor:
    """Crops as (B, 2, 3) transforms from view to picture, both in [-1, 1]."""
    count = len(side_ratio)

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(count, generator=generator) * (high - low) + low

    area = uniform(config.min_area, 1.0)
    limit = math.log(config.max_stretch)
    # In true pixels a crop is anything between a square and the picture's own shape, a little stretched:
    # the encoder later sees whole pictures, squeezed.
    ratio = torch.exp(uniform(-limit, limit)) * side_ratio.pow(uniform(0.0, 1.0))
    width = (area * ratio / side_ratio).sqrt().clamp(max=1.0)
    height = (area * side_ratio / ratio).sqrt().clamp(max=1.0)
    mirror = torch.where(torch.rand(count, generator=generator) < config.mirror, -1.0, 1.0)
    boxes = torch.zeros(count, 2, 3)
    boxes[:, 0, 0] = width * mirror
    boxes[:, 1, 1] = height
    boxes[:, 0, 2] = uniform(-1.0, 1.0) * (1.0 - width)
    boxes[:, 1, 2] = uniform(-1.0, 1.0) * (1.0 - height)
    return boxes
