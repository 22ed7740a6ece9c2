from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt

from desktop_app.core.settings import InversionSettings
from desktop_app.core.types import (
    DirectionInfo,
    DirectionList,
    DirectionsRequest,
    EditRequest,
    EditResult,
    ExportKind,
    ExportRequest,
    ExportResult,
    FaceModelsRequest,
    FindFacesRequest,
    InversionResult,
    InvertRequest,
    PhotoSource,
    QuadAnswer,
    QuadRequest,
)
from tests.ui.fake_runner import (
    FakeRunner,
    aligned,
    face_models,
    faces,
    image,
    models,
    photo,
    points,
    step,
)
from ui import file_dialogs
from ui.catalogue.catalogue_page import query_of
from ui.catalogue.similar_view import Query
from ui.inversion.face_chooser import typical_points
from ui.inversion.inversion_page import InversionPage
from ui.job_center import JobCenter
from ui.notifications import Message
from ui.widgets.drop_area import Offered

_QUERY = Query(PhotoSource(path=Path("/photos/me.jpg")), "me.jpg")
_RESULT = InversionResult("s1", "restyle_psp.builtin", 3, 0.1, True)
_DIRECTIONS = DirectionList(
    "restyle_psp.builtin",
    (DirectionInfo("pca.1", "Light", "pca", -4.0, 8.0), DirectionInfo("sefa.1", "Pose", "sefa", -2.0, 2.0)),
)


@pytest.fixture
def page(qtbot: object, jobs: JobCenter, runner: FakeRunner) -> InversionPage:
    made = InversionPage(jobs, InversionSettings(steps=3))
    qtbot.addWidget(made)
    made.set_models(models())
    runner.answer(FaceModelsRequest, face_models())
    made.resize(1200, 800)
    made.show()
    return made


@pytest.fixture
def chosen(page: InversionPage, runner: FakeRunner) -> InversionPage:
    page.open(_QUERY)
    runner.answer(FindFacesRequest, faces(2))
    return page


@pytest.fixture
def done(chosen: InversionPage, runner: FakeRunner) -> InversionPage:
    chosen._chooser._invert.click()
    handle = runner.last(InvertRequest)
    handle.deliver_partial(aligned())
    for index in (1, 2, 3):
        handle.deliver_partial(step(index))
    handle.deliver_answer(_RESULT)
    runner.answer(DirectionsRequest, _DIRECTIONS)
    return chosen


def _last_edit(runner: FakeRunner) -> EditRequest:
    return runner.requests(EditRequest)[-1]


# --- choosing ---------------------------------------------------------------------------------------


def test_page_begins_empty_and_takes_a_dropped_file(page: InversionPage, runner: FakeRunner) -> None:
    assert page._stack.currentWidget() is page._empty
    page.take(Offered(files=(Path("/photos/me.jpg"),)))
    assert runner.requests(FindFacesRequest)[0].source.path == Path("/photos/me.jpg")
    assert "Looking for faces" in page._chooser._message.accessibleName()
    assert not page._chooser._invert.isEnabled()


def test_largest_face_is_chosen_and_inverted(chosen: InversionPage, runner: FakeRunner) -> None:
    assert "2 faces" in chosen._chooser._facts.text()
    chosen._chooser._invert.click()
    request = runner.requests(InvertRequest)[0]
    assert request == InvertRequest(
        _QUERY.source, face_index=0, steps=3, model="restyle_psp.builtin", method="restyle"
    )


def test_moved_points_ask_for_the_newest_quad_and_are_inverted(
    chosen: InversionPage, runner: FakeRunner
) -> None:
    canvas = chosen._chooser._canvas
    for shift in range(5):
        canvas.points_moved.emit(points(50 + shift))
    assert len(runner.requests(QuadRequest)) == 1
    quad = ((0.0, 0.0), (0.0, 9.0), (9.0, 9.0), (9.0, 0.0))
    runner.answer(QuadRequest, QuadAnswer(quad))
    assert runner.requests(QuadRequest)[-1].points == points(54)
    runner.answer(QuadRequest, QuadAnswer(quad))
    assert canvas._quad == quad
    assert chosen._chooser.request().points == points(54)
    chosen._chooser._reset.click()
    assert chosen._chooser.request().points is None
    assert canvas.points == points(50)


def test_points_that_make_no_crop_say_so(chosen: InversionPage, runner: FakeRunner) -> None:
    chosen._chooser._canvas.points_moved.emit(points())
    runner.fail(QuadRequest, "The points lie on one line.")
    assert chosen._chooser._problem.isVisible()
    assert not chosen._chooser._invert.isEnabled()


