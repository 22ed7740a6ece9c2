"""Contrastive losses over unit-length projections."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

_NEVER = -1e9


def nt_xent(first: Tensor, second: Tensor, *, temperature: float) -> Tensor:
    """Normalised temperature-scaled cross entropy of two views; the rest of the batch is unlike.

    Source: SimCLR (Chen et al., 2020), equation 1, averaged over all 2 B queries.

    Args:
        first: (B, P) unit length.
        second: (B, P) unit length; row i is the other view of row i.
        temperature: Above 0.

    Returns:
        The mean loss, a scalar.
    """
    count = first.shape[0]
    both = torch.cat([first, second])  # (2B, P)
    logits = both @ both.T / temperature
    logits = logits.masked_fill(torch.eye(2 * count, dtype=torch.bool, device=both.device), _NEVER)
    order = torch.arange(2 * count, device=both.device)
    return F.cross_entropy(logits, (order + count) % (2 * count))


def info_nce(query: Tensor, key: Tensor, queue: Tensor, *, temperature: float) -> Tensor:
    """One positive key for each query against a queue of unlike keys.

    Source: MoCo (He et al., 2020), equation 1.

    Args:
        query: (B, P) unit length.
        key: (B, P) unit length, without gradient.
        queue: (P, K) unit-length columns.
        temperature: Above 0.

    Returns:
        The mean loss, a scalar.
    """
    alike = (query * key).sum(dim=1, keepdim=True)
    logits = torch.cat([alike, query @ queue], dim=1) / temperature  # (B, 1 + K)
    return F.cross_entropy(logits, torch.zeros(len(query), dtype=torch.long, device=query.device))


def alignment(first: Tensor, second: Tensor) -> Tensor:
    """Mean squared distance of two views, 0 to 4 (Wang and Isola, 2020, section 4.1)."""
    return (first - second).square().sum(dim=1).mean()


def uniformity(projections: Tensor) -> Tensor:
    """Logarithm of the mean Gaussian potential, at most 0; near 0 means collapse (ibid., section 4.1)."""
    return torch.pdist(projections).square().mul(-2.0).exp().mean().log()
