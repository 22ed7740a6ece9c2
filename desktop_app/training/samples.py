"""Random faces of a generator, looked at and checked for memorised training pictures."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from desktop_app.engine.edit.random_codes import draw_codes
from desktop_app.engine.networks.stylegan2 import Generator

COMPARED_PX = 32


@torch.no_grad()
def random_faces(generator: Generator, count: int, *, psi: float = 0.7, seed: int = 0) -> Tensor:
    """Random faces, truncated: (count, 3, S, S) in [-1, 1]."""
    w_plus = draw_codes(generator, count, psi=psi, seed=seed)
    silent: list[Tensor | None] = [None] * generator.num_layers
    parts = [generator.synthesize(w, noise=silent) for w in torch.split(w_plus, 32)]
    return torch.cat(parts).clamp(-1, 1)


@dataclass(frozen=True, slots=True)
class Nearest:
    """For each picture its nearest training picture.

    Attributes:
        distance: Mean squared difference at 32 pixels, the training picture mirrored or not, (n,).
        index: Which training picture, (n,).
    """

    distance: Tensor
    index: Tensor


@torch.no_grad()
def nearest_pictures(pictures: Tensor, training: Tensor) -> Nearest:
    """Nearest training pictures, compared at 32 pixels: (n, 3, S, S) and (N, 3, S, S)."""
    small, known = _small(pictures), _small(training)
    mirrored = _small(training.flip(3))
    distances = torch.minimum(torch.cdist(small, known), torch.cdist(small, mirrored))
    values, index = distances.min(dim=1)
    return Nearest(values.square() / small.shape[1], index)


@torch.no_grad()
def closest_pair(pictures: Tensor) -> float:
    """Mean squared difference of the two most alike pictures, at 32 pixels."""
    small = _small(pictures)
    return float(torch.pdist(small).min().square() / small.shape[1])


def _small(pictures: Tensor) -> Tensor:
    return F.adaptive_avg_pool2d(pictures, COMPARED_PX).flatten(1)
