"""Inversion as a job: messages, sessions, wrong input, cancelling."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from desktop_app.core.errors import UserInputError, WeightsError
from desktop_app.core.types import (
    AlignedFace,
    FacePoints,
    InversionStep,
    InvertRequest,
    PhotoSource,
    Progress,
)
from desktop_app.jobs import invert_photo
from desktop_app.jobs.face_sessions import SESSIONS_KEPT
from tests.library import drive
from tests.pictures import picture
from tests.tiny_inverter import (
    DATA,
    MODEL,
    N_STYLES,
    SIZE,
    STYLE_DIM,
    face_services,
    needs_data,
    write_tiny_model,
)

POINTS = FacePoints((80, 60), (110, 62), (82, 95), (108, 97))
PHOTO = PhotoSource(image=picture(1, width=200, height=150))


def test_messages_come_in_order_and_the_session_stays_open(tmp_path: Path) -> None:
    services = face_services(tmp_path)
    messages, result = drive(invert_photo.run(InvertRequest(PHOTO, points=POINTS, steps=4), services))
    told = [message for message in messages if not isinstance(message, Progress)]
    assert isinstance(told[0], AlignedFace)
    assert told[0].detector == "manual"
    assert told[0].image.shape == told[0].start.shape == (SIZE, SIZE, 3)
    steps = [message for message in told[1:] if isinstance(message, InversionStep)]
    assert [step.index for step in steps] == [1, 2, 3, 4]
    assert (result.model, result.steps, result.can_paste_back) == (MODEL, 4, True)
    session = services.faces.sessions.get(result.session_id)
    assert session.codes.shape == (4, N_STYLES, STYLE_DIM)
    assert np.array_equal(session.code(0), steps[-1].w_plus)
    assert np.array_equal(session.code(2), steps[1].w_plus)
    done = [message for message in messages if isinstance(message, Progress)]
    assert (done[-1].done, done[-1].total) == (4, 4)


def test_steps_come_from_the_settings_when_not_given(tmp_path: Path) -> None:
    _, result = drive(invert_photo.run(InvertRequest(PHOTO, points=POINTS), face_services(tmp_path)))
    assert result.steps == 3


def test_an_aligned_picture_is_taken_as_it_is(tmp_path: Path) -> None:
    face = PhotoSource(image=picture(2, width=64, height=64))
    messages, result = drive(invert_photo.run(InvertRequest(face, is_aligned=True), face_services(tmp_path)))
    aligned = next(message for message in messages if isinstance(message, AlignedFace))
    assert (aligned.quad, aligned.detector) == ((), "none")
    assert not result.can_paste_back


def test_models_of_other_things_need_no_face(tmp_path: Path) -> None:
    services = face_services(tmp_path)
    write_tiny_model(services.paths.models, name="restyle_psp.church", domain="church")
    request = InvertRequest(PHOTO, model="restyle_psp.church")
    messages, result = drive(invert_photo.run(request, services))
    assert result.model == "restyle_psp.church"
    assert any(isinstance(m, AlignedFace) and m.detector == "none" for m in messages)


def test_a_photo_without_a_face_is_told_with_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="No face") as caught:
        drive(invert_photo.run(InvertRequest(PHOTO), face_services(tmp_path)))
    assert "by hand" in caught.value.hint
    assert "--aligned" in caught.value.hint


@needs_data
def test_a_portrait_is_inverted_and_a_second_face_is_refused(tmp_path: Path) -> None:
    services = face_services(tmp_path)
    source = PhotoSource(path=sorted((DATA / "portraits").glob("*.jpg"))[0])
    messages, result = drive(invert_photo.run(InvertRequest(source, steps=1), services))
    assert result.can_paste_back
    aligned = next(message for message in messages if isinstance(message, AlignedFace))
    assert (aligned.detector, aligned.faces) == ("haar", 1)
    for index in (1, -1):
        with pytest.raises(UserInputError, match="no face number"):
            drive(invert_photo.run(InvertRequest(source, face_index=index), services))


@pytest.mark.parametrize(
    "request_",
    [
        InvertRequest(PHOTO, points=POINTS, steps=21),
        InvertRequest(PHOTO, points=POINTS, steps=-1),
        InvertRequest(PhotoSource(image=picture(1, width=12, height=12)), is_aligned=True),
        InvertRequest(PHOTO, points=FacePoints((10, 10), (12, 10), (10, 12), (12, 12))),
        InvertRequest(PHOTO, points=FacePoints((-900, 10), (-860, 10), (-890, 50), (-870, 50))),
        InvertRequest(PhotoSource(path=Path("/no/such/photo.jpg"))),
    ],
)
def test_wrong_requests_are_refused(tmp_path: Path, request_: InvertRequest) -> None:
    with pytest.raises(UserInputError):
        drive(invert_photo.run(request_, face_services(tmp_path)))


def test_an_unknown_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no model"):
        drive(invert_photo.run(InvertRequest(PHOTO, points=POINTS, model="x.y"), face_services(tmp_path)))


def test_cancelling_before_the_first_step_leaves_no_session(tmp_path: Path) -> None:
    services = face_services(tmp_path)
    job = invert_photo.run(InvertRequest(PHOTO, points=POINTS, steps=5), services)
    while not isinstance(next(job), AlignedFace):
        pass
    job.close()
    assert len(services.faces.sessions) == 0


def test_only_the_last_sessions_are_kept(tmp_path: Path) -> None:
    services = face_services(tmp_path)
    ids = [
        drive(invert_photo.run(InvertRequest(PHOTO, points=POINTS, steps=1), services))[1].session_id
        for _ in range(SESSIONS_KEPT + 1)
    ]
    with pytest.raises(UserInputError, match="no longer open"):
        services.faces.sessions.get(ids[0])
    assert services.faces.sessions.get(ids[1]).session_id == ids[1]


def test_the_same_photo_gives_the_same_codes(tmp_path: Path) -> None:
    services = face_services(tmp_path)
    request = InvertRequest(PHOTO, points=POINTS)
    first, second = (drive(invert_photo.run(request, services))[1].session_id for _ in range(2))
    assert np.array_equal(services.faces.sessions.get(first).codes, services.faces.sessions.get(second).codes)
