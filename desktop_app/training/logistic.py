"""What every discriminator here learns by: the logistic loss and the R1 penalty."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor


def discriminator_loss(real_score: Tensor, fake_score: Tensor) -> Tensor:
    """Non-saturating logistic loss (Goodfellow et al., 2014), a scalar."""
    return F.softplus(-real_score).mean() + F.softplus(fake_score).mean()


def squared_slope(score: Tensor, real: Tensor) -> Tensor:
    """R1 before its weight (Mescheder et al., 2018): mean over a batch of the squared slope at real samples.

    Args:
        score: Scores of `real`.
        real: Samples that require a gradient, (B, ...).
    """
    (slope,) = torch.autograd.grad(score.sum(), real, create_graph=True)
    return slope.square().sum(dim=tuple(range(1, slope.dim()))).mean()
