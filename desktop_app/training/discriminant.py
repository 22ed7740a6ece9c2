"""Discriminant analysis in closed form: the directions of features in which kinds of things differ.

Source: Fisher (1936) with the scatter within kinds shrunk towards an even one (Friedman, 1989, section 3);
directions count less where the means of the kinds hardly differ, by the root of the share of their spread
that is no scatter (as in probabilistic discriminant analysis, Ioffe, 2006, section 3).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

SHRINKAGE = 0.1
_FLOOR = 1e-9


def discriminant(
    features: Tensor, kinds: Tensor, *, size: int, blocks: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Mean and matrix that bring kinds together and apart.

    Args:
        features: (N, F).
        kinds: (N,) whole numbers; kinds of one picture alone say nothing and are left out.
        size: Directions to keep.
        blocks: Lengths of parts of the features, F in all; each part counts alike whatever its scale.

    Returns:
        mean (F,) and matrix (F, size), for `(features - mean) @ matrix`; columns beyond the kinds are zero.
    """
    counts = torch.bincount(kinds)
    is_shared = counts[kinds] > 1
    wide, (_, kind, members) = (
        features[is_shared].double(),
        kinds[is_shared].unique(return_inverse=True, return_counts=True),
    )
    scale = torch.cat(
        [part.std().clamp_min(_FLOOR).expand(part.shape[1]) for part in wide.split(list(blocks), 1)]
    )
    wide = wide / scale
    mean = wide.mean(dim=0)
    means = torch.zeros(len(members), wide.shape[1], dtype=wide.dtype).index_add_(0, kind, wide)
    means /= members[:, None]
    # Large kinds count more than small ones, but not by their number.
    weight = members.double().rsqrt()[kind]
    apart = (wide - means[kind]) * weight[:, None]
    within = apart.T @ apart / weight.square().sum()
    level = within.diagonal().mean().clamp_min(_FLOOR)
    within = (1.0 - SHRINKAGE) * within + SHRINKAGE * level * torch.eye(len(within), dtype=within.dtype)
    values, vectors = torch.linalg.eigh(within)
    evened = (vectors * values.rsqrt()) @ vectors.T
    spread = (means - means.mean(dim=0)) @ evened
    values, vectors = torch.linalg.eigh(spread.T @ spread / len(members))
    values, vectors = values.flip(0)[:size].clamp_min(0.0), vectors.flip(1)[:, :size]
    matrix = (evened @ vectors) * (values / (values + 1.0)).sqrt()
    return (mean * scale).float(), (matrix / scale[:, None]).float()
