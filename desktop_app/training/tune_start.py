"""Where tuning starts: the linear change of embeddings that closed formulas give, learned in a second.

First what the library says by itself. Its mean is taken off: what all photos of a library share says nothing
about them. Then whitening within (Jegou and Chum, 2012, with shrinkage towards no change): directions in
which views of one photo, or photos of one set, differ from each other count less; much of it undoes what an
encoder learned. Then neighbours: photos that are among each other's nearest are mostly of a kind, so
directions in which they agree count more. The mean of a photo and its neighbours (database-side
augmentation, Turcot and Lowe, 2009; neighbours as positives, Dwibedi et al., 2021) is predicted from the
photo alone by ridge regression, so that a new photo needs no library. Where the neighbours that an encoder
finds are mostly wrong this loses a little: garments with an encoder that never saw a label, half a percent.

Then what sets say, by discriminant stretching (Fisher's criterion, regularised): directions in which the
means of the sets differ count more; what the scatter within would give the means by chance is taken off
first.

The figures below are one choice for all libraries and two encoders, with labels and without. They were
chosen by marks of other seeds than those of the benchmark `tuning_gain`, but on its four label sets. They
lie in flat places: a stretch of 2 to 6, 4 to 6 neighbours and a ridge of 0.01 to 0.1 differ by one or two
percent.
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
# Groups alone cannot tell noise from what matters in every direction: the whole library helps a little.
LIBRARY_POWER = 0.1
NEIGHBOURS = 5
NEIGHBOUR_RIDGE = 0.03
# A library of so many photos for each neighbour: in a smaller one fewer are of a kind.
_PHOTOS_A_NEIGHBOUR = 12
# So many photos, drawn by chance, stand for a library, also where neighbours are looked for.
_MOST_LINKED = 4096
_LINKED_AT_ONCE = 1024
# Raised when these figures or formulas change: a tuning that was stopped does not go on from another start.
RECIPE = 4
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


def leading_grouping(groupings: Sequence[Grouping]) -> Grouping | None:
    """The grouping whose sets say most about each other; None where none says anything."""
    leading = max(groupings, key=lambda one: one.stretch, default=None)
    return leading if leading is not None and leading.stretch > 0.0 else None


@dataclass(frozen=True, slots=True)
class LibraryStart:
    """What a library says without sets: `F.normalize((vectors - mean) @ matrix)`.

    Attributes:
        mean: (D,) float64.
        matrix: (D, D) float64.
    """

    mean: Tensor
    matrix: Tensor

    def placed(self, vectors: Tensor) -> Tensor:
        """(N, D) -> (N, D) float64, unit length."""
        return F.normalize((vectors.double() - self.mean) @ self.matrix, dim=1)


def library_start(vectors: Tensor, views: Tensor, view_rows: Tensor, *, set_share: float) -> LibraryStart:
    """What is learned before any set is looked at.

    Args:
        vectors: (N, D) embeddings of the library, unit length.
        views: (K, M, D) embeddings of K views of M photos; K may be 0.
        view_rows: (M,) rows of these photos.
        set_share: How much sets will add, 0 to 1; as much of the library's power is taken.
    """
    chance = torch.Generator().manual_seed(0)
    sample = torch.randperm(len(vectors), generator=chance)[:_MOST_LINKED]
    centre = vectors.mean(dim=0, dtype=torch.float64)
    wide = vectors[sample].double() - centre
    seen = vectors[view_rows].double()
    matrix = _shrunk_whitening(_view_scatter(seen, views.double()), VIEW_SHARE)
    if set_share > 0.0:
        matrix = _spread_power(wide, set_share * LIBRARY_POWER) @ matrix
    placed = F.normalize(wide @ matrix, dim=1)
    return LibraryStart(centre, matrix @ neighbour_map(placed))


def start_head(
    library: LibraryStart, vectors: Tensor, *, groupings: Sequence[Grouping], share: float
) -> Tensor:
    """The matrix that tuning starts from.

    Args:
        library: What the library says.
        vectors: (N, D) embeddings of the library, unit length.
        groupings: What belongs together.
        share: How much of what the sets say is taken, 0 to 1.

    Returns:
        (D, D) float32, scaled to keep the length of a vector on the whole.
    """
    matrix = library.matrix
    if groupings and share > 0.0:
        change = _set_change(library, vectors, groupings)
        matrix = matrix @ (share * change + (1.0 - share) * torch.eye(len(change), dtype=change.dtype))
    scale = matrix.square().sum().div(len(matrix)).sqrt().clamp_min(_FLOOR)
    return (matrix / scale).float()


def neighbour_map(placed: Tensor) -> Tensor:
    """No change, and the map from a photo to the mean of itself and its neighbours, half each.

    Args:
        placed: (N, D) unit length.

    Returns:
        (D, D) of the same precision.
    """
    even = torch.eye(placed.shape[1], dtype=placed.dtype)
    count = min(NEIGHBOURS, len(placed) // _PHOTOS_A_NEIGHBOUR)
    if not count:
        return even
    nearest = _nearest(placed.float(), count)
    is_mutual = (nearest[nearest] == torch.arange(len(placed))[:, None, None]).any(dim=2)
    weight = is_mutual.to(placed.dtype)
    means = (placed + (weight[..., None] * placed[nearest]).sum(dim=1)) / (
        1.0 + weight.sum(dim=1, keepdim=True)
    )
    covariance = placed.T @ placed
    ridge = NEIGHBOUR_RIDGE * covariance.diagonal().mean() * even
    found = torch.linalg.solve(covariance + ridge, placed.T @ means)
    return even + found / (placed @ found).norm(dim=1).mean().clamp_min(_FLOOR)


def _nearest(rows: Tensor, count: int) -> Tensor:
    """(N, D) unit length -> (N, count), the most similar other rows of each."""
    found = []
    for start in range(0, len(rows), _LINKED_AT_ONCE):
        part = rows[start : start + _LINKED_AT_ONCE]
        similarity = part @ rows.T
        similarity[torch.arange(len(part)), torch.arange(start, start + len(part))] = -2.0
        found.append(similarity.topk(count, dim=1).indices)
    return torch.cat(found)


def _set_change(library: LibraryStart, vectors: Tensor, groupings: Sequence[Grouping]) -> Tensor:
    size = vectors.shape[1]
    within, freedom = torch.zeros(size, size, dtype=torch.float64), 0
    between: list[tuple[Tensor, float, float]] = []
    for grouping in groupings:
        _, kinds, counts = grouping.kinds.unique(return_inverse=True, return_counts=True)
        rows = library.placed(vectors[grouping.rows])
        means = torch.zeros(len(counts), size, dtype=rows.dtype).index_add_(0, kinds, rows)
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


def _view_scatter(photos: Tensor, views: Tensor) -> Tensor:
    """How views of one photo differ: (M, D) and (K, M, D) -> (D, D)."""
    size = photos.shape[1]
    if not views.numel():
        return torch.zeros(size, size, dtype=photos.dtype)
    all_views = torch.cat([photos[None], views])
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
