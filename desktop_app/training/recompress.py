"""The marks that strong JPEG compression leaves, drawn for a whole batch as tensor operations.

Source: ITU-T T.81, annex K (tables K.1 and K.2) and annex A.3.3 (the cosine transform); qualities scale the
tables as the library of the Independent JPEG Group does. Colours are kept at half the size, as cameras do.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

BLOCK = 8
# Copies that people pass on: small and strongly compressed.
QUALITIES = (8.0, 45.0)
SIDES = (0.55, 1.0)

_LUMINANCE = torch.tensor(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    dtype=torch.float32,
)
_CHROMINANCE = torch.full((BLOCK, BLOCK), 99.0)
_CHROMINANCE[:4, :4] = torch.tensor(
    [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]], dtype=torch.float32
)
# ITU-R BT.601 as in JFIF 1.02.
_TO_YCC = torch.tensor([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
_TO_RGB = torch.linalg.inv(_TO_YCC)


def draw_recompressed(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Make pictures smaller and compress them, with a quality for each.

    Args:
        pictures: (B, 3, S, S) uint8.
        generator: Source of chance.

    Returns:
        (B, 3, s, s) uint8, s at most S and a multiple of two blocks.
    """
    step, full = 2 * BLOCK, pictures.shape[-1]
    low, high = (max(1, int(full * share) // step) for share in SIDES)
    side = step * int(torch.randint(low, high + 1, (1,), generator=generator))
    qualities = torch.rand(len(pictures), generator=generator) * (QUALITIES[1] - QUALITIES[0]) + QUALITIES[0]
    small = F.interpolate(
        pictures.float(), (side, side), mode="bilinear", antialias=True, align_corners=False
    )
    return compressed(small, qualities).round_().to(torch.uint8)


def compressed(pictures: Tensor, qualities: Tensor) -> Tensor:
    """What decoding gives back after JPEG.

    Args:
        pictures: (B, 3, H, W) in [0, 255], RGB; sides are multiples of two blocks.
        qualities: (B,) from 1 to 100.

    Returns:
        (B, 3, H, W) in [0, 255].
    """
    ycc = torch.einsum("ij,bjhw->bihw", _TO_YCC, pictures)
    scale = torch.where(qualities < 50, 5000.0 / qualities, 200.0 - 2.0 * qualities) / 100.0
    light = _quantised(ycc[:, :1] - 128.0, _LUMINANCE, scale) + 128.0
    colours = _quantised(F.avg_pool2d(ycc[:, 1:], 2), _CHROMINANCE, scale)
    wide = F.interpolate(colours, scale_factor=2.0, mode="bilinear", align_corners=False)
    return torch.einsum("ij,bjhw->bihw", _TO_RGB, torch.cat([light, wide], dim=1)).clamp_(0.0, 255.0)


def _quantised(channels: Tensor, table: Tensor, scale: Tensor) -> Tensor:
    """Blocks to cosines, these to multiples of the table's steps, and back: (B, C, H, W)."""
    count, width = channels.shape[:2]
    high, wide = channels.shape[2] // BLOCK, channels.shape[3] // BLOCK
    blocks = channels.reshape(count, width, high, BLOCK, wide, BLOCK).transpose(3, 4)
    steps = (table * scale.view(-1, 1, 1)).round().clamp(1.0, 255.0).view(count, 1, 1, 1, BLOCK, BLOCK)
    waves = (_WAVES @ blocks @ _WAVES.T / steps).round_() * steps
    back = _WAVES.T @ waves @ _WAVES
    return back.transpose(3, 4).reshape(channels.shape)


def _waves() -> Tensor:
    """The orthonormal cosine transform, one wave in each row."""
    rows = [
        [
            math.sqrt((1.0 if wave == 0 else 2.0) / BLOCK)
            * math.cos(math.pi * (2 * place + 1) * wave / (2 * BLOCK))
            for place in range(BLOCK)
        ]
        for wave in range(BLOCK)
    ]
    return torch.tensor(rows)


_WAVES = _waves()
