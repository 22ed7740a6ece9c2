"""Photos that are parts of others: found at every size, also changed; others are not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from desktop_app.core.types import Image
from desktop_app.engine.compare.part_of import cut_out, find_part


def _scene(seed: int, *, width: int = 320, height: int = 240) -> Image:
    """Blots of many sizes, as photos have."""
    rng = np.random.default_rng(seed)
    levels = np.zeros((height, width, 3), np.float32)
    for blur in (2.0, 6.0, 20.0):
        layer = cv2.GaussianBlur(rng.normal(size=(height, width, 3)).astype(np.float32), (0, 0), blur)
        levels += 35 * layer / layer.std()
    return np.clip(128 + levels, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("side", [0.8, 0.6, 0.45, 0.3])
@pytest.mark.parametrize("is_mirrored", [False, True])
def test_a_crop_is_found_at_its_place(side: float, is_mirrored: bool) -> None:
    whole = _scene(1)
    down, across = round(240 * side), round(320 * side)
    cut = whole[20 : 20 + down, 40 : 40 + across]
    cut = np.ascontiguousarray(cut[:, ::-1] if is_mirrored else cut)
    changed = np.clip(0.85 * cv2.resize(cut, None, fx=1.3, fy=1.3).astype(np.float32) + 20, 0, 255)
    found = find_part(whole, changed.astype(np.uint8))
    assert found is not None and found.is_mirrored is is_mirrored
    assert found.box == pytest.approx((40 / 320, 20 / 240, side, side), abs=0.025)
    assert found.area == pytest.approx(side**2, abs=0.04)


def test_other_photos_and_flat_ones_are_no_parts() -> None:
    whole = _scene(1)
    assert all(find_part(whole, _scene(seed)) is None for seed in range(2, 8))
    assert find_part(whole, np.full((50, 60, 3), 90, np.uint8)) is None
    assert find_part(np.full((240, 320, 3), 90, np.uint8), whole) is None
    assert find_part(whole[60:180, 80:240].copy(), whole) is None, "the whole is no part of its part"


def test_a_photo_is_the_whole_of_itself() -> None:
    found = find_part(_scene(3), _scene(3))
    assert found is not None and found.area == pytest.approx(1.0, abs=0.02)


def test_odd_shapes_are_no_trouble() -> None:
    for size in ((1, 1), (4, 900), (900, 4), (20, 20)):
        find_part(_scene(1), _scene(2, width=size[0], height=size[1]))
        find_part(_scene(2, width=size[0], height=size[1]), _scene(1))


def test_what_is_cut_out_looks_like_the_part() -> None:
    whole = _scene(4)
    part = np.ascontiguousarray(whole[60:180, 100:260][:, ::-1])
    found = find_part(whole, part)
    assert found is not None
    cut = cv2.resize(cut_out(whole, found), (160, 120)).astype(float)
    assert np.corrcoef(cut.ravel(), part.astype(float).ravel())[0, 1] > 0.9
