"""Finding faces as a job."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from desktop_app.core.errors import UserInputError
from desktop_app.core.types import (
    FacePoints,
    FacesFound,
    FindFacesRequest,
    PhotoSource,
    QuadAnswer,
    QuadRequest,
)
from desktop_app.jobs import find_faces
from tests.library import drive
from tests.pictures import picture, save_picture
from tests.tiny_inverter import DATA, face_services, needs_data


def test_a_photo_without_a_face_gives_an_empty_answer(tmp_path: Path) -> None:
    file = save_picture(tmp_path / "plain.png", 1, width=300, height=200)
    services = face_services(tmp_path)
    _, answer = drive(find_faces.run(FindFacesRequest(PhotoSource(path=file)), services))
    assert isinstance(answer, FacesFound)
    assert answer.faces == ()
    assert (answer.width_px, answer.height_px, answer.scale) == (300, 200, 1.0)
    assert answer.detector == "haar"
    assert not answer.image.flags.writeable


def test_a_large_photo_is_shown_reduced(tmp_path: Path) -> None:
    photo = picture(1, width=3200, height=400)
    _, answer = drive(find_faces.run(FindFacesRequest(PhotoSource(image=photo)), face_services(tmp_path)))
    assert isinstance(answer, FacesFound)
    assert answer.image.shape == (200, find_faces.PREVIEW_PX, 3)
    assert answer.scale == pytest.approx(0.5)
    assert answer.width_px == 3200


@needs_data
def test_faces_come_with_points_and_quads(tmp_path: Path) -> None:
    file = sorted((DATA / "portraits").glob("*.jpg"))[0]
    messages, answer = drive(
        find_faces.run(FindFacesRequest(PhotoSource(path=file)), face_services(tmp_path))
    )
    assert messages
    assert isinstance(answer, FacesFound)
    assert len(answer.faces) == 1
    quad = np.array(answer.faces[0].quad)
    assert quad.shape == (4, 2)
    points = answer.faces[0].points
    assert points.left_eye[0] < points.right_eye[0]
    assert points.left_mouth[1] > points.left_eye[1]


def test_a_quad_follows_hand_placed_points(tmp_path: Path) -> None:
    points = FacePoints((100, 100), (140, 100), (105, 144), (135, 144))
    messages, answer = drive(find_faces.run(QuadRequest(points), face_services(tmp_path)))
    assert messages == []
    assert isinstance(answer, QuadAnswer)
    assert answer.quad[0] == pytest.approx((40.0, 24.4))


def test_points_on_each_other_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserInputError):
        drive(
            find_faces.run(QuadRequest(FacePoints((1, 1), (1, 1), (1, 1), (1, 1))), face_services(tmp_path))
        )


def test_an_unreadable_photo_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "broken.jpg"
    file.write_bytes(b"\xff\xd8\xff nothing")
    with pytest.raises(UserInputError):
        drive(find_faces.run(FindFacesRequest(PhotoSource(path=file)), face_services(tmp_path)))
