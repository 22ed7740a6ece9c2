"""Edit sliders and rendering as jobs."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from desktop_app.core.errors import UserInputError
from desktop_app.core.types import (
    DirectionList,
    DirectionsRequest,
    Edit,
    EditRequest,
    EditResult,
    InvertRequest,
    PhotoSource,
    Progress,
)
from desktop_app.engine.edit.directions import make_direction, save_directions
from desktop_app.jobs import edit_photo, invert_photo
from desktop_app.jobs.services import Services
from tests.library import drive
from tests.pictures import picture
from tests.tiny_inverter import MODEL, N_STYLES, STYLE_DIM, face_services


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return face_services(tmp_path)


@pytest.fixture
def quick(tmp_path: Path) -> Services:
    """Services whose model has a stored direction."""
    return face_services(tmp_path, has_directions=True)


def _session(services: Services) -> str:
    face = PhotoSource(image=picture(1, width=64, height=64))
    return drive(invert_photo.run(InvertRequest(face, is_aligned=True), services))[1].session_id


def _sliders(services: Services) -> DirectionList:
    answer = drive(edit_photo.run(DirectionsRequest(), services))[1]
    assert isinstance(answer, DirectionList)
    return answer


def _edit(services: Services, session: str, edit: Edit, *, serial: int = 1) -> EditResult:
    messages, answer = drive(edit_photo.run(EditRequest(session, edit, serial), services))
    assert messages == []  # the fast path has nothing to wait for
    assert isinstance(answer, EditResult)
    return answer


def test_a_model_without_a_file_gets_sliders_with_calibrated_ranges(services: Services) -> None:
    messages, answer = drive(edit_photo.run(DirectionsRequest(), services))
    assert any(isinstance(message, Progress) for message in messages)
    assert isinstance(answer, DirectionList)
    assert answer.model == MODEL
    assert len(answer.directions) >= 6
    assert all(one.minimum < 0 < one.maximum for one in answer.directions)
    again, second = drive(edit_photo.run(DirectionsRequest(), services))
    assert (again, second) == ([], answer)


def test_stored_directions_are_preferred(services: Services) -> None:
    card = services.models.card(MODEL)
    own = make_direction("pca.1", "Own", "pca", vector=np.ones((N_STYLES, STYLE_DIM)), reach=(-1, 2))
    save_directions(card.folder, MODEL, directions=(own,), sha256=card.sha256)
    assert [one.name for one in _sliders(services).directions] == ["pca.1"]


def test_stored_directions_of_other_weights_are_passed_over(
    services: Services, expected_log: list[logging.LogRecord]
) -> None:
    own = make_direction("pca.1", "Own", "pca", vector=np.ones((N_STYLES, STYLE_DIM)))
    save_directions(services.paths.models, MODEL, directions=(own,), sha256="of other weights")
    assert len(_sliders(services).directions) >= 6
    assert expected_log


def test_no_edit_shows_the_last_step_and_any_step_can_be_the_start(quick: Services) -> None:
    from desktop_app.engine.invert.restyle import render

    session = _session(quick)
    _sliders(quick)
    model = quick.faces.model()
    codes = quick.faces.sessions.get(session).codes
    assert np.array_equal(_edit(quick, session, Edit()).image, render(model, codes[-1]))
    assert np.array_equal(_edit(quick, session, Edit(step=1)).image, render(model, codes[0]))


def test_a_slider_changes_the_picture_and_zero_takes_it_back(quick: Services) -> None:
    session = _session(quick)
    slider = _sliders(quick).directions[0]
    plain = _edit(quick, session, Edit())
    moved = _edit(quick, session, Edit(((slider.name, slider.maximum),)), serial=7)
    assert moved.serial == 7
    assert not np.array_equal(moved.image, plain.image)
    assert np.array_equal(_edit(quick, session, Edit(((slider.name, 0.0),))).image, plain.image)


@pytest.mark.parametrize("edit", [Edit((("nothing", 1.0),)), Edit(step=9), Edit(step=-1)])
def test_wrong_edits_are_refused(quick: Services, edit: Edit) -> None:
    session = _session(quick)
    _sliders(quick)
    with pytest.raises(UserInputError):
        drive(edit_photo.run(EditRequest(session, edit, 1), quick))


def test_a_closed_session_is_told(quick: Services) -> None:
    with pytest.raises(UserInputError, match="no longer open"):
        drive(edit_photo.run(EditRequest("gone", Edit(), 1), quick))
