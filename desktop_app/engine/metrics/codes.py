"""Norms of W+ codes: how far from the average, how far the rows are from each other."""

from __future__ import annotations

import torch
from torch import Tensor


def w_norm(w_plus: Tensor, w_avg: Tensor) -> Tensor:
    """Mean over the batch of the norm of all rows' distance to the average code.

    Args:
        w_plus: (B, L, D).
        w_avg: (D,) or (L, D).
    """
    return (w_plus - w_avg).flatten(1).norm(dim=1).mean()


def delta_norm(w_plus: Tensor, *, stage: int) -> Tensor:
    """Sum over rows 1..stage of the mean distance to row 0 (e4e's delta regularisation)."""
    deltas = w_plus[:, 1 : stage + 1] - w_plus[:, :1]
    return deltas.norm(dim=2).mean(dim=0).sum()


def row_spread(w_plus: Tensor) -> Tensor:
    """Mean distance of rows to row 0, (B,): small codes near W edit better than wide ones."""
    if w_plus.shape[1] < 2:
        return torch.zeros(w_plus.shape[0])
    return (w_plus[:, 1:] - w_plus[:, :1]).norm(dim=2).mean(dim=1)
