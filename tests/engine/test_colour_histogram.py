"""The soft colour histogram against slow plain formulas."""

from __future__ import annotations

import colorsys

import torch

from desktop_app.engine.networks.colour_histogram import (
    COLOUR_BINS,
    HUES,
    SATURATIONS,
    VALUES,
    colour_histogram,
)


def _share(value: float, bins: int, position: int, *, is_circle: bool) -> float:
    distance = abs(value - (position + 0.5) / bins)
    return max(0.0, 1.0 - (min(distance, 1.0 - distance) if is_circle else distance) * bins)


def _slow(x: torch.Tensor) -> list[float]:
    sums = [0.0] * COLOUR_BINS
    for red, green, blue in ((x + 1) / 2).permute(1, 2, 0).reshape(-1, 3).tolist():
        hue, saturation, value = colorsys.rgb_to_hsv(red, green, blue)
        parts = []
        for amount, bins, is_circle in (
            (hue, HUES, True),
            (saturation, SATURATIONS, False),
            (value, VALUES, False),
        ):
            shares = [_share(amount, bins, i, is_circle=is_circle) for i in range(bins)]
            parts.append([share / sum(shares) for share in shares])
        for h in range(HUES):
            for s in range(SATURATIONS):
                for v in range(VALUES):
                    sums[(h * SATURATIONS + s) * VALUES + v] += parts[0][h] * parts[1][s] * parts[2][v]
    pixels = x.shape[1] * x.shape[2]
    return [(one / pixels) ** 0.5 for one in sums]


def test_histogram_agrees_with_a_slow_plain_formula() -> None:
    x = torch.rand(3, 3, 5, 7, generator=torch.Generator().manual_seed(0)) * 2 - 1
    x[2] = 0.25  # grey: no hue
    expected = torch.tensor([_slow(one) for one in x])
    torch.testing.assert_close(colour_histogram(x), expected, atol=2e-4, rtol=1e-4)
    torch.testing.assert_close(colour_histogram(x).norm(dim=1), torch.ones(3))


def test_mirror_and_black_pictures_are_no_exception() -> None:
    x = torch.rand(2, 3, 6, 6, generator=torch.Generator().manual_seed(1)) * 2 - 1
    torch.testing.assert_close(colour_histogram(x), colour_histogram(x.flip(3)))
    black = colour_histogram(torch.full((1, 3, 4, 4), -1.0))
    assert black.isfinite().all() and int((black > 0.1).sum()) >= 1
