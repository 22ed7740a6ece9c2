"""IR-SE and ResNet34 backbones of the inversion encoders (reference, sections 2.1 and 2.2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

IR_SE50_UNITS = (3, 4, 14, 3)
IR_101_UNITS = (3, 13, 30, 3)
RESNET34_UNITS = (3, 4, 6, 3)
STANDARD_WIDTHS = (64, 128, 256, 512)
SE_REDUCTION = 16


class SqueezeExcite(nn.Module):
    """Channel attention: global mean, two 1x1 convolutions, sigmoid."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(channels // SE_REDUCTION, 1)
        self.fc1 = nn.Conv2d(channels, inner, 1, bias=False)
        self.fc2 = nn.Conv2d(inner, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        gate = self.fc2(torch.relu(self.fc1(x.mean(dim=(2, 3), keepdim=True))))
        return x * torch.sigmoid(gate)


class Subsample(nn.Module):
    """Max-pool of window 1: takes every `stride`-th pixel from index 0."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, ceil(H / stride), ceil(W / stride))."""
        return x if self.stride == 1 else x[:, :, :: self.stride, :: self.stride]


class IrSeBlock(nn.Module):
    """Improved-residual bottleneck (ArcFace, Deng et al., 2019), with or without squeeze-excite."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, *, has_gate: bool = True) -> None:
        super().__init__()
        if in_channels == out_channels:
            self.shortcut_layer: nn.Module = Subsample(stride)
        else:
            self.shortcut_layer = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(in_channels),
            nn.Conv2d(in_channels, out_channels, 3, 1, 1, bias=False),
            nn.PReLU(out_channels),
            nn.Conv2d(out_channels, out_channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            *([SqueezeExcite(out_channels)] if has_gate else []),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H / stride, W / stride)."""
        out: Tensor = self.res_layer(x) + self.shortcut_layer(x)
        return out


def ir_se_body(
    units: Sequence[int] = IR_SE50_UNITS, widths: Sequence[int] = STANDARD_WIDTHS, *, has_gate: bool = True
) -> nn.Sequential:
    """Blocks of all groups; the first block of each group has stride 2."""
    blocks: list[nn.Module] = []
    before = widths[0]
    for count, width in zip(units, widths, strict=True):
        for number in range(count):
            blocks.append(IrSeBlock(before, width, 2 if number == 0 else 1, has_gate=has_gate))
            before = width
    return nn.Sequential(*blocks)


def ir_se_input(input_nc: int, width: int = STANDARD_WIDTHS[0]) -> nn.Sequential:
    """First layer: 3x3 convolution, batch norm, PReLU."""
    return nn.Sequential(
        nn.Conv2d(input_nc, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.PReLU(width)
    )


class ResidualBlock(nn.Module):
    """Basic block of ResNet34, keys as in torchvision."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H / stride, W / stride)."""
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out: Tensor = self.relu(y + (x if self.downsample is None else self.downsample(x)))
        return out


def resnet34_body(
    units: Sequence[int] = RESNET34_UNITS, widths: Sequence[int] = STANDARD_WIDTHS
) -> nn.Sequential:
    """Sixteen basic blocks; from the second group on the first block has stride 2."""
    blocks: list[nn.Module] = []
    before = widths[0]
    for group, (count, width) in enumerate(zip(units, widths, strict=True)):
        for number in range(count):
            blocks.append(ResidualBlock(before, width, 2 if group > 0 and number == 0 else 1))
            before = width
    return nn.Sequential(*blocks)
