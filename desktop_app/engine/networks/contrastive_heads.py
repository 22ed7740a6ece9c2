"""What stands behind a backbone: pooling of all stages, the training head, the whitening of embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

_FLOOR = 1e-6


def pool_stages(maps: Sequence[Tensor], *, power: float) -> Tensor:
    """Pool each map over its area and join the results.

    Source: generalised mean pooling (Radenovic et al., 2018, equation 3); power 1 is the plain mean,
    larger powers listen to the strongest places.

    Args:
        maps: Non-negative maps, (B, C_i, h_i, w_i) each.
        power: Exponent, at least 1.

    Returns:
        (B, sum of C_i) float32.
    """
    pooled = []
    for one in maps:
        values = one.float()
        if power == 1.0:
            pooled.append(values.mean(dim=(2, 3)))
        else:
            pooled.append(values.clamp_min(_FLOOR).pow(power).mean(dim=(2, 3)).pow(1.0 / power))
    return torch.cat(pooled, dim=1)


class ProjectionHead(nn.Module):
    """Features to the space of the loss (SimCLR, Chen et al., 2020).

    One for views is thrown away after training; one for kinds of things is kept as a part of the embedding.

    Args:
        features: Length of the features.
        hidden: Length of the layer between.
        out: Length of a projection.
    """

    def __init__(self, features: int, *, hidden: int, out: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(features, hidden, bias=False),
            nn.BatchNorm1d(hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, out),
        )

    def hidden(self, features: Tensor) -> Tensor:
        """The layer between: (B, features) -> (B, hidden), not negative."""
        between: Tensor = self.layers[:3](features)
        return between

    def forward(self, features: Tensor) -> Tensor:
        """(B, features) -> (B, out), unit length."""
        projection: Tensor = self.layers(features)
        return F.normalize(projection, dim=1)


class Whitening(nn.Module):
    """Centre features, turn them to their principal axes and even these out, partly or fully.

    Source: principal component analysis with whitening as post-processing of descriptors (Jegou and
    Chum, 2012). It is learned without labels.

    Args:
        features: Length of the features.
        size: Length of an embedding, at most `features`.
    """

    mean: Tensor
    matrix: Tensor

    def __init__(self, features: int, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("matrix", torch.eye(features, size))

    @torch.no_grad()
    def fit(self, features: Tensor, *, power: float) -> None:
        """Learn from pooled features.

        Args:
            features: (N, features), one row for each training picture.
            power: How far the axes are evened out: 0 keeps their spread, 0.5 gives all the same.
        """
        wide = features.double()
        mean = wide.mean(dim=0)
        centred = wide - mean
        covariance = centred.T @ centred / max(len(wide) - 1, 1)
        values, vectors = torch.linalg.eigh(covariance)  # ascending
        size = self.matrix.shape[1]
        values = values.flip(0)[:size].clamp_min(0.0)
        vectors = vectors.flip(1)[:, :size]
        floor = 1e-3 * values[0].clamp_min(1e-12)  # axes without spread carry noise only
        self.mean.copy_(mean)
        self.matrix.copy_(vectors / (values + floor).pow(power))

    def forward(self, features: Tensor) -> Tensor:
        """(B, features) -> (B, size), unit length."""
        return F.normalize((features - self.mean) @ self.matrix, dim=1)
