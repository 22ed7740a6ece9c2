"""The faces page: methods, going on, tuning, toonify, two runs side by side, mixes, what does not fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtWidgets import QWidget

from desktop_app.core.settings import InversionSettings
from desktop_app.core.types import (
    ContinueRequest,
    DirectionInfo,
    DirectionList,
    DirectionsRequest,
    Edit,
    EditRequest,
    EditResult,
    ExportRequest,
    FaceModelList,
    FaceModelsRequest,
    FindFacesRequest,
    InversionResult,
    InvertRequest,
    Measure,
    MeasureRequest,
    Measures,
    Mix,
    PasteMode,
    PastePreviewRequest,
    PhotoSource,
    Progress,
)
from tests.ui.fake_runner import FakeRunner, aligned, face_models, faces, image, models, step
from ui import file_dialogs
from ui.catalogue.similar_view import Query
from ui.inversion.chart_frame import axis_values
from ui.inversion.inversion_page import InversionPage
from ui.inversion.method_chooser import time_text
from ui.inversion.open_faces import KEPT
from ui.inversion.pair_view import better_of
from ui.job_center import JobCenter

_QUERY = Query(PhotoSource(path=Path("/photos/me.jpg")), "me.jpg")
_MODEL = "restyle_psp.builtin"
_DIRECTIONS = DirectionList(_MODEL, (DirectionInfo("pca.1", "Light", "pca", -4.0, 8.0),))


def result(session_id: str = "s1", steps: int = 3, **facts: object) -> InversionResult:
    return replace(InversionResult(session_id, _MODEL, steps, 0.4, True, method="restyle"), **facts)


@pytest.fixture
def page(qtbot: object, jobs: JobCenter, runner: FakeRunner) -> InversionPage:
    made = InversionPage(jobs, InversionSettings(steps=3))
    qtbot.addWidget(made)
    made.set_models(models())
    runner.answer(FaceModelsRequest, face_models(has_toon=True, has_cars=True))
    made.resize(1240, 800)
    made.show()
    made.open(_QUERY)
    runner.answer(FindFacesRequest, faces(1))
    return made


@pytest.fixture
def done(page: InversionPage, runner: FakeRunner) -> InversionPage:
    page._chooser._invert.click()
    handle = runner.last(InvertRequest)
    handle.deliver_partial(aligned())
    for index in (1, 2, 3):
        handle.deliver_partial(step(index))
    handle.deliver_answer(result())
    runner.answer(DirectionsRequest, _DIRECTIONS)
    return page


def invert(page: InversionPage, runner: FakeRunner) -> InvertRequest:
    page._chooser._invert.click()
    return runner.requests(InvertRequest)[-1]


# --- choosing -----------------------------------------------------------------------------------------


def test_method_says_what_it_is_and_shows_the_numbers_it_uses(
    page: InversionPage, runner: FakeRunner
) -> None:
    first = page._chooser.first
    assert first._method_words.text() == "The encoder looks again and again."
    assert first._steps_box.isVisible() and not first._iterations_box.isVisible()
    assert "about 300 ms" in page._chooser._time.text()
    first.choose(method="karras_w")
    assert not first._steps_box.isVisible() and first._iterations_box.isVisible()
    assert first._iterations.value() == 1000
    assert "50 s, by estimate" in page._chooser._time.text()
    first._iterations.setValue(40)
    request = invert(page, runner)
    assert (request.method, request.iterations, request.model) == ("karras_w", 40, _MODEL)


def test_chosen_model_and_method_stay_when_models_come_anew(page: InversionPage, runner: FakeRunner) -> None:
    page._chooser.first.choose(model="restyle_psp.toon", method="hybrid")
    page.set_models(models())
    runner.answer(FaceModelsRequest, face_models(has_toon=True))
    choice = page._chooser.first.choice
    assert (choice.model.name, choice.method.name) == ("restyle_psp.toon", "hybrid")


def test_without_a_model_nothing_can_be_inverted(page: InversionPage, runner: FakeRunner) -> None:
    page.set_models(())
    runner.answer(FaceModelsRequest, FaceModelList(()))
    assert not page._chooser._invert.isEnabled()
    assert "no model" in page._chooser._time.text()


def test_tuning_is_asked_for_with_the_run(page: InversionPage, runner: FakeRunner) -> None:
    page._chooser._refine.setChecked(True)
    assert "5 s" in page._chooser._time.text()
    assert invert(page, runner).refine == 100


def test_a_model_of_something_else_says_so_and_takes_the_whole_picture(
    page: InversionPage, runner: FakeRunner
) -> None:
    chooser = page._chooser
    assert not chooser._notice.isVisible()
    chooser.first.choose(model="restyle_psp.cars")
    assert "shows a face" in chooser._notice.text() and "Cars" in chooser._notice.text()
    assert chooser._notice.isVisible()
    assert not chooser._by_hand.isVisible() and not chooser._aligned.isVisible()
    page.open(_QUERY)
    runner.answer(FindFacesRequest, faces(0))
    assert not chooser._notice.isVisible()
    assert invert(page, runner).model == "restyle_psp.cars"  # no face is needed


# --- toonify ------------------------------------------------------------------------------------------


def test_toonify_is_there_only_with_a_fitting_pair(page: InversionPage, runner: FakeRunner) -> None:
    chooser = page._chooser
    assert chooser._toonify.isVisible()
    page.set_models(models())
    runner.answer(FaceModelsRequest, face_models())
    assert not chooser._toonify.isVisible()


def test_toonify_runs_both_models_and_shows_both(page: InversionPage, runner: FakeRunner) -> None:
    page._chooser._toonify.click()
    request = runner.requests(InvertRequest)[-1]
    assert (request.method, request.first_model, request.model) == ("bootstrap", _MODEL, "restyle_psp.toon")
    handle = runner.last(InvertRequest)
    handle.deliver_partial(aligned())
    for index, phase in enumerate(("face", "toon", "toon"), start=1):
        handle.deliver_partial(step(index, phase=phase))
    handle.deliver_answer(result(model="restyle_psp.toon", method="bootstrap"))
    model = page._result._model
    assert [model.index(row, 0).data() for row in range(5)] == [
        "Input",
        "Average",
        "Face 1",
        "Toon 2",
        "Toon 3",
    ]
    assert page._result._headline.text() == "Step 3 of 3  ·  Toon"
    assert runner.requests(DirectionsRequest)[-1].model == "restyle_psp.toon"
    page._result.grab()


def test_a_drawn_face_replaces_the_photos_own_unless_the_user_says_otherwise(
    done: InversionPage, runner: FakeRunner
) -> None:
    exports, view = done._result.exports, done._result
    assert exports.paste_mode is PasteMode.CHANGE

    def finish(session_id: str, usual: PasteMode) -> None:
        view.begin(3)
        view.show_face(aligned(session_id))
        view.show_step(step(1))
        view.finish(result(session_id, usual_paste=usual), None)

    finish("s2", PasteMode.REPLACE)
    assert exports.paste_mode is PasteMode.REPLACE
    view._photo_mode.click()
    assert runner.requests(PastePreviewRequest)[-1].paste is PasteMode.REPLACE
    exports._mode.setCurrentIndex(exports._mode.findData(PasteMode.CHANGE))
    finish("s3", PasteMode.REPLACE)
    assert exports.paste_mode is PasteMode.CHANGE  # the user's choice for drawn faces
    finish("s4", PasteMode.CHANGE)
    finish("s5", PasteMode.REPLACE)
    assert exports.paste_mode is PasteMode.REPLACE


def test_sliders_of_another_model_are_gone_until_its_own_are_there(
    done: InversionPage, runner: FakeRunner
) -> None:
    edits = done._result.edits
    assert edits._list.isVisible()
    done._chooser._toonify.click()
    handle = runner.last(InvertRequest)
    handle.deliver_partial(aligned("s2"))
    handle.deliver_partial(step(1))
    handle.deliver_answer(result("s2", steps=1, model="restyle_psp.toon"))
    assert not edits._list.isVisible()
    assert edits._message.isVisible()
    late = runner.last(DirectionsRequest)
    runner.last(DirectionsRequest).deliver_answer(DirectionList("restyle_psp.toon", _DIRECTIONS.directions))
    assert late.is_done
    assert edits._list.isVisible() and not edits._message.isVisible()


def test_the_method_of_two_models_names_the_one_that_starts(page: InversionPage, runner: FakeRunner) -> None:
    page._chooser.first.choose(model="restyle_psp.toon", method="bootstrap")
    request = invert(page, runner)
    assert (request.first_model, request.model, request.steps) == (_MODEL, "restyle_psp.toon", 3)


# --- going on, tuning, stopping -----------------------------------------------------------------------


def _trigger(menu_owner: object, text: str) -> None:
    next(action for action in menu_owner.menu().actions() if text in action.text()).trigger()


def test_more_steps_go_on_in_the_same_strip(done: InversionPage, runner: FakeRunner) -> None:
    shown = done._result
    assert shown._continue.isVisible()
    _trigger(shown._continue._more, "3 more steps")
    assert runner.requests(ContinueRequest) == [ContinueRequest("s1", step=3, steps=3)]
    assert shown._stop.isVisible() and not shown._continue.isVisible()
    handle = runner.last(ContinueRequest)
    for index in (4, 5, 6):
        handle.deliver_partial(step(index))
    handle.deliver_answer(result(steps=6))
    assert len(shown.steps) == 6
    assert shown._headline.text() == "Step 6 of 6"
    assert len(runner.requests(DirectionsRequest)) == 1  # the sliders stay


def test_tuning_and_then_steps_which_end_it(done: InversionPage, runner: FakeRunner) -> None:
    shown = done._result
    _trigger(shown._continue._tune, "50 iterations")
    handle = runner.last(ContinueRequest)
    assert handle.request == ContinueRequest("s1", step=3, refine=50)
    handle.deliver_partial(Progress(5, 50))
    assert shown._progress.value() == 5
    for index in (4, 5):
        handle.deliver_partial(step(index, phase="tuning", note="The generator was tuned."))
    handle.deliver_answer(result(steps=5, tuned_from=4))
    assert shown._note.text() == "The generator was tuned."
    _trigger(shown._continue._tune, "50 iterations")
    assert runner.last(ContinueRequest).request.step == 5
    runner.last(ContinueRequest).deliver_answer(result(steps=5, tuned_from=4))
    _trigger(shown._continue._more, "1 more step")
    assert runner.last(ContinueRequest).request == ContinueRequest("s1", step=3, steps=1)
    assert len(shown.steps) == 3


def test_edits_stay_set_while_it_goes_on(done: InversionPage, runner: FakeRunner) -> None:
    done._result.edits._sliders["pca.1"]._slider.setValue(50)
    edit = runner.last(EditRequest)
    edit.deliver_answer(EditResult("s1", edit.request.serial, image(64), 0.01))
    _trigger(done._result._continue._more, "1 more step")
    runner.last(ContinueRequest).deliver_partial(step(4))
    runner.last(ContinueRequest).deliver_answer(result(steps=4))
    assert done._result.edits.edit == Edit((("pca.1", 4.0),), 4)
    assert runner.requests(EditRequest)[-1].edit.step == 4


def test_a_stopped_run_is_edited_and_taken_up_again(page: InversionPage, runner: FakeRunner) -> None:
    page._chooser.first.choose(method="karras_w")
    page._chooser._invert.click()
    handle = runner.last(InvertRequest)
    handle.deliver_partial(aligned())
    handle.deliver_partial(step(1))
    page._result._stop.click()
    runner.settle_cancelled()
    session = page._result.session
    assert (session.session_id, session.steps, session.method) == ("s1", 1, "karras_w")
    assert page._result._headline.text() == "Stopped"
    assert "go on" in page._result._figures.text()
    _trigger(page._result._continue._more, "500 more iterations")
    assert runner.last(ContinueRequest).request == ContinueRequest("s1", step=1, iterations=500)


def test_a_stopped_run_is_finished(page: InversionPage, runner: FakeRunner) -> None:
    page._chooser.first.choose(method="karras_w")
    page._chooser._invert.click()
    handle = runner.last(InvertRequest)
    handle.deliver_partial(aligned())
    handle.deliver_partial(step(1))
    page._result._stop.click()
    runner.settle_cancelled()
    _trigger(page._result._continue._more, "Finish the run")
    handle = runner.last(ContinueRequest)
    assert handle.request == ContinueRequest("s1", step=1, finishes=True)
    handle.deliver_partial(step(2))
    assert page._result._headline.text() == "Step 2 of 20"
    handle.deliver_answer(result(steps=2, method="karras_w"))
    assert not any("Finish" in action.text() for action in page._result._continue._more.menu().actions())


def test_stopped_before_the_first_step_there_is_nothing_to_edit(
    page: InversionPage, runner: FakeRunner
) -> None:
    page._chooser._invert.click()
    runner.last(InvertRequest).deliver_partial(aligned())
    page._result._stop.click()
    runner.settle_cancelled()
    assert page._result.session is None
    assert not page._result._continue.isEnabled()


def test_a_failure_on_the_way_keeps_the_steps_and_the_next_run_works(
    page: InversionPage, runner: FakeRunner
) -> None:
    page._chooser._invert.click()
    handle = runner.last(InvertRequest)
    handle.deliver_partial(aligned())
    handle.deliver_partial(step(1))
    runner.fail(InvertRequest, "Not enough memory to invert the face.", "Close other programs.")
    shown = page._result
    assert shown._headline.text() == "The inversion failed"
    assert "Close other programs." in shown._figures.text()
    assert shown.session.steps == 1
    page._chooser._invert.click()
    handle = runner.last(InvertRequest)
    handle.deliver_partial(aligned("s2"))
    handle.deliver_partial(step(1))
    handle.deliver_answer(result("s2", steps=1))
    assert shown.session.session_id == "s2"


def test_a_failure_while_going_on_keeps_the_inversion(done: InversionPage, runner: FakeRunner) -> None:
    _trigger(done._result._continue._tune, "50 iterations")
    runner.fail(ContinueRequest, "Not enough memory to tune the model.")
    assert done._result.session.session_id == "s1"
    assert len(done._result.steps) == 3
    assert done._result.edits._list.isEnabled()


@pytest.mark.parametrize(
    "message",
    [
        "The photo is too small: 12 x 12 pixels, at least 16 a side are needed.",
        "No face was found in this photo.",
        "The weights of the generator of 'x' hold values that are no numbers: ['conv1.weight'].",
    ],
)
def test_what_cannot_be_inverted_is_said_in_place(
    page: InversionPage, runner: FakeRunner, message: str
) -> None:
    page._chooser._invert.click()
    runner.fail(InvertRequest, message, "Do this.")
    assert page._result._figures.text() == f"{message} Do this."
    assert page._result.session is None
    page._chooser._invert.click()
    assert page._result._headline.text() == "Inverting …"


def test_what_the_user_should_know_stays_in_view(page: InversionPage, runner: FakeRunner) -> None:
    page._chooser._invert.click()
    handle = runner.last(InvertRequest)
    handle.deliver_partial(aligned(notices=("The face reaches out of the photo.",)))
    handle.deliver_partial(step(1))
    assert page._result._notice.text() == "The face reaches out of the photo."
    assert page._result._notice.isVisible()


# --- side by side -------------------------------------------------------------------------------------


@pytest.fixture
def pair(page: InversionPage, runner: FakeRunner) -> InversionPage:
    page._chooser._compare.setChecked(True)
    page._chooser._invert.click()
    return page


def _deliver(handle: object, session_id: str, count: int) -> None:
    handle.deliver_partial(aligned(session_id))
    for index in range(1, count + 1):
        handle.deliver_partial(step(index))


def test_two_methods_run_and_each_fills_its_own_column(pair: InversionPage, runner: FakeRunner) -> None:
    first, second = (handle for handle in runner.handles if isinstance(handle.request, InvertRequest))
    assert [one.request.method for one in (first, second)] == ["restyle", "hybrid"]
    assert pair._stack.currentWidget() is pair._pair
    _deliver(first, "a", 3)
    second.deliver_partial(Progress(3, 200, text="Searching the code"))
    _deliver(second, "b", 5)
    view = pair._pair
    assert [len(run.steps) for run in view.runs] == [3, 5]
    assert view._chart.places(1) == [1, 2, 3, 4, 5]
    view._by_time.click()
    assert view._chart.places(0) == pytest.approx([0.012, 0.024, 0.036])
    before = view._chart.grab().toImage()
    _deliver(second, "b", 9)
    assert view._chart.grab().toImage() != before


def test_figures_mark_the_better_one_and_one_is_chosen(pair: InversionPage, runner: FakeRunner) -> None:
    handles = [handle for handle in runner.handles if isinstance(handle.request, InvertRequest)]
    for handle, name in zip(handles, "ab", strict=True):
        _deliver(handle, name, 3)
        handle.deliver_answer(result(name))
    asked = [handle for handle in runner.handles if isinstance(handle.request, MeasureRequest)]
    assert [handle.request.session_id for handle in asked] == ["a", "b"]
    for handle, value in zip(asked, (0.8, 0.9), strict=True):
        measures = (
            Measure("ms_ssim", value, True),
            Measure("identity", value, True, "an encoder (not trained on identities)"),
            Measure("seconds", value, False),
        )
        handle.deliver_answer(Measures(handle.request.session_id, measures))
    view = pair._pair

    def cell(line: int, place: int) -> QWidget:
        return view._table.itemAtPosition(line, place).widget()

    assert [cell(1, place).text() for place in range(3)] == ["MS-SSIM  ↑", "0.8000", "0.9000"]
    assert [cell(1, place).property("role") for place in (1, 2)] == [None, "best"]
    assert [cell(3, place).property("role") for place in (1, 2)] == ["best", None]
    assert "not trained on identities" in view._table_note.text()
    view.runs[1]._choose.click()
    assert pair._stack.currentWidget() is pair._result
    assert pair._result.session.session_id == "b"
    assert len(pair._result.steps) == 3
    assert [face.session_id for face in pair._faces.faces] == ["a", "b"]
    pair._pair_tab.click()
    assert pair._stack.currentWidget() is view


def test_one_of_two_may_fail_and_both_can_be_stopped(pair: InversionPage, runner: FakeRunner) -> None:
    first, second = (handle for handle in runner.handles if isinstance(handle.request, InvertRequest))
    runner.fail(InvertRequest, "Not enough memory.")
    run, other = pair._pair.runs
    assert run._state.text() == "Not enough memory."
    assert not run._choose.isEnabled()
    _deliver(second, "b", 1)
    assert pair._pair._stop.isVisible()
    pair._pair._stop.click()
    assert second in runner.cancelled and first not in runner.cancelled
    runner.settle_cancelled()
    assert other._state.text() == "Stopped"
    assert not pair._pair._stop.isVisible()


def test_another_picture_ends_both_runs(pair: InversionPage, runner: FakeRunner) -> None:
    handles = [handle for handle in runner.handles if isinstance(handle.request, InvertRequest)]
    pair.open(_QUERY)
    assert all(handle in runner.cancelled for handle in handles)
    assert not pair._pair_tab.isVisible()


def test_better_of_two_figures() -> None:
    assert better_of([Measure("l2", 0.1, False), Measure("l2", 0.2, False)]) == 0
    assert better_of([Measure("ms_ssim", 0.1, True), Measure("ms_ssim", 0.2, True)]) == 1
    assert better_of([Measure("l2", 0.1, False), Measure("l2", 0.1, False)]) == -1
    assert better_of([Measure("l2", 0.1, False), None]) == -1


def test_axes_and_times_are_round() -> None:
    assert axis_values(25.0, whole=True) == [0, 6, 12, 18, 24]
    assert axis_values(2.0, whole=True) == [0, 1, 2]
    assert axis_values(0.02, whole=False)[1] == pytest.approx(0.004)
    assert time_text(0.123, is_measured=True) == "about 100 ms"
    assert time_text(51.2, is_measured=True) == "about 51 s"
    assert time_text(200.0, is_measured=False) == "about 3 min, by estimate"


# --- mixes --------------------------------------------------------------------------------------------


def test_another_photo_is_inverted_mixed_in_and_taken_out_again(
    done: InversionPage, runner: FakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_dialogs, "choose_picture", lambda _parent: Path("/photos/you.jpg"))
    panel = done._result.edits
    assert not panel.mix._details.isVisible()
    panel.mix._photo.click()
    handle = runner.last(InvertRequest)
    assert (handle.request.source.path, handle.request.model) == (Path("/photos/you.jpg"), _MODEL)
    _deliver(handle, "s2", 2)
    assert len(done._result.steps) == 3  # its steps are not those of the face that is shown
    handle.deliver_answer(result("s2", steps=2))
    assert panel.mix._face.currentText() == "you.jpg"
    assert panel.edit.mix == Mix("s2", ("coarse",), 1.0)
    assert runner.requests(EditRequest)[-1].edit.mix == Mix("s2", ("coarse",), 1.0)
    panel.mix._groups["fine"].click()
    panel.mix._strength.setValue(40)
    assert panel.edit.mix == Mix("s2", ("coarse", "fine"), 0.4)
    panel.undo()
    assert panel.edit.mix == Mix("s2", ("coarse", "fine"), 1.0)
    panel.undo()
    assert panel.edit.mix == Mix("s2", ("coarse",), 1.0)
    panel.undo()
    assert panel.edit.mix is None
    panel.redo()
    assert panel.edit.mix == Mix("s2", ("coarse",), 1.0)
    panel._reset.click()
    assert panel.edit == Edit((), 3)
    panel.undo()
    assert panel.edit.mix is not None
    monkeypatch.setattr(file_dialogs, "choose_target", lambda *_a, **_k: Path("/out/f.png"))
    done._result.exports._face.click()
    assert runner.requests(ExportRequest)[-1].edit.mix == Mix("s2", ("coarse",), 1.0)


def test_only_open_faces_of_the_same_size_can_be_mixed(done: InversionPage, runner: FakeRunner) -> None:
    mix = done._result.edits.mix
    small = done._faces.faces[0]
    done._faces.add(replace(small, session_id="other", rows=18))
    done._faces.add(replace(small, session_id="fits", title="fits"))
    listed = [mix._face.itemData(place) for place in range(mix._face.count())]
    assert listed == ["", "fits"]
    for number in range(KEPT + 3):
        done._faces.add(replace(small, session_id=f"n{number}"))
    assert len(done._faces.faces) == KEPT
    done._faces.forget("n5")
    assert len(done._faces.faces) == KEPT - 1


def test_no_photo_chosen_asks_nothing(
    done: InversionPage, runner: FakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_dialogs, "choose_picture", lambda _parent: None)
    count = len(runner.requests(InvertRequest))
    done._result.edits.mix._photo.click()
    assert len(runner.requests(InvertRequest)) == count
