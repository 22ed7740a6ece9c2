"""Noise maps as things to optimise: regularisation and normalisation of StyleGAN2 projection.

Source: Karras et al., 2020, projection appendix; reference, section 7.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

SMALLEST_SCALE_PX = 8
TINY = 1e-12


def noise_regularisation(maps: Iterable[Tensor]) -> Tensor:
    """Squared correlations with neighbours, over all maps and their scales.

    A map counts at its own size and at every 2x2 mean down to 8 px; noise that carries a picture
    is correlated, white noise is not.

    Args:
        maps: (1, 1, S, S) each.

    Returns:
        A scalar.
    """
    total = torch.zeros(())
    for noise in maps:
        scale = noise
        while True:
            across = (scale * scale.roll(1, dims=3)).mean().square()
            down = (scale * scale.roll(1, dims=2)).mean().square()
            total = total.to(scale.device) + across + down
            if scale.shape[2] <= SMALLEST_SCALE_PX:
                break
            scale = F.avg_pool2d(scale, 2)
    return total


@torch.no_grad()
def normalise_rms_(maps: Iterable[Tensor]) -> None:
    """In place to zero mean and unit root mean square (NVIDIA's projector)."""
    for noise in maps:
        noise.sub_(noise.mean())
        noise.mul_(noise.square().mean().clamp_min(TINY).rsqrt())


@torch.no_grad()
def normalise_std_(maps: Iterable[Tensor]) -> None:
    """In place to zero mean and unit standard deviation, unbiased (rosinality's projector)."""
    for noise in maps:
        mean, std = noise.mean(), noise.std()
        noise.sub_(mean).div_(std.clamp_min(TINY))
