"""How an optimiser measures the distance between a rendered picture and its target."""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from desktop_app.engine.metrics.lpips import comparable
from desktop_app.engine.metrics.ms_ssim import WINDOW_PX, ms_ssim_each
from desktop_app.engine.networks.lpips_net import Lpips

PYRAMID_LEVELS = 4
PYRAMID_WEIGHT = 0.5
MS_SSIM_WEIGHT = 0.2
STAND_IN_NOTE = "Optimised on L2, pyramid L1 and MS-SSIM: the weights of LPIPS are not installed."
LPIPS_NOTE = ""

Terms = tuple[tuple[str, Tensor], ...]


class Objective:
    """Distance to one target, whose features are computed once.

    With LPIPS weights: LPIPS plus `mse_weight` times L2. Without: L2, half a pyramid L1 and a fifth
    of 1 - MS-SSIM, and `note` says so.

    Args:
        target: (1, 3, H, W) in [-1, 1]; pictures given later are area-reduced to its size.
        lpips: The network, or None.
        mse_weight: Weight of L2 beside LPIPS; Karras' projection has 0.
    """

    def __init__(self, target: Tensor, *, lpips: Lpips | None = None, mse_weight: float = 0.0) -> None:
        self.target = target
        self._lpips = lpips
        self._mse_weight = mse_weight
        self._features = [] if lpips is None else [f.detach() for f in lpips.features(comparable(target))]
        self.note = STAND_IN_NOTE if lpips is None else LPIPS_NOTE

    def fit(self, y: Tensor) -> Tensor:
        """A rendered picture at the target's size."""
        size = self.target.shape[-2:]
        return y if y.shape[-2:] == size else F.interpolate(y, size=size, mode="area")

    def __call__(self, y: Tensor) -> tuple[Tensor, Terms]:
        """Loss of a rendered picture and its unweighted terms by name."""
        y = self.fit(y)
        l2 = F.mse_loss(y, self.target)
        if self._lpips is not None:
            distance = self._lpips.distance(self._lpips.features(comparable(y)), self._features).sum()
            return distance + self._mse_weight * l2, (("lpips", distance), ("l2", l2))
        pyramid = pyramid_l1(y, self.target)
        loss = l2 + PYRAMID_WEIGHT * pyramid
        terms: Terms = (("l2", l2), ("pyramid_l1", pyramid))
        if min(y.shape[-2:]) >= WINDOW_PX:
            similarity = ms_ssim_each(y, self.target).mean()
            return loss + MS_SSIM_WEIGHT * (1 - similarity), (*terms, ("ms_ssim", similarity))
        return loss, terms


def pyramid_l1(y: Tensor, x: Tensor, levels: int = PYRAMID_LEVELS) -> Tensor:
    """Mean absolute difference averaged over 2x2-mean scales, as many as have 4 px."""
    total, count = (y - x).abs().mean(), 1
    while count < levels and min(y.shape[-2:]) >= 8:
        y, x = F.avg_pool2d(y, 2), F.avg_pool2d(x, 2)
        total, count = total + (y - x).abs().mean(), count + 1
    return total / count


def numbers(terms: Terms) -> tuple[tuple[str, float], ...]:
    """Terms as plain values."""
    return tuple((name, float(value.detach())) for name, value in terms)
