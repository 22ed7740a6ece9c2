"""Residual image discriminator in the manner of StyleGAN2, with its feature maps given out."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

LEAK = 0.2


class _Block(nn.Module):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, in_channels, 3, padding=1)
        self.conv2 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.skip = nn.Conv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = F.leaky_relu(self.conv1(x), LEAK)
        y = F.avg_pool2d(F.leaky_relu(self.conv2(y), LEAK), 2)
        return (y + self.skip(F.avg_pool2d(x, 2))) / math.sqrt(2.0)


class Discriminator(nn.Module):
    """Scores images; higher means more real.

    Args:
        size: Input pixels, a power of two.
        channels: Feature maps by resolution.
    """

    def __init__(self, size: int, channels: dict[int, int]) -> None:
        super().__init__()
        self.from_rgb = nn.Conv2d(3, channels[size], 3, padding=1)
        sides = [2**level for level in range(int(math.log2(size)), 2, -1)]
        self.blocks = nn.ModuleList(_Block(channels[side], channels[side // 2]) for side in sides)
        self.final = nn.Conv2d(channels[4] + 1, channels[4], 3, padding=1)
        self.score = nn.Sequential(
            nn.Linear(channels[4] * 16, channels[4]), nn.LeakyReLU(LEAK), nn.Linear(channels[4], 1)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(B, 3, H, W) -> scores (B,) and the feature map after every block."""
        x = F.leaky_relu(self.from_rgb(x), LEAK)
        features = []
        for block in self.blocks:
            x = block(x)
            features.append(x)
        spread = (x.var(dim=0, unbiased=False) + 1e-8).sqrt().mean().expand(x.shape[0], 1, 4, 4)
        x = F.leaky_relu(self.final(torch.cat([x, spread], dim=1)), LEAK)
        return self.score(x.flatten(1))[:, 0], features
