"""Reconstruction losses shared by autoencoder and inversion training."""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812
from torch import Tensor

PYRAMID_LEVELS = 4


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


def reconstruction_loss(y_hat: Tensor, x: Tensor) -> Tensor:
    """L2 plus half a pyramid L1 plus half an edge L1."""
    return F.mse_loss(y_hat, x) + 0.5 * pyramid_l1(y_hat, x) + 0.5 * edge_l1(y_hat, x)
