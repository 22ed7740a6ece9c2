"""A small residual network that trains quickly on a processor: few, wide, plain convolutions.

The stem goes to a quarter of the side at once, because on a processor the large early maps cost more
memory traffic than arithmetic. Each stage's map is an output: the embedding pools all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from desktop_app.core.errors import WeightsError

STEM_STRIDE = 4


@dataclass(frozen=True, slots=True)
class ResNetShape:
    """Sizes of the network.

    Attributes:
        widths: Channels of each stage; every stage after the first halves the side.
        blocks: Residual blocks of each stage.
    """

    widths: tuple[int, ...] = (64, 128, 256)
    blocks: tuple[int, ...] = (1, 1, 2)

    @property
    def features(self) -> int:
        """Channels of all stages together."""
        return sum(self.widths)


def shape_from_config(config: dict[str, Any]) -> ResNetShape:
    """The shape named by a model card.

    Raises:
        WeightsError: A field is missing or makes no network.
    """
    try:
        shape = ResNetShape(tuple(int(v) for v in config["widths"]), tuple(int(v) for v in config["blocks"]))
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"The model card describes no network: {error!r}.") from error
    if not shape.widths or len(shape.widths) != len(shape.blocks) or min(shape.widths + shape.blocks) < 1:
        raise WeightsError("The model card describes no network: widths and blocks do not fit together.")
    return shape


class SmallResNet(nn.Module):
    """Images to the maps of all stages.

    Args:
        shape: Channels and blocks.
    """

    def __init__(self, shape: ResNetShape) -> None:
        super().__init__()
        self.shape = shape
        first = shape.widths[0]
        self.stem = _ConvNorm(3, first, size=7, stride=STEM_STRIDE)
        stages = []
        channels = first
        for index, (width, count) in enumerate(zip(shape.widths, shape.blocks, strict=True)):
            blocks: list[nn.Module] = []
            for position in range(count):
                halves = index > 0 and position == 0
                blocks.append(ResidualBlock(channels, width, stride=2 if halves else 1))
                channels = width
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)

    def first_parts(self, stages: int) -> list[nn.Module]:
        """The stem and the first stages; nothing for 0."""
        return [self.stem, *self.stages[:stages]] if stages else []

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, 3, H, W) in [-1, 1] -> one non-negative map (B, width, h, w) for each stage."""
        y = F.relu(self.stem(x), inplace=True)
        maps = []
        for stage in self.stages:
            y = stage(y)
            maps.append(y)
        return maps


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al., 2015, figure 5, left)."""

    def __init__(self, channels: int, width: int, *, stride: int) -> None:
        super().__init__()
        self.first = _ConvNorm(channels, width, size=3, stride=stride)
        self.second = _ConvNorm(width, width, size=3, stride=1)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels != width:
            self.shortcut = nn.Conv2d(channels, width, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, width, H / stride, W / stride)."""
        y = self.second(F.relu(self.first(x), inplace=True))
        return F.relu(y + self.shortcut(x), inplace=True)


class _ConvNorm(nn.Sequential):
    """A convolution without bias and its batch normalisation, under the names `conv` and `norm`."""

    def __init__(self, channels: int, width: int, *, size: int, stride: int) -> None:
        super().__init__()
        self.add_module("conv", nn.Conv2d(channels, width, size, stride, size // 2, bias=False))
        self.add_module("norm", nn.BatchNorm2d(width))


def map_sides(input_px: int, shape: ResNetShape) -> Sequence[int]:
    """Side of each stage's map for an input side."""
    side = -(-input_px // STEM_STRIDE)
    sides = []
    for index in range(len(shape.widths)):
        side = -(-side // 2) if index else side
        sides.append(side)
    return sides
