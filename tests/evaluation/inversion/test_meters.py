"""Measured values against slow plain formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image as PillowImage

from desktop_app.core.types import Image
from desktop_app.evaluation.inversion.meters import COMPARED_PX, Meters
from tests.pictures import picture

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def resized(image: Image) -> np.ndarray:
    """Pillow's bilinear resize to 256 x 256, in [-1, 1]."""
    small = PillowImage.fromarray(image).resize((COMPARED_PX, COMPARED_PX), PillowImage.Resampling.BILINEAR)
    return np.asarray(small, dtype=np.float64) / 127.5 - 1.0


def slow_ms_ssim(first: np.ndarray, second: np.ndarray) -> float:
    """Wang et al. (2003) on one channel: every window, five scales."""
    taps = np.array([math.exp(-((k - 5) ** 2) / (2 * 1.5**2)) for k in range(11)])
    window = np.outer(taps, taps) / taps.sum() ** 2
    c1, c2 = 0.02**2, 0.06**2
    product = 1.0
    for level, weight in enumerate(WEIGHTS):
        a, b = sliding_window_view(first, (11, 11)), sliding_window_view(second, (11, 11))
        ma, mb = (a * window).sum(axis=(2, 3)), (b * window).sum(axis=(2, 3))
        da, db = a - ma[..., None, None], b - mb[..., None, None]
        va, vb, cov = ((x * window).sum(axis=(2, 3)) for x in (da * da, db * db, da * db))
        value = (2 * cov + c2) / (va + vb + c2)
        if level == len(WEIGHTS) - 1:
            value = value * (2 * ma * mb + c1) / (ma**2 + mb**2 + c1)
        product *= value.mean() ** weight
        first, second = (
            x.reshape(x.shape[0] // 2, 2, x.shape[1] // 2, 2).mean(axis=(1, 3)) for x in (first, second)
        )
    return product


def blurred(image: Image) -> Image:
    small = PillowImage.fromarray(image).resize((24, 24), PillowImage.Resampling.BOX)
    return np.asarray(small.resize((64, 64), PillowImage.Resampling.BICUBIC))


def test_l2_and_ms_ssim_equal_their_definitions(meters: Meters) -> None:
    photo = picture(3, width=200, height=200)
    shown = blurred(photo)
    found = meters.measure([shown, photo], meters.target(photo))
    y, x = resized(shown), resized(photo)
    total, count = 0.0, 0
    for a, b in zip(y.reshape(-1), x.reshape(-1), strict=True):
        total += (a - b) ** 2
        count += 1
    assert found[0]["l2"] == pytest.approx(total / count, rel=1e-4)
    expected = np.mean([slow_ms_ssim(y[..., c], x[..., c]) for c in range(3)])
    assert 0.2 < expected < 0.999
    assert found[0]["ms_ssim"] == pytest.approx(float(expected), abs=2e-4)
    assert found[1]["l2"] == 0 and found[1]["ms_ssim"] == pytest.approx(1.0, abs=1e-5)


def test_similarity_is_the_cosine_of_embeddings(meters: Meters) -> None:
    photo, other = picture(1, width=64, height=64), picture(2, width=64, height=64)
    same, unlike = meters.measure([photo, other], meters.target(photo))
    assert same["similarity"] == pytest.approx(1.0, abs=1e-4)
    assert unlike["similarity"] < 0.9
    assert same["identity"] == pytest.approx(1.0, abs=1e-4)


def test_a_stand_in_for_identity_looks_at_the_face_alone(meters: Meters) -> None:
    photo = picture(1, width=256, height=256)
    framed = photo.copy()
    framed[:30] = 255 - framed[:30]  # above the part that recognition looks at
    value = meters.measure([framed], meters.target(photo))[0]
    assert value["identity"] == pytest.approx(1.0, abs=1e-4)
    assert value["similarity"] < 0.999


def test_what_cannot_be_measured_is_said(meters: Meters) -> None:
    keys = [metric.key for metric in meters.metrics]
    assert keys == ["l2", "l2_model", "ms_ssim", "identity", "similarity"]
    assert "stand-in" in next(m.title for m in meters.metrics if m.key == "identity")
    said = " ".join(meters.missing)
    assert "LPIPS" in said and "ArcFace" in said and "tiny.test" in said
    nothing = Meters(None, None, None)
    assert [m.key for m in nothing.metrics] == ["l2", "l2_model", "ms_ssim"]
    assert nothing.likeness([picture(1)], picture(2)) == []
