"""Views of pictures, drawn for a whole batch at once: crop, stretch, mirror, recolour, recompress."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from desktop_app.training.config import ViewConfig
from desktop_app.training.recompress import BLOCK, draw_recompressed

# FCC NTSC, 1953: from RGB to YIQ.
_TO_YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
_FROM_YIQ = torch.linalg.inv(_TO_YIQ)


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
    worn = round(len(pictures) * config.recompress)
    if not worn or min(pictures.shape[2:]) < 2 * BLOCK:
        x = _cut(pictures, side_ratio, size=size, config=config, generator=generator)
        return recolour(x, config, generator)
    order = torch.randperm(len(pictures), generator=generator)
    x = torch.empty(len(pictures), 3, size, size)
    sources = ((order[:worn], draw_recompressed(pictures[order[:worn]], generator)), (order[worn:], None))
    for rows, recompressed in sources:
        chosen = pictures[rows] if recompressed is None else recompressed
        x[rows] = _cut(chosen, side_ratio[rows], size=size, config=config, generator=generator)
    return recolour(x, config, generator)


def recolour(x: Tensor, config: ViewConfig, generator: torch.Generator) -> Tensor:
    """Change brightness, contrast, saturation and hue of each picture; (B, 3, H, W) in [-1, 1]."""
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
    x = (x - grey) * keep + grey
    if config.hue > 0:
        turns = (torch.rand(count, generator=generator) * 2.0 - 1.0) * config.hue
        x = torch.einsum("bij,bjhw->bihw", _hue_turns(turns), x)
    return x.clamp_(-1.0, 1.0)


def _hue_turns(turns: Tensor) -> Tensor:
    """(B,) shares of the circle -> (B, 3, 3) changes of RGB that turn hue about the grey axis.

    In the colour space of analogue television, YIQ, a turn of hue is a turn of the plane of I and Q.
    """
    angles = turns * 2.0 * math.pi
    plane = torch.zeros(len(turns), 3, 3)
    plane[:, 0, 0] = 1.0
    plane[:, 1, 1] = plane[:, 2, 2] = angles.cos()
    plane[:, 1, 2], plane[:, 2, 1] = -angles.sin(), angles.sin()
    return _FROM_YIQ @ plane @ _TO_YIQ


def _cut(
    pictures: Tensor, side_ratio: Tensor, *, size: int, config: ViewConfig, generator: torch.Generator
) -> Tensor:
    """A part of each picture, stretched and perhaps mirrored: (B, 3, S, S) uint8 -> (B, 3, size, size)."""
    boxes = _boxes(side_ratio, config, generator)
    grid = F.affine_grid(boxes, [len(pictures), 3, size, size], align_corners=False)
    wide = pictures.float().div_(127.5).sub_(1.0)
    return F.grid_sample(wide, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


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
