"""LPIPS on AlexNet: a learned perceptual distance of two images (reference, section 6)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

WIDTHS = (64, 192, 384, 256, 256)
AFTER_RELU = (1, 4, 7, 9, 11)  # places in `layers` whose outputs are compared
CHANNEL_MEAN = (-0.030, -0.088, -0.188)
CHANNEL_STD = (0.458, 0.448, 0.450)
EPSILON = 1e-10
SMALLEST_PX = 32  # AlexNet's pooling leaves nothing of a smaller picture


class AlexNetFeatures(nn.Module):
    """The convolution part of AlexNet without its last pooling, keys `layers.{0,3,6,8,10}`."""

    mean: Tensor
    std: Tensor

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        a, b, c, d, e = widths
        self.layers = nn.Sequential(
            nn.Conv2d(3, a, 11, stride=4, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(a, b, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(b, c, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(c, d, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(d, e, 3, padding=1),
            nn.ReLU(),
        )
        self.register_buffer("mean", torch.tensor(CHANNEL_MEAN)[None, :, None, None])
        self.register_buffer("std", torch.tensor(CHANNEL_STD)[None, :, None, None])

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, 3, H, W) in [-1, 1] -> five feature maps, unit length over the channels."""
        x = (x - self.mean) / self.std
        taps = []
        for place, layer in enumerate(self.layers):
            x = layer(x)
            if place in AFTER_RELU:
                norm = x.square().sum(dim=1, keepdim=True).sqrt()
                taps.append(x / (norm + EPSILON))
        return taps


class Lpips(nn.Module):
    """Learned perceptual image patch similarity, version 0.1 (Zhang et al., 2018).

    Keys: `net.layers.*`, `net.mean`, `net.std`, `lin.{0..4}.1.weight`.

    Args:
        widths: Feature maps of the five convolutions.
    """

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.net = AlexNetFeatures(widths)
        self.lin = nn.ModuleList(
            nn.Sequential(nn.Identity(), nn.Conv2d(width, 1, 1, bias=False)) for width in widths
        )

    def features(self, x: Tensor) -> list[Tensor]:
        """What `distance` compares; compute it once for a target that is compared often."""
        maps: list[Tensor] = self.net(x)
        return maps

    def distance(self, first: list[Tensor], second: list[Tensor]) -> Tensor:
        """Distances of two lists of features: (B,)."""
        total = first[0].new_zeros(first[0].shape[0])
        for a, b, lin in zip(first, second, self.lin, strict=True):
            total = total + lin((a - b).square()).mean(dim=(1, 2, 3))
        return total

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [-1, 1], twice -> distances (B,), 0 for equal ones."""
        return self.distance(self.features(x), self.features(y))


def convert_published(alexnet: Mapping[str, Tensor], heads: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Keys of torchvision's AlexNet and of the published `alex.pth` heads -> keys of `Lpips`."""
    tensors = {
        f"net.layers.{key.removeprefix('features.')}": value
        for key, value in alexnet.items()
        if key.startswith("features.")
    }
    for key, value in heads.items():
        number = key.removeprefix("lin").split(".", 1)[0]
        tensors[f"lin.{number}.1.weight"] = value
    tensors["net.mean"] = torch.tensor(CHANNEL_MEAN)[None, :, None, None]
    tensors["net.std"] = torch.tensor(CHANNEL_STD)[None, :, None, None]
    return tensors
