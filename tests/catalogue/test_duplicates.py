"""Near-duplicates against merely similar pictures."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import ImageEnhance

from desktop_app.catalogue.duplicates import SIGNATURE_BYTES, picture_signature, show_the_same
from desktop_app.core.types import Image
from tests.pictures import picture


def resaved(image: Image) -> Image:
    buffer = io.BytesIO()
    PillowImage.fromarray(image).save(buffer, "JPEG", quality=30)
    return np.array(PillowImage.open(buffer))


CHANGES = {
    "saved with loss": resaved,
    "half the size": lambda image: np.array(PillowImage.fromarray(image).resize((120, 90))),
    "brighter": lambda image: np.array(ImageEnhance.Brightness(PillowImage.fromarray(image)).enhance(1.2)),
    "paler": lambda image: np.array(ImageEnhance.Contrast(PillowImage.fromarray(image)).enhance(0.75)),
    "tinted": lambda image: np.clip(image * np.array([1.08, 1.0, 0.92]), 0, 255).astype(np.uint8),
    "cropped": lambda image: np.ascontiguousarray(image[8:-8, 10:-10]),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_changed_copy_is_the_same_picture(change: str, seed: int) -> None:
    original = picture(seed, width=240, height=180)
    first, second = picture_signature(original), picture_signature(CHANGES[change](original))
    assert len(first) == SIGNATURE_BYTES
    assert show_the_same(first, second) and show_the_same(second, first)


def test_other_pictures_are_not(sample_count: int = 40) -> None:
    signatures = [picture_signature(picture(seed)) for seed in range(sample_count)]
    pairs = [(a, b) for a in range(sample_count) for b in range(a)]
    assert not any(show_the_same(signatures[a], signatures[b]) for a, b in pairs)


def test_same_shapes_in_other_colours_are_not() -> None:
    original = picture(1)
    assert not show_the_same(
        picture_signature(original), picture_signature(np.ascontiguousarray(original[..., ::-1]))
    )


def test_flat_pictures_are_told_apart_by_colour() -> None:
    def flat(*colour: int) -> bytes:
        return picture_signature(np.full((40, 40, 3), colour, dtype=np.uint8))

    assert show_the_same(flat(200, 30, 30), flat(205, 32, 30))
    assert not show_the_same(flat(200, 30, 30), flat(30, 30, 200))
    assert not show_the_same(flat(128, 128, 128), picture_signature(picture(1)))
