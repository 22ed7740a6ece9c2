"""Putting a face back: what must not change, what must, and the seam."""

from __future__ import annotations

import numpy as np
import pytest

from desktop_app.core.errors import UserInputError
from desktop_app.core.types import FloatArray, Image, PasteMode
from desktop_app.engine.align.face_points import typical_points
from desktop_app.engine.align.ffhq_crop import Quad, align_face, quad_from_points
from desktop_app.engine.align.paste_back import FacePaste, paste_back, soft_mask
from tests.pictures import picture


def _photo() -> Image:
    noise = np.random.default_rng(0).integers(-20, 21, (240, 320, 3))
    return np.clip(picture(2, width=320, height=240).astype(int) + noise, 0, 255).astype(np.uint8)


def _quad(tilt: float = 12.0) -> Quad:
    return quad_from_points(typical_points((140, 100), (180, 100 + tilt)))


def _levels(image: Image) -> FloatArray:
    return image.astype(np.float32)


def test_without_an_edit_the_photo_stays_as_it_was() -> None:
    photo, quad = _photo(), _quad()
    face = _levels(align_face(photo, quad, output_px=64))
    assert np.array_equal(paste_back(photo, FacePaste(quad, face, face)), photo)


@pytest.mark.parametrize("mode", list(PasteMode))
def test_nothing_outside_the_quad_changes(mode: PasteMode) -> None:
    photo, quad = _photo(), _quad()
    face = _levels(align_face(photo, quad, output_px=64))
    result = paste_back(photo, FacePaste(quad, 255 - face, face, mode=mode))
    box = (slice(0, 240), slice(0, 320))
    outside = soft_mask(quad, box, blend=0.0) == 0
    assert outside.any()
    assert np.array_equal(result[outside], photo[outside])
    assert not np.array_equal(result, photo)


def test_a_constant_change_is_added_in_the_middle_and_fades_at_the_rim() -> None:
    photo, quad = np.full((240, 320, 3), 100, dtype=np.uint8), _quad(0.0)
    face = np.full((64, 64, 3), 100, dtype=np.float32)
    result = paste_back(photo, FacePaste(quad, face + 40, face, blend=0.2)).astype(int)
    middle = np.array(quad).mean(axis=0).round().astype(int)
    assert result[middle[1], middle[0]].tolist() == [140, 140, 140]
    across = result[middle[1], :, 0]
    assert (np.abs(np.diff(across)) <= 4).all()  # no visible step anywhere
    assert across.min() == 100


def test_a_change_keeps_the_detail_of_the_photo() -> None:
    """A face of 16 pixels brightens a crop of 160: the photo's noise must survive."""
    photo, quad = _photo(), _quad(0.0)
    face = np.full((16, 16, 3), 90, dtype=np.float32)
    result = paste_back(photo, FacePaste(quad, face + 10, face)).astype(int)
    patch = (slice(95, 115), slice(150, 170))
    kept = np.diff(result[patch], axis=1) - np.diff(photo[patch].astype(int), axis=1)
    unclipped = (photo[patch] < 245).all(axis=2)[:, 1:]
    assert np.abs(kept[unclipped]).max() <= 1


def test_a_replaced_face_agrees_with_the_photo_at_the_seam() -> None:
    """The same face in another overall colour comes back in the colour of the photo."""
    photo, quad = picture(2, width=320, height=240), _quad(0.0)
    face = _levels(align_face(photo, quad, output_px=64))
    tinted = face + np.array([25.0, -15.0, 10.0], dtype=np.float32)
    plain = np.abs(_replace(photo, quad, face=face) - photo.astype(int)).mean()
    corrected = np.abs(_replace(photo, quad, face=tinted) - photo.astype(int)).mean()
    assert plain < 1.0
    assert corrected < plain + 0.3


def _replace(photo: Image, quad: Quad, *, face: FloatArray) -> np.ndarray:
    return paste_back(photo, FacePaste(quad, face, face, mode=PasteMode.REPLACE)).astype(int)


@pytest.mark.parametrize("eyes", [((2, 5), (40, 5)), ((300, 230), (330, 236)), ((150, 100), (170, 110))])
@pytest.mark.parametrize("side", [8, 64, 512])
def test_any_place_and_size_gives_a_photo_of_the_same_size(
    eyes: tuple[tuple[float, float], tuple[float, float]], side: int
) -> None:
    photo = _photo()
    quad = quad_from_points(typical_points(*eyes))
    face = np.full((side, side, 3), 90, dtype=np.float32)
    for mode in PasteMode:
        result = paste_back(photo, FacePaste(quad, face + 60, face, mode=mode))
        assert result.shape == photo.shape
        assert result.dtype == np.uint8


def test_a_quad_outside_the_photo_is_refused() -> None:
    face = np.zeros((8, 8, 3), dtype=np.float32)
    quad = quad_from_points(typical_points((2000, 100), (2040, 100)))
    with pytest.raises(UserInputError):
        paste_back(_photo(), FacePaste(quad, face, face))


def test_the_mask_is_soft_inside_and_zero_outside() -> None:
    mask = soft_mask(_quad(0.0), (slice(0, 240), slice(0, 320)), blend=0.15)
    assert mask.min() == 0
    assert mask.max() == pytest.approx(1.0)
    assert np.abs(np.diff(mask, axis=1)).max() < 0.1
    hard = soft_mask(_quad(0.0), (slice(0, 240), slice(0, 320)), blend=0.0)
    assert set(np.unique(hard)) == {0.0, 1.0}