def test_no_face_offers_placing_by_hand_and_aligned(page: InversionPage, runner: FakeRunner) -> None:
    page.open(_QUERY)
    runner.answer(FindFacesRequest, faces(0))
    chooser = page._chooser
    assert "No face was found" in chooser._facts.text()
    assert not chooser._invert.isEnabled()
    chooser._by_hand.click()
    assert chooser.request().points == typical_points(200, 100)
    chooser._reset.click()
    assert chooser.request() is None
    chooser._aligned.setChecked(True)
    assert chooser.request().is_aligned
    assert chooser._invert.isEnabled()


def test_unreadable_picture_says_why(page: InversionPage, runner: FakeRunner) -> None:
    page.open(_QUERY)
    runner.fail(FindFacesRequest, "The file is empty.", "Choose another one.")
    assert page._chooser._message.accessibleName() == "The file is empty. Choose another one."


def test_next_picture_silences_the_one_before(page: InversionPage, runner: FakeRunner) -> None:
    page.open(_QUERY)
    first = runner.last(FindFacesRequest)
    page.open(query_of(photo(9)))
    first.deliver_answer(faces(2))
    assert first in runner.cancelled
    assert page._chooser._found is None


# --- steps ------------------------------------------------------------------------------------------


def test_steps_appear_live_and_the_view_follows(chosen: InversionPage, runner: FakeRunner) -> None:
    chosen._chooser._invert.click()
    result, handle = chosen._result, runner.last(InvertRequest)
    assert chosen._stack.currentWidget() is result
    handle.deliver_partial(aligned())
    assert result._model.rowCount() == 2
    handle.deliver_partial(step(1))
    assert result.shown_row == 2
    handle.deliver_partial(step(2))
    assert result.shown_row == 3
    assert result._headline.text() == "Step 2 of 3"
    assert "L2 0.0250" in result._figures.text()
    assert result._stop.isVisible()


def test_looking_back_stops_following(chosen: InversionPage, runner: FakeRunner) -> None:
    chosen._chooser._invert.click()
    handle = runner.last(InvertRequest)
    handle.deliver_partial(aligned())
    handle.deliver_partial(step(1))
    handle.deliver_partial(step(2))
    chosen._result._strip.setCurrentIndex(chosen._result._model.index(2, 0))
    handle.deliver_partial(step(3))
    assert chosen._result.shown_row == 2


def test_scrubbing_and_modes_show_the_step(done: InversionPage) -> None:
    result = done._result
    result._scrub.setValue(1)
    assert result.shown_row == 2
    compare = result._compare.grab().toImage()
    result._heat_mode.click()
    assert result._compare.grab().toImage() != compare
    result._shared.click()
    result._single_mode.click()
    assert result._chart._current == 1


def test_stop_keeps_the_steps_so_far(chosen: InversionPage, runner: FakeRunner) -> None:
    chosen._chooser._invert.click()
    handle = runner.last(InvertRequest)
    handle.deliver_partial(aligned())
    handle.deliver_partial(step(1))
    chosen._result._stop.click()
    runner.settle_cancelled()
    assert chosen._result._headline.text() == "Stopped"
    assert chosen._result._model.rowCount() == 3
    assert chosen._result.edits._list.isEnabled()  # the engine keeps the steps
    assert chosen._result.session.session_id == "s1"


def test_failure_is_shown_in_place_and_as_notification(
    chosen: InversionPage, runner: FakeRunner, jobs: JobCenter
) -> None:
    told: list[object] = []
    jobs.job_failed.connect(told.append)
    chosen._chooser._invert.click()
    runner.fail(InvertRequest, "Not enough memory.", "Close other programs.")
    assert chosen._result._headline.text() == "The inversion failed"
    assert chosen._result._figures.text() == "Not enough memory. Close other programs."
    assert len(told) == 1


def test_second_inversion_silences_the_first(chosen: InversionPage, runner: FakeRunner) -> None:
    chosen._chooser._invert.click()
    first = runner.last(InvertRequest)
    chosen._chooser._invert.click()
    first.deliver_partial(aligned())
    assert first in runner.cancelled
    assert chosen._result._model.rowCount() == 0


# --- edits ------------------------------------------------------------------------------------------


def test_slider_sends_edits_newest_first(done: InversionPage, runner: FakeRunner) -> None:
    slider = done._result.edits._sliders["pca.1"]._slider
    for value in range(1, 51):
        slider.setValue(value)
    assert len(runner.requests(EditRequest)) == 1
    handle = runner.last(EditRequest)
    handle.deliver_answer(EditResult("s1", handle.request.serial, image(64, 10), 0.04))
    newest = _last_edit(runner)
    assert newest.edit.strengths == (("pca.1", 4.0),)
    assert newest.edit.step == 3
    assert done._result._edited is not None  # the overtaken answer is shown too: a live picture
    runner.last(EditRequest).deliver_answer(EditResult("s1", newest.serial, image(64, 20), 0.04))
    assert "edit rendered in 40 ms" in done._result._figures.text()


