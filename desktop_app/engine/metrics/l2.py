"""Mean squared difference of pictures in [-1, 1] (reference, section 8)."""

from __future__ import annotations

from torch import Tensor


def l2_each(y_hat: Tensor, x: Tensor) -> Tensor:
    """Mean squared difference of each pair: (B, 3, H, W) twice -> (B,)."""
    return (y_hat.float() - x.float()).square().mean(dim=(1, 2, 3))


def l2(y_hat: Tensor, x: Tensor) -> float:
    """Mean over a whole batch, as a number."""
    return float(l2_each(y_hat, x).mean())
