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


def _disc(x: float, *, radius: float = 0.18, side: int = 128) -> FloatArray:
    """A bright disc with a dark spot, on dark ground, its centre at a share of the side."""
    place = (np.arange(side) + 0.5) / side
    away = np.hypot(place[None, :] - x, place[:, None] - 0.5)
    level = 60 + 120 / (1 + np.exp((away - radius) * 120)) - 60 / (1 + np.exp((away - 0.05) * 120))
    return np.repeat(level[:, :, None], 3, axis=2).astype(np.float32)


def _square_photo(face: FloatArray, *, noise: int) -> tuple[Image, Quad]:
    """A photo that is its own crop, with grain."""
    grain = np.random.default_rng(1).integers(-noise, noise + 1, (*face.shape[:2], 1))
    quad = (
        (-0.5, -0.5),
        (-0.5, len(face) - 0.5),
        (len(face) - 0.5, len(face) - 0.5),
        (len(face) - 0.5, -0.5),
    )
    return np.clip(face + grain, 0, 255).astype(np.uint8), quad


def test_an_outline_that_moves_does_not_stand_twice() -> None:
    """The photo's disc is a little larger than the reconstruction's: its rim must go along."""
    before, after = _disc(0.5), _disc(0.56)
    photo, quad = _square_photo(_disc(0.5, radius=0.2), noise=0)
    ideal = _disc(0.56, radius=0.2)
    carried = paste_back(photo, FacePaste(quad, after, before))
    added = np.clip(photo + after - before, 0, 255)
    off = [np.abs(one - ideal)[40:88].mean() for one in (carried, added)]
    assert off[0] < 0.5 * off[1]


def test_detail_goes_along_with_what_moves() -> None:
    before, after = _disc(0.5), _disc(0.56)
    photo, quad = _square_photo(before, noise=12)
    result = paste_back(photo, FacePaste(quad, after, before)).astype(float)[:, :, 0]
    grain = photo[:, :, 0].astype(float) - before[:, :, 0]
    inner = (slice(52, 76), slice(60, 84))
    there = (result - after[:, :, 0])[inner]
    shifts = [np.corrcoef(there.ravel(), np.roll(grain, x, axis=1)[inner].ravel())[0, 1] for x in range(13)]
    assert 6 <= int(np.argmax(shifts)) <= 9, "the grain of the middle moved by .06 of 128 pixels"
    assert max(shifts) > 0.5


def test_an_edit_of_the_face_leaves_its_surroundings() -> None:
    photo, quad = _square_photo(_disc(0.5), noise=5)
    before = _disc(0.5)
    after = before.copy()
    after[40:90, 40:90] += 40
    after[:20, :20] += 30  # what an edit does to the background by the way
    result = paste_back(photo, FacePaste(quad, after, before)).astype(int)
    assert np.abs(result[:24, :24] - photo[:24, :24].astype(int)).max() <= 1
    assert (result[50:80, 50:80] - photo[50:80, 50:80].astype(int)).mean() > 30


def test_an_edit_of_the_background_reaches_it() -> None:
    photo, quad = _square_photo(_disc(0.5), noise=5)
    before = _disc(0.5)
    after = np.where(before < 100, before + 40, before + 2).astype(np.float32)
    result = paste_back(photo, FacePaste(quad, after, before, blend=0.05)).astype(int)
    corner = (slice(10, 24), slice(10, 24))
    assert (result[corner] - photo[corner].astype(int)).mean() > 30


def test_what_is_redrawn_takes_the_place_of_the_photo() -> None:
    """A dark bar in the photo, where the edit paints bright teeth: no bar may shine through."""
    before = np.full((128, 128, 3), 120, dtype=np.float32)
    photo, quad = _square_photo(before, noise=0)
    photo = photo.copy()
    photo[74:78, 50:78] = 60
    before[72:80, 50:78] = 90
    after = np.full((128, 128, 3), 120, dtype=np.float32)
    after[68:84, 46:82] = 230
    after[68:70, 46:82] = after[82:84, 46:82] = 40
    inside = (slice(71, 81), slice(54, 74))
    spread = [
        float(np.ptp(one[inside].mean(axis=(1, 2))))
        for one in (
            paste_back(photo, FacePaste(quad, after, before)),
            np.clip(photo + after - before, 0, 255),
        )
    ]
    assert spread[0] < 0.5 * spread[1]
