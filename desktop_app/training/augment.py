"""Augmentation of what a discriminator sees, differentiable, and how often: adaptive (ADA).

Source: Karras et al., 2020, "Training generative adversarial networks with limited data". Every operation
happens to each picture with probability p; p follows the mean sign of the scores of real pictures: when
almost all of them are called real, the discriminator knows the training set by heart and p rises.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

# Aim of the mean sign on real pictures, pictures within which p could go from 0 to 1, iterations between
# changes, and the most that is used (Karras et al., 2020, section 3; fewer pictures here than their 500,000).
TARGET = 0.6
SPEED_IMAGES = 50_000
EVERY = 4
MOST = 0.85
# Reach of the operations: shift and hole as shares of the side, logarithm of zoom, angle in radians,
# brightness in [-1, 1] units, logarithms of contrast and of saturation.
SHIFT, HOLE, ZOOM, ANGLE = 0.125, 0.35, 0.15, math.pi / 12
BRIGHTNESS, CONTRAST, SATURATION = 0.2, 0.35, 0.6


class AdaptiveProbability:
    """The probability p of every operation, steered by the scores of real pictures."""

    def __init__(self) -> None:
        self.p = 0.0
        self._signs: list[float] = []

    @property
    def sign(self) -> float:
        """Mean sign of the scores since the last change."""
        return sum(self._signs) / max(len(self._signs), 1)

    def observe(self, real_scores: Tensor) -> None:
        """Take note of the scores of a batch; after every fourth p changes."""
        self._signs.append(float(real_scores.detach().sign().mean()))
        if len(self._signs) < EVERY:
            return
        step = len(real_scores) * EVERY / SPEED_IMAGES
        self.p = min(max(self.p + math.copysign(step, self.sign - TARGET), 0.0), MOST)
        self._signs.clear()

    def state(self) -> dict[str, object]:
        """For a checkpoint."""
        return {"p": self.p, "signs": list(self._signs)}

    def restore(self, saved: dict[str, object]) -> None:
        """From a checkpoint."""
        self.p, signs = float(saved["p"]), saved["signs"]  # type: ignore[arg-type]
        self._signs = [float(s) for s in signs]  # type: ignore[attr-defined]


def augmented(x: Tensor, p: float, random: torch.Generator) -> Tensor:
    """Pictures, each with each operation by chance p.

    Mirror, shift, zoom and turn (mirrored at the borders), brightness, contrast, saturation, and a hole.
    Gradients flow through all of them.

    Args:
        x: (B, 3, H, W) in [-1, 1].
        p: Probability; 0 gives `x` itself.
        random: Draws; the same state gives the same changes.
    """
    if p <= 0:
        return x
    draws = _Draws(len(x), p, random, x.device)
    return _with_hole(_recoloured(_moved(x, draws), draws), draws)


class _Draws:
    """Random amounts of which a share is 0."""

    def __init__(self, count: int, p: float, random: torch.Generator, device: torch.device) -> None:
        self._count, self._p, self._random, self._device = count, p, random, device

    def flags(self) -> Tensor:
        """1 with probability p, (B,)."""
        return (torch.rand(self._count, generator=self._random) < self._p).float().to(self._device)

    def uniform(self, limit: float) -> Tensor:
        """Within the limit, or 0, (B,)."""
        amount = (torch.rand(self._count, generator=self._random) * 2 - 1) * limit
        return amount.to(self._device) * self.flags()


def _moved(x: Tensor, draws: _Draws) -> Tensor:
    mirror = 1.0 - 2.0 * draws.flags() * (draws.uniform(1.0) > 0).float()
    scale = torch.exp(draws.uniform(ZOOM))
    angle = draws.uniform(ANGLE)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    rows = torch.stack(
        [
            torch.stack([cos * mirror, -sin, draws.uniform(2 * SHIFT)], dim=1),
            torch.stack([sin * mirror, cos, draws.uniform(2 * SHIFT)], dim=1),
        ],
        dim=1,
    )
    grid = F.affine_grid(rows, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _recoloured(x: Tensor, draws: _Draws) -> Tensor:
    shape = (len(x), 1, 1, 1)
    x = x + draws.uniform(BRIGHTNESS).view(shape)
    x = x * torch.exp(draws.uniform(CONTRAST)).view(shape)
    grey = x.mean(dim=1, keepdim=True)
    return grey + (x - grey) * torch.exp(draws.uniform(SATURATION)).view(shape)


def _with_hole(x: Tensor, draws: _Draws) -> Tensor:
    count, _, height, width = x.shape
    here = draws.flags().view(count, 1, 1)
    centre_x, centre_y = (draws.uniform(1.0).view(count, 1, 1) for _ in range(2))
    across = torch.linspace(-1, 1, width, device=x.device).view(1, 1, width)
    down = torch.linspace(-1, 1, height, device=x.device).view(1, height, 1)
    hole = ((across - centre_x).abs() < HOLE) & ((down - centre_y).abs() < HOLE)
    return x * (1.0 - here * hole.float())[:, None]
