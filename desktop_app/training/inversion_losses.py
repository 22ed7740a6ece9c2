"""Reconstruction losses shared by autoencoder and inversion training."""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812
from torch import Tensor

PYRAMID_LEVELS = 4
TEXTURE_WINDOW = 8
TEXTURE_FLOOR = 1e-5


def per_image_l2(y_hat: Tensor, x: Tensor) -> Tensor:
    """Mean squared error of each image: (B, 3, H, W) twice -> (B,)."""
    return (y_hat - x).square().mean(dim=(1, 2, 3))


def pyramid_l1(y_hat: Tensor, x: Tensor, levels: int = PYRAMID_LEVELS) -> Tensor:
    """Mean absolute error averaged over an image pyramid of 2x2 means.

    Coarse levels keep colour and shape right early; the finest rewards edges more than a squared
    error would.
    """
    total = (y_hat - x).abs().mean()
    for _ in range(levels - 1):
        y_hat, x = F.avg_pool2d(y_hat, 2), F.avg_pool2d(x, 2)
        total = total + (y_hat - x).abs().mean()
    return total / levels


def edge_l1(y_hat: Tensor, x: Tensor) -> Tensor:
    """Mean absolute error of horizontal and vertical neighbour differences: sharpness."""
    across = (y_hat - x).diff(dim=3).abs().mean()
    down = (y_hat - x).diff(dim=2).abs().mean()
    return across + down


def band_energy(y: Tensor) -> Tensor:
    """How much fine detail there is around each place: (B, 3, H, W) -> (B, 1, h, w).

    The root mean square, in windows of 8 pixels, of what a mean over 3x3 pixels takes away.
    """
    fine = y - F.avg_pool2d(F.pad(y, (1, 1, 1, 1), mode="reflect"), 3, 1)
    power = F.avg_pool2d(fine.square().mean(dim=1, keepdim=True), TEXTURE_WINDOW, TEXTURE_WINDOW // 2)
    return (power + TEXTURE_FLOOR).sqrt()


def texture_l1(y_hat: Tensor, x: Tensor) -> Tensor:
    """Mean absolute difference of the fine detail's amount, over two scales.

    Pixel losses alone make hair, eyes and skin soft: where they cannot tell the place of an edge, the
    mean of all places costs least. This term asks for as much detail as the photo has there, wherever
    exactly it lies. It needs no discriminator.
    """
    coarse_y, coarse_x = F.avg_pool2d(y_hat, 2), F.avg_pool2d(x, 2)
    fine = (band_energy(y_hat) - band_energy(x)).abs().mean()
    return (fine + (band_energy(coarse_y) - band_energy(coarse_x)).abs().mean()) / 2


def reconstruction_loss(y_hat: Tensor, x: Tensor, *, texture: float = 0.0) -> Tensor:
    """L2 plus half a pyramid L1 plus half an edge L1, and a texture term where it is weighted."""
    loss = F.mse_loss(y_hat, x) + 0.5 * pyramid_l1(y_hat, x) + 0.5 * edge_l1(y_hat, x)
    return loss + texture * texture_l1(y_hat, x) if texture else loss