def test_negative_side_uses_the_minimum(done: InversionPage, runner: FakeRunner) -> None:
    done._result.edits._sliders["pca.1"]._slider.setValue(-50)
    assert _last_edit(runner).edit.strengths == (("pca.1", -2.0),)


def test_undo_redo_and_reset(qtbot: object, done: InversionPage, runner: FakeRunner) -> None:
    panel = done._result.edits
    panel._sliders["pca.1"]._slider.setValue(100)
    panel._sliders["sefa.1"]._slider.setValue(-100)
    assert panel.edit.strengths == (("pca.1", 8.0), ("sefa.1", -2.0))
    qtbot.keyClick(done, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert panel.edit.strengths == (("pca.1", 8.0),)
    qtbot.keyClick(
        done, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    )
    assert len(panel.edit.strengths) == 2
    panel._reset.click()
    assert panel.edit.strengths == ()
    panel.undo()
    assert len(panel.edit.strengths) == 2


def test_double_click_resets_one_slider_and_late_answers_do_not_come_back(
    qtbot: object, done: InversionPage, runner: FakeRunner
) -> None:
    slider = done._result.edits._sliders["pca.1"]._slider
    slider.setValue(30)
    late = runner.last(EditRequest)
    qtbot.mouseDClick(slider, Qt.MouseButton.LeftButton)
    assert slider.value() == 0
    late.deliver_answer(EditResult("s1", late.request.serial, image(64, 10), 0.04))
    assert done._result._edited is None


def test_edit_follows_the_step_that_is_shown(done: InversionPage, runner: FakeRunner) -> None:
    done._result.edits._sliders["pca.1"]._slider.setValue(30)
    runner.last(EditRequest).deliver_answer(EditResult("s1", _last_edit(runner).serial, image(64), 0.04))
    done._result._scrub.setValue(1)
    assert _last_edit(runner).edit.step == 1


def test_model_without_directions_says_so(chosen: InversionPage, runner: FakeRunner) -> None:
    chosen._chooser._invert.click()
    runner.answer(InvertRequest, _RESULT)
    runner.fail(DirectionsRequest, "The directions are damaged.")
    assert chosen._result.edits._message.text() == "The directions are damaged."


# --- export -----------------------------------------------------------------------------------------


def test_photo_is_saved_with_edit_and_blend(
    done: InversionPage, runner: FakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    suggested: list[Path] = []

    def choose(_parent: object, _title: str, *, suggestion: Path, kinds: str) -> Path:
        suggested.append(suggestion)
        return Path("/out/new.jpg")

    monkeypatch.setattr(file_dialogs, "choose_target", choose)
    messages: list[Message] = []
    done.saved.connect(messages.append)
    done._result.edits._sliders["sefa.1"]._slider.setValue(50)
    done._result.exports._blend.setValue(20)
    done._result.exports._photo.click()
    request = runner.requests(ExportRequest)[0]
    assert (request.kind, request.target, request.blend) == (ExportKind.PHOTO, Path("/out/new.jpg"), 0.2)
    assert request.edit.strengths == (("sefa.1", 1.0),)
    assert suggested == [Path("/photos/me_edited.jpg")]
    runner.answer(ExportRequest, ExportResult(Path("/out/new.jpg"), ("The face is small.",)))
    assert messages[0].text == "Saved new.jpg"
    assert "The face is small." in messages[0].hint


def test_face_latents_and_steps_are_saved_and_no_choice_saves_nothing(
    done: InversionPage, runner: FakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [Path("/out/f.png"), Path("/out/l.npz"), Path("/out/s.gif"), None]
    monkeypatch.setattr(file_dialogs, "choose_target", lambda *_a, **_k: answers.pop(0))
    done._result.exports._face.click()
    done._result.exports._latents.click()
    done._result.exports._steps.click()
    done._result.exports._face.click()
    kinds = [request.kind for request in runner.requests(ExportRequest)]
    assert kinds == [ExportKind.FACE, ExportKind.LATENTS, ExportKind.STEPS]


def test_aligned_picture_has_no_photo_to_paste_into(chosen: InversionPage, runner: FakeRunner) -> None:
    chosen._chooser._invert.click()
    runner.answer(InvertRequest, InversionResult("s2", "m", 3, 0.1, False))
    exports = chosen._result.exports
    assert exports._face.isEnabled()
    assert not exports._photo.isEnabled()
    assert exports._why_not.isVisible()


def test_what_cannot_be_opened_together_is_told(page: InversionPage) -> None:
    told: list[Message] = []
    page.saved.connect(told.append)
    page.take(Offered(folders=(Path("/photos"),)))
    assert "one picture at a time" in told[-1].text and page._stack.currentWidget() is page._empty
    page.take(Offered(files=(Path("/photos/a.jpg"), Path("/photos/b.jpg"))))
    assert len(told) == 2 and page._stack.currentWidget() is page._chooser
    page.take(Offered(files=(Path("/photos/a.jpg"),)))
    assert len(told) == 2
