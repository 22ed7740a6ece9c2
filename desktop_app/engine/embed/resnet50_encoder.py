"""ResNet-50 encoders that the user imported: SimCLR, MoCo, SupCon, DINO and their like.

Key names are torchvision's, whose import takes seconds; the network is plain (He et al., 2016, with the
stride in the 3x3 layer). The embedding is the pooled last map, before any projection head.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from desktop_app.core.errors import WeightsError
from desktop_app.engine.embed.preprocessing import Fit, Preprocessing
from desktop_app.engine.weights.store import load_strict

ARCHITECTURE = "resnet50"
EXPANSION = 4
MAX_WIDTH = 1024


@dataclass(frozen=True, slots=True)
class ResNet50Shape:
    """Sizes.

    Attributes:
        width: Feature maps of the first layer.
        units: Blocks in the four groups.
        is_small: 3x3 first layer of stride 1 and no max-pool, for pictures of 32 px.
    """

    width: int = 64
    units: tuple[int, ...] = (3, 4, 6, 3)
    is_small: bool = False

    @property
    def features(self) -> int:
        """Length of an embedding."""
        return self.width * 8 * EXPANSION


class Bottleneck(nn.Module):
    """1x1, 3x3 with the stride, 1x1; then the shortcut is added."""

    def __init__(self, before: int, inner: int, stride: int, *, projects: bool) -> None:
        super().__init__()
        after = inner * EXPANSION
        self.conv1 = nn.Conv2d(before, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, after, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(after)
        self.downsample: nn.Sequential | None = None
        if projects:
            self.downsample = nn.Sequential(
                nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, before, H, W) -> (B, 4 inner, H / stride, W / stride)."""
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet50(nn.Module):
    """Pictures to pooled features.

    Args:
        shape: Sizes.
    """

    def __init__(self, shape: ResNet50Shape) -> None:
        super().__init__()
        self.features = shape.features
        kernel, stride, padding = (3, 1, 1) if shape.is_small else (7, 2, 3)
        self.conv1 = nn.Conv2d(3, shape.width, kernel, stride, padding, bias=False)
        self.bn1 = nn.BatchNorm2d(shape.width)
        self.maxpool: nn.Module = nn.Identity() if shape.is_small else nn.MaxPool2d(3, 2, 1)
        before = shape.width
        for group, count in enumerate(shape.units):
            inner = shape.width * 2**group
            blocks = []
            for unit in range(count):
                stride = 2 if group and not unit else 1
                blocks.append(Bottleneck(before, inner, stride, projects=not unit))
                before = inner * EXPANSION
            self.add_module(f"layer{group + 1}", nn.Sequential(*blocks))

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 32 width)."""
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
        for name, group in self.named_children():
            if name.startswith("layer"):
                x = group(x)
        return x.mean(dim=(2, 3))


def build_resnet50(
    config: dict[str, Any], tensors: dict[str, Tensor], *, what: str
) -> tuple[ResNet50, Preprocessing]:
    """Rebuild an encoder from its card.

    Args:
        config: `width`, `units`, `stem`, `input_px`, `resize_px`, `mean`, `std`.
        tensors: Its weights.
        what: Name for error messages.

    Raises:
        WeightsError: The card or the weights do not fit.
    """
    try:
        shape = ResNet50Shape(
            int(config["width"]), tuple(int(n) for n in config["units"]), config["stem"] == "small"
        )
        side, resize = int(config["input_px"]), int(config["resize_px"])
        mean, std = ((float(a), float(b), float(c)) for a, b, c in (config["mean"], config["std"]))
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"The model card of {what} is not usable: {error!r}.") from error
    is_possible = 1 <= shape.width <= MAX_WIDTH and len(shape.units) == 4 and max(shape.units) <= 64
    if not is_possible or not 16 <= side <= resize <= 1024 or min(std) <= 0:
        raise WeightsError(f"The model card of {what} is not usable: a value is out of range.")
    network = ResNet50(shape)
    load_strict(network, tensors, what=what)
    fitted = Preprocessing(side, fit=Fit.CROP, crop_share=side / resize, mean=mean, std=std)
    return network.to(memory_format=torch.channels_last), fitted
