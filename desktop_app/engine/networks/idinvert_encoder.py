"""The encoder of in-domain GAN inversion: image to W+ in one pass (reference, section 7).

Source: IDInvert (Zhu et al., 2020), for StyleGAN at 256 px; key names of its published files.
Trained with batch norm and without weight scaling, so every convolution is plain.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

LEAK = 0.2
FINAL_SIDE = 4


@dataclass(frozen=True, slots=True)
class IdInvertShape:
    """Sizes of the encoder.

    Attributes:
        n_styles: Rows of the code.
        style_dim: Size of a row.
        input_px: Side of the input.
        base_width: Feature maps of the first block; they double each block.
        max_width: Feature maps at most.
    """

    n_styles: int = 14
    style_dim: int = 512
    input_px: int = 256
    base_width: int = 64
    max_width: int = 1024

    @property
    def widths(self) -> list[int]:
        """Feature maps of block 0 and of each block below, down to 4x4."""
        count = int(math.log2(self.input_px // FINAL_SIDE)) + 1
        return [min(self.base_width * 2**k, self.max_width) for k in range(count)]


class _Norm(nn.Module):
    """Batch norm under the key `bn`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bn: nn.Module = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.bn(x)
        return out


class _RowNorm(_Norm):
    """Batch norm of a flat code under the key `bn`."""

    def __init__(self, channels: int) -> None:
        super().__init__(1)
        self.bn = nn.BatchNorm1d(channels)


class _Bias(nn.Module):
    """A bias per channel; its scale cancels against the missing weight scale."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias[:, None, None]


class FirstBlock(nn.Module):
    """3x3 convolution, batch norm, leaky ReLU."""

    def __init__(self, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, out_channels, 3, padding=1, bias=False)
        self.bn = _Norm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, out, H, W)."""
        return F.leaky_relu(self.bn(self.conv(x)), LEAK)


class ResidualBlock(nn.Module):
    """Halve the size, then two convolutions beside a shortcut, each activated before the sum."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.has_projection = in_channels != out_channels
        if self.has_projection:
            self.conv = nn.Conv2d(in_channels, out_channels, 1, bias=False)
            self.bn = _Norm(out_channels)
        inner = min(in_channels, out_channels)
        self.conv1 = nn.Conv2d(in_channels, inner, 3, padding=1, bias=False)
        self.wscale1 = _Bias(inner)
        self.bn1 = _Norm(inner)
        self.conv2 = nn.Conv2d(inner, out_channels, 3, padding=1, bias=False)
        self.wscale2 = _Bias(out_channels)
        self.bn2 = _Norm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H / 2, W / 2)."""
        x = F.avg_pool2d(x, 2)
        shortcut = F.leaky_relu(self.bn(self.conv(x)), LEAK) if self.has_projection else x
        y = F.leaky_relu(self.bn1(self.wscale1(self.conv1(x))), LEAK)
        y = F.leaky_relu(self.bn2(self.wscale2(self.conv2(y))), LEAK)
        return y + shortcut


class LastBlock(nn.Module):
    """Flatten, linear layer scaled by 1 / sqrt(inputs), batch norm."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.fc = nn.Linear(in_features, out_features, bias=False)
        self.scale = 1.0 / math.sqrt(in_features)
        self.bn = _RowNorm(out_features)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, 4, 4) -> (B, out)."""
        out: Tensor = self.bn(self.fc(x.flatten(1)) * self.scale)
        return out


class IdInvertEncoder(nn.Module):
    """Blocks `block0` ... `blockN`; at 256 px N is 7.

    Args:
        shape: Sizes.
    """

    def __init__(self, shape: IdInvertShape | None = None) -> None:
        super().__init__()
        self.shape = shape or IdInvertShape()
        widths = self.shape.widths
        self.block0 = FirstBlock(widths[0])
        for k in range(1, len(widths)):
            self.add_module(f"block{k}", ResidualBlock(widths[k - 1], widths[k]))
        rows = self.shape.n_styles * self.shape.style_dim
        self.add_module(f"block{len(widths)}", LastBlock(widths[-1] * FINAL_SIDE**2, rows))

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, input_px, input_px) in [-1, 1] -> W+ code (B, n_styles, D)."""
        for block in self.children():
            x = block(x)
        return x.view(-1, self.shape.n_styles, self.shape.style_dim)
