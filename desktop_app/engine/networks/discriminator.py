"""Residual image discriminator of StyleGAN2, with its feature maps given out.

All layers are equalised (Karras et al., 2018): weights start at N(0, 1) and are scaled when used, so that
signals keep their size through any depth. With torch's own start the scores of two pictures differ by
0.0003, R1 and Adam see next to nothing, and training stays at chance for thousands of pictures.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from desktop_app.engine.networks.stylegan2 import EqualLinear

LEAK = 0.2
GAIN = math.sqrt(2.0)
# Pictures that share one minibatch statistic.
GROUP = 4


class _EqualConv(nn.Module):
    """Convolution with weights scaled by 1 / sqrt(fan in), bias, and leaky ReLU."""

    def __init__(self, in_channels: int, out_channels: int, side: int = 3, *, activate: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, side, side))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if activate else None
        self.scale = 1.0 / math.sqrt(in_channels * side**2)
        self.padding = side // 2

    def forward(self, x: Tensor) -> Tensor:
        if self.bias is None:
            return F.conv2d(x, self.weight * self.scale, padding=self.padding)
        # the gain is taken into weights and bias: leaky ReLU lets a factor through, maps are large
        weight, bias = self.weight * (self.scale * GAIN), self.bias * GAIN
        return F.leaky_relu(F.conv2d(x, weight, bias, padding=self.padding), LEAK)


class _Block(nn.Module):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = _EqualConv(in_channels, in_channels)
        self.conv2 = _EqualConv(in_channels, out_channels)
        self.skip = _EqualConv(in_channels, out_channels, 1, activate=False)

    def forward(self, x: Tensor) -> Tensor:
        y = F.avg_pool2d(self.conv2(self.conv1(x)), 2)
        return (y + self.skip(F.avg_pool2d(x, 2))) / math.sqrt(2.0)


class Discriminator(nn.Module):
    """Scores images; higher means more real.

    Args:
        size: Input pixels, a power of two.
        channels: Feature maps by resolution.
    """

    def __init__(self, size: int, channels: dict[int, int]) -> None:
        super().__init__()
        self.from_rgb = _EqualConv(3, channels[size])
        sides = [2**level for level in range(int(math.log2(size)), 2, -1)]
        self.blocks = nn.ModuleList(_Block(channels[side], channels[side // 2]) for side in sides)
        self.final = _EqualConv(channels[4] + 1, channels[4])
        self.score = nn.Sequential(
            EqualLinear(channels[4] * 16, channels[4], activate=True), EqualLinear(channels[4], 1)
        )
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor, dtype: torch.dtype = torch.float32) -> tuple[Tensor, list[Tensor]]:
        """Score pictures.

        Args:
            x: (B, 3, H, W) float32.
            dtype: Precision of the blocks; spread within groups and scores are always float32.

        Returns:
            Scores (B,) and the feature map after every block, float32.
        """
        x = x.contiguous(memory_format=torch.channels_last)
        features = []
        with torch.autocast(x.device.type, dtype, enabled=dtype is not torch.float32):
            x = self.from_rgb(x)
            for block in self.blocks:
                x = block(x)
                features.append(x.float())
        x = features[-1]
        x = self.final(torch.cat([x, _group_spread(x)], dim=1))
        return self.score(x.flatten(1))[:, 0], features


def _group_spread(x: Tensor) -> Tensor:
    """Mean standard deviation within groups of pictures, as one more map: (B, 1, H, W)."""
    count, channels, height, width = x.shape
    group = GROUP if count % GROUP == 0 else count
    parts = x.view(group, count // group, channels, height, width)
    spread = (parts.var(dim=0, unbiased=False) + 1e-8).sqrt().mean(dim=(1, 2, 3))
    return spread.repeat(group).view(count, 1, 1, 1).expand(count, 1, height, width)
