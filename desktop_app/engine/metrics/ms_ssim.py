"""Multi-scale structural similarity (Wang et al., 2003; reference, section 8), differentiable.

Five levels, Gaussian window of 11 px and sigma 1.5, 2x2 means between levels. A picture whose
smaller side is below 176 px cannot hold the window on the fifth level; it gets as many levels as
fit, and their weights are scaled to sum to one. Values of such pictures are comparable among
themselves only.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
WINDOW_PX = 11
SIGMA = 1.5
DATA_RANGE = 2.0  # pictures in [-1, 1]
C1 = (0.01 * DATA_RANGE) ** 2
C2 = (0.03 * DATA_RANGE) ** 2
TINY = 1e-6  # keeps the gradient of x ** 0.04 finite where contrast does not agree at all


def level_count(smaller_side_px: int) -> int:
    """Levels on which the window fits, at most five.

    Raises:
        ValueError: The picture is smaller than the window.
    """
    count = sum(smaller_side_px // 2**k >= WINDOW_PX for k in range(len(WEIGHTS)))
    if count == 0:
        raise ValueError(f"MS-SSIM needs {WINDOW_PX} px or more, got {smaller_side_px}")
    return count


def ms_ssim_each(y_hat: Tensor, x: Tensor) -> Tensor:
    """Similarity of each pair: (B, 3, H, W) twice in [-1, 1] -> (B,), 1 for equal pictures."""
    count = level_count(min(x.shape[-2:]))
    weights = x.new_tensor(WEIGHTS[:count])
    weights = weights / weights.sum()
    window = _window(x)
    product = x.new_ones(x.shape[:2])  # (B, C)
    for level in range(count):
        luminance, contrast = _ssim_parts(y_hat, x, window)
        value = contrast * luminance if level == count - 1 else contrast
        product = product * value.mean(dim=(2, 3)).clamp_min(TINY) ** weights[level]
        if level < count - 1:
            y_hat, x = F.avg_pool2d(y_hat, 2), F.avg_pool2d(x, 2)
    return product.mean(dim=1)


def _window(like: Tensor) -> Tensor:
    """The Gaussian as a row, (C, 1, 1, 11)."""
    offsets = torch.arange(WINDOW_PX, dtype=like.dtype, device=like.device) - (WINDOW_PX - 1) / 2
    taps = torch.exp(-offsets.square() / (2 * SIGMA**2))
    return (taps / taps.sum()).expand(like.shape[1], 1, 1, WINDOW_PX)


def _smooth(x: Tensor, window: Tensor) -> Tensor:
    x = F.conv2d(x, window, groups=x.shape[1])
    return F.conv2d(x, window.transpose(2, 3), groups=x.shape[1])


def _ssim_parts(y: Tensor, x: Tensor, window: Tensor) -> tuple[Tensor, Tensor]:
    """Luminance, and contrast with structure, at every place where the window fits."""
    mean_y, mean_x = _smooth(y, window), _smooth(x, window)
    var_y = _smooth(y * y, window) - mean_y.square()
    var_x = _smooth(x * x, window) - mean_x.square()
    covariance = _smooth(y * x, window) - mean_y * mean_x
    luminance = (2 * mean_y * mean_x + C1) / (mean_y.square() + mean_x.square() + C1)
    contrast = (2 * covariance + C2) / (var_y + var_x + C2)
    return luminance, contrast
