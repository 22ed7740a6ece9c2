"""VGG16 up to conv4_3: the perceptual term of in-domain inversion (reference, section 7)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# convolutions by group; a max-pool stands between the groups
GROUPS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512))
BGR_MEAN = (103.939, 116.779, 123.68)


class Vgg16Features(nn.Module):
    """Features after the ReLU of conv4_3; keys `features.{0,2,5,...}` as in torchvision.

    Args:
        groups: Feature maps of the convolutions, group by group.
    """

    mean: Tensor

    def __init__(self, groups: tuple[tuple[int, ...], ...] = GROUPS) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for number, group in enumerate(groups):
            if number:
                layers.append(nn.MaxPool2d(2))
            for width in group:
                layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
                before = width
        self.features = nn.Sequential(*layers)
        self.register_buffer("mean", torch.tensor(BGR_MEAN)[None, :, None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """RGB pictures (B, 3, H, W) in [-1, 1] -> (B, C, H / 8, W / 8); inside BGR, 0..255."""
        values = (x.flip(1) + 1.0) * 127.5 - self.mean
        out: Tensor = self.features(values)
        return out
