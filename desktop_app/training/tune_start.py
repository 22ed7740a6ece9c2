"""Where tuning starts: the linear change of embeddings that closed formulas give, learned in a second.

First the mean of the library is taken off, which alone gains most with an encoder that knows kinds: what
all photos of a library share says nothing about them. Then whitening within (Jegou and Chum, 2012, with
shrinkage towards no change): directions in which views of one photo, or photos of one set, differ from each
other count less; much of it undoes what such an encoder learned. Then discriminant stretching (Fisher's
criterion, regularised): directions in which the means of the sets differ count more; what the scatter within
would give the means by chance is taken off first.

The figures below are one choice for all libraries and two encoders, with labels and without. They were chosen
by marks of other seeds than those of the benchmark `tuning_gain`, but on its four label sets, and on pictures
of the same sources that the training of the built-in encoder held out. They lie in flat places: a stretch of
2 to 4, a power of 0.1 or 0.2 and shares of 0 to 0.1 differ by one or two percent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

# How much of each whitening is taken, 0 to 1; the rest is no change.
VIEW_SHARE = 0.05
SET_SHARE = 0.05
# Views are thumbnails drawn anew: with no sets to go by, less of their whitening is taken.
VIEW_SHARE_ALONE = 0.05
# Groups alone cannot tell noise from what matters in every direction: the whole library helps a little.
LIBRARY_POWER = 0.1
# Raised when these figures or formulas change: a tuning that was stopped does not go on from another start.
RECIPE = 2
_FLOOR = 1e-9


@dataclass(frozen=True, slots=True)
class Grouping:
    """Photos in sets.

    Attributes:
        rows: (M,) rows of the embeddings; a row may come in several groupings, not twice in one.
        kinds: (M,) the set of each row.
        stretch: How far the directions between the sets are stretched; 0: sets say nothing about each other.
    """

    rows: Tensor
    kinds: Tensor
    stretch: float


def start_head(
    vectors: Tensor, views: Tensor, view_rows: Tensor, *, groupings: Sequence[Grouping]
) -> tuple[Tensor, Tensor]:
    """The mean and the matrix that tuning starts from.

    Args:
        vectors: (N, D) embeddings of the library, unit length.
        views: (K, M, D) embeddings of K views of M photos; K may be 0.
        view_rows: (M,) rows of these photos.
        groupings: What belongs together.

    Returns:
        mean (D,) and matrix (D, D), scaled to keep the length of a vector on the whole.
    """
    wide = vectors.double()
    mean = wide.mean(dim=0)
    share = VIEW_SHARE if groupings else VIEW_SHARE_ALONE
    matrix = _shrunk_whitening(_view_scatter(wide, views.double(), view_rows), share)
    if groupings:
        matrix = _spread_power(wide - mean, LIBRARY_POWER) @ matrix
        placed = F.normalize((wide - mean) @ matrix, dim=1)
        matrix = matrix @ _set_change(placed, groupings)
    scale = matrix.square().sum().div(len(matrix)).sqrt().clamp_min(_FLOOR)
    return mean.float(), (matrix / scale).float()


def _set_change(placed: Tensor, groupings: Sequence[Grouping]) -> Tensor:
    size = placed.shape[1]
    within, freedom = torch.zeros(size, size, dtype=placed.dtype), 0
    between: list[tuple[Tensor, float, float]] = []
    for grouping in groupings:
        _, kinds, counts = grouping.kinds.unique(return_inverse=True, return_counts=True)
        rows = placed[grouping.rows]
        means = torch.zeros(len(counts), size, dtype=placed.dtype).index_add_(0, kinds, rows)
        means /= counts[:, None]
        apart = rows - means[kinds]
        within += apart.T @ apart
        freedom += len(rows) - len(counts)
        if grouping.stretch > 0 and len(counts) > 1:
            centred = means - means.mean(dim=0)
            scatter = centred.T @ centred / (len(counts) - 1)
            between.append((scatter, float(counts.double().mean()), grouping.stretch))
    within /= max(freedom, 1)
    change = _shrunk_whitening(within, SET_SHARE)
    for scatter, members, stretch in between:
        signal = change @ (scatter - within / members) @ change
        values, vectors = torch.linalg.eigh(signal)
        values = values.clamp_min(0.0)
        if values[-1] > _FLOOR:
            gain = (1.0 + stretch * values / values[-1]).sqrt()
            change = change @ (vectors * gain) @ vectors.T
    return change


def _spread_power(centred: Tensor, power: float) -> Tensor:
    """A power of the covariance of the library: directions in which photos hardly differ count less."""
    covariance = centred.T @ centred / len(centred)
    level = covariance.diagonal().mean().clamp_min(_FLOOR)
    values, vectors = torch.linalg.eigh(covariance / level)
    return (vectors * values.clamp_min(_FLOOR) ** power) @ vectors.T


def _view_scatter(vectors: Tensor, views: Tensor, view_rows: Tensor) -> Tensor:
    """How views of one photo differ, (D, D)."""
    size = vectors.shape[1]
    if not views.numel():
        return torch.zeros(size, size, dtype=vectors.dtype)
    all_views = torch.cat([vectors[view_rows][None], views])
    apart = (all_views - all_views.mean(dim=0)).reshape(-1, size)
    return apart.T @ apart / len(apart)


def _shrunk_whitening(scatter: Tensor, share: float) -> Tensor:
    """The inverse square root of a scatter of mean 1, mixed with no change."""
    size = len(scatter)
    level = scatter.diagonal().mean()
    even = torch.eye(size, dtype=scatter.dtype)
    if level <= _FLOOR:
        return even
    values, vectors = torch.linalg.eigh(share * scatter / level + (1.0 - share) * even)
    return (vectors * values.clamp_min(_FLOOR).rsqrt()) @ vectors.T
