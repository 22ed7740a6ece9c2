"""Views of aligned faces, drawn so that neither light, colour, sharpness nor exact place tells who it is."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from desktop_app.training.config import FaceViewConfig

# Side of the coarse pictures that light and dirt are blown up from.
_COARSE_PX = 3


def draw_face_views(
    pictures: Tensor, *, size: int, config: FaceViewConfig, generator: torch.Generator
) -> Tensor:
    """One view of each aligned face.

    Args:
        pictures: (B, 3, S, S) uint8, framed as FFHQ.
        size: Side of a view in pixels.
        config: How far views may differ.
        generator: Source of chance.

    Returns:
        (B, 3, size, size) float32 in [-1, 1].
    """
    x = pictures.float().div_(127.5).sub_(1.0)
    grid = F.affine_grid(_moves(len(x), config, generator), [len(x), 3, size, size], align_corners=False)
    x = F.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    x = _relit(x, config, generator)
    x = _softened(x, config, generator)
    return _covered(x, config, generator).clamp_(-1.0, 1.0)


def _moves(count: int, config: FaceViewConfig, generator: torch.Generator) -> Tensor:
    """(B, 2, 3) transforms from view to picture, both in [-1, 1]."""

    def normal(spread: float) -> Tensor:
        return torch.randn(count, generator=generator) * spread

    angle, zoom = normal(math.radians(config.rotation_deg)), torch.exp(normal(config.log_scale))
    stretch, slant = torch.exp(normal(config.log_stretch)), normal(config.shear)
    mirror = torch.where(torch.rand(count, generator=generator) < config.mirror, -1.0, 1.0)
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    across = torch.stack([cos * stretch * mirror, -sin + slant, normal(2 * config.shift)], dim=1)
    down = torch.stack([sin * mirror, cos / stretch, normal(2 * config.shift)], dim=1)
    return torch.stack([across, down], dim=1)


def _relit(x: Tensor, config: FaceViewConfig, generator: torch.Generator) -> Tensor:
    """Contrast, white balance, colour, and a soft light from somewhere."""
    count, _, height, width = x.shape

    def uniform(limit: float, *shape: int) -> Tensor:
        return (torch.rand(count, *shape, generator=generator) * 2.0 - 1.0) * limit

    gain = (1.0 + uniform(config.gain, 1, 1, 1)) * (1.0 + uniform(config.gain / 2, 3, 1, 1))
    coarse = torch.randn(count, 1, _COARSE_PX, _COARSE_PX, generator=generator)
    light = F.interpolate(coarse, (height, width), mode="bicubic", align_corners=True)
    strength = torch.rand(count, 1, 1, 1, generator=generator) * config.light
    positive = (x + 1.0) / 2.0 * torch.exp(light * strength) * gain
    power = torch.exp(uniform(0.35, 1, 1, 1))  # gamma
    x = positive.clamp(1e-3, 1.0).pow(power) * 2.0 - 1.0
    is_grey = torch.rand(count, 1, 1, 1, generator=generator) < config.grey
    return torch.where(is_grey, x.mean(dim=1, keepdim=True), x)


def _softened(x: Tensor, config: FaceViewConfig, generator: torch.Generator) -> Tensor:
    """Some views reduced to few pixels and enlarged again, then noise; one size for each quarter of them."""
    size = x.shape[-1]
    is_soft = torch.rand(len(x), generator=generator) < config.soft
    parts = is_soft.nonzero()[:, 0].chunk(4)
    for part in parts:
        least = max(1, round(config.least_px * size / 96))
        side = int(torch.randint(least, size, (1,), generator=generator))
        if len(part):
            small = F.interpolate(x[part], (side, side), mode="bilinear", antialias=True, align_corners=False)
            x[part] = F.interpolate(small, (size, size), mode="bicubic", align_corners=False)
    spread = torch.rand(len(x), 1, 1, 1, generator=generator) * config.noise
    return x + torch.randn(x.shape, generator=generator) * spread


def _covered(x: Tensor, config: FaceViewConfig, generator: torch.Generator) -> Tensor:
    """A flat box over a part of some views."""
    count, _, height, width = x.shape

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(count, 1, 1, generator=generator) * (high - low) + low

    left, top = uniform(0.1, 0.9) * width, uniform(0.1, 0.9) * height
    half_width, half_height = uniform(0.05, 0.15) * width, uniform(0.05, 0.15) * height
    across = (torch.arange(width) - left).abs() < half_width  # (B, 1, W)
    down = (torch.arange(height)[:, None] - top).abs() < half_height  # (B, H, 1)
    is_hidden = torch.rand(count, 1, 1, generator=generator) < config.hidden
    box = (across & down & is_hidden)[:, None]
    flat = torch.rand(count, 3, 1, 1, generator=generator) * 2.0 - 1.0
    return torch.where(box, flat, x)
