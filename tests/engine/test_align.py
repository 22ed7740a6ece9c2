"""The FFHQ crop: places, borders, bad points, and the way back."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desktop_app.core.errors import UserInputError
from desktop_app.core.types import FacePoints
from desktop_app.engine.align.face_points import typical_points
from desktop_app.engine.align.ffhq_crop import (
    align_face,
    aligned_to_photo,
    photo_to_aligned,
    quad_from_points,
    quad_side_px,
)
from tests.pictures import picture


def _points(x: float, y: float, *, eye_distance: float, roll: float = 0.0) -> FacePoints:
    dx, dy = eye_distance / 2 * math.cos(roll), eye_distance / 2 * math.sin(roll)
    return typical_points((x - dx, y - dy), (x + dx, y + dy))


def test_typical_mouth_gives_the_framing_of_the_training_faces() -> None:
    quad = np.array(quad_from_points(_points(300, 200, eye_distance=50)))
    assert quad_side_px(tuple(map(tuple, quad))) == pytest.approx(4 * 50)
    assert quad.mean(axis=0) == pytest.approx([300, 200 + 0.11 * 50])
    assert quad[0] == pytest.approx([200, 105.5])


def test_corners_go_from_upper_left_against_the_clock() -> None:
    upper_left, lower_left, lower_right, upper_right = quad_from_points(_points(100, 100, eye_distance=20))
    assert upper_left[0] == lower_left[0] < lower_right[0] == upper_right[0]
    assert upper_left[1] == upper_right[1] < lower_left[1] == lower_right[1]


@settings(max_examples=40, deadline=None)
@given(
    x=st.floats(0, 500),
    y=st.floats(0, 500),
    distance=st.floats(8, 200),
    roll=st.floats(-1.2, 1.2),
)
def test_both_mappings_undo_each_other(x: float, y: float, distance: float, roll: float) -> None:
    quad = quad_from_points(_points(x, y, eye_distance=distance, roll=roll))
    there, back = photo_to_aligned(quad, aligned_px=64), aligned_to_photo(quad, aligned_px=64)
    points = np.array([[0.0, 0.0], [63.0, 5.0], [20.0, 40.0]])
    in_photo = points @ back[:, :2].T + back[:, 2]
    again = in_photo @ there[:, :2].T + there[:, 2]
    assert np.abs(again - points).max() < 1e-6


def test_an_upright_crop_shows_the_pixels_of_its_quad() -> None:
    photo = picture(3, width=256, height=256)
    points = _points(128, 124, eye_distance=16)
    quad = quad_from_points(points)  # side 64: one aligned pixel per photo pixel
    face = align_face(photo, quad, output_px=64)
    left, top = quad[0]
    matrix = aligned_to_photo(quad, aligned_px=64)
    x, y = np.meshgrid(np.arange(64), np.arange(64))
    px = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]
    py = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]
    x0, y0 = np.floor(px).astype(int), np.floor(py).astype(int)
    fx, fy = (px - x0)[..., None], (py - y0)[..., None]
    at = photo.astype(float)
    expected = (
        at[y0, x0] * (1 - fx) * (1 - fy)
        + at[y0, x0 + 1] * fx * (1 - fy)
        + at[y0 + 1, x0] * (1 - fx) * fy
        + at[y0 + 1, x0 + 1] * fx * fy
    )
    assert (left, top) == pytest.approx((96, 93.76))
    assert np.abs(face - expected).max() <= 1.0


@pytest.mark.parametrize(
    ("width", "height", "x", "y", "distance"),
    [
        (64, 48, 32, 24, 30),  # crop larger than the photo: reflection wider than the image
        (200, 200, 2, 3, 20),  # corner
        (200, 200, 199, 199, 40),
        (17, 400, 8, 200, 60),  # narrow
        (1, 300, 0, 150, 20),  # one column
        (900, 20, 450, 10, 90),
    ],
)
def test_faces_at_the_border_are_filled(width: int, height: int, x: float, y: float, distance: float) -> None:
    photo = picture(5, width=width, height=height)
    face = align_face(photo, quad_from_points(_points(x, y, eye_distance=distance)), output_px=64)
    assert face.shape == (64, 64, 3)
    assert face.dtype == np.uint8
    assert not face.flags.writeable
    assert face.std() > 0


def test_a_large_face_is_reduced_without_aliasing() -> None:
    photo = np.zeros((800, 800, 3), dtype=np.uint8)
    photo[:, ::2] = 255  # finest stripes; their mean is grey
    face = align_face(
        photo, quad_from_points(_points(400, 390, eye_distance=150)), output_px=64, transform_px=256
    )
    assert np.abs(face[8:-8, 8:-8].astype(int) - 127).max() < 30


@pytest.mark.parametrize(
    "points",
    [
        FacePoints((5, 5), (5, 5), (5, 5), (5, 5)),
        FacePoints((math.nan, 5), (9, 5), (5, 9), (9, 9)),
        FacePoints((math.inf, 5), (9, 5), (5, 9), (9, 9)),
    ],
)
def test_points_without_a_direction_are_refused(points: FacePoints) -> None:
    with pytest.raises(UserInputError):
        quad_from_points(points)


@pytest.mark.parametrize(("x", "distance"), [(100, 3), (-500, 40), (5000, 40)])
def test_crops_too_small_or_outside_are_refused(x: float, distance: float) -> None:
    photo = picture(1, width=200, height=200)
    with pytest.raises(UserInputError):
        align_face(photo, quad_from_points(_points(x, 100, eye_distance=distance)), output_px=64)
