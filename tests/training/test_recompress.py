"""Compression as tensor operations against the JPEG library itself."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from desktop_app.training.recompress import compressed, draw_recompressed


def _scene(side: int = 64) -> np.ndarray:
    rough = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    return np.asarray(PillowImage.fromarray(rough).resize((side, side), PillowImage.Resampling.BICUBIC))


def _by_library(scene: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    PillowImage.fromarray(scene).save(buffer, "JPEG", quality=quality, subsampling=2)
    with PillowImage.open(buffer) as read:
        return np.asarray(read.convert("RGB")).astype(np.float32)


@pytest.mark.parametrize("quality", [10, 40, 80])
def test_it_does_what_the_jpeg_library_does(quality: int) -> None:
    scene = _scene()
    wanted = _by_library(scene, quality)
    x = torch.from_numpy(scene.astype(np.float32)).permute(2, 0, 1)[None]
    found = compressed(x, torch.tensor([float(quality)]))[0].permute(1, 2, 0).numpy()
    # Rounding between the steps apart, both are the same picture; the change itself is far larger.
    assert np.abs(found - wanted).mean() < 0.35 * np.abs(wanted - scene).mean()


def test_each_picture_has_its_own_quality() -> None:
    x = torch.from_numpy(_scene().astype(np.float32)).permute(2, 0, 1)[None].repeat(2, 1, 1, 1)
    change = (compressed(x, torch.tensor([5.0, 90.0])) - x).abs().mean(dim=(1, 2, 3))
    assert change[0] > 3 * change[1]


def test_drawn_pictures_are_smaller_squares_and_follow_the_seed() -> None:
    pictures = torch.from_numpy(_scene(112).copy()).permute(2, 0, 1)[None].repeat(3, 1, 1, 1)
    sides = set()
    for seed in range(12):
        first = draw_recompressed(pictures, torch.Generator().manual_seed(seed))
        again = draw_recompressed(pictures, torch.Generator().manual_seed(seed))
        assert torch.equal(first, again) and first.dtype == torch.uint8
        sides.add(first.shape[-1])
    assert sides == {48, 64, 80, 96, 112}
