from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, Qt
from PySide6.QtGui import QGuiApplication, QImage

from desktop_app.core.paths import AppPaths
from desktop_app.core.settings import Settings, load_settings
from desktop_app.core.types import (
    ComputeMapRequest,
    EncoderSwitched,
    EngineReady,
    FaceModelsRequest,
    FindFacesRequest,
    IndexRequest,
    LibraryRequest,
    MarkGroupRequest,
    ModelList,
    ModelsRequest,
    PageRequest,
    Progress,
    SearchRequest,
    WarmUpRequest,
)
from tests.ui.fake_runner import FakeRunner, face_models, faces, models, overview, page
from ui.main_window import MainWindow
from ui.notifications import MessagesDialog

_CTRL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def window(qtbot: object, runner: FakeRunner, paths: AppPaths) -> Iterator[MainWindow]:
    made = MainWindow(runner, Settings(), paths)
    made.first_painted.connect(made.start)
    qtbot.addWidget(made)
    made.show()
    qtbot.waitUntil(lambda: bool(runner.requests(LibraryRequest)))
    yield made
    made.close()


@pytest.fixture
def filled(qtbot: object, window: MainWindow, runner: FakeRunner) -> MainWindow:
    runner.answer(LibraryRequest, overview(10))
    qtbot.waitUntil(lambda: bool(runner.open_handles(PageRequest)))
    runner.answer(PageRequest, page(0, 200, 10))
    qtbot.waitUntil(lambda: bool(runner.requests(ModelsRequest)))
    runner.answer(ModelsRequest, ModelList(models()))
    runner.answer(FaceModelsRequest, face_models())
    return window


def test_engine_is_warmed_up_after_the_library_was_asked_for(
    qtbot: object, window: MainWindow, runner: FakeRunner
) -> None:
    assert runner.requests(WarmUpRequest) == []
    qtbot.waitUntil(lambda: bool(runner.requests(WarmUpRequest)))
    assert window._status._engine.text() == "Engine is loading …"
    runner.answer(WarmUpRequest, EngineReady("cpu", 2, 3.0))
    assert window._status._engine.text() == "Engine ready: CPU, 2 threads"


def test_engine_that_fails_is_told(qtbot: object, window: MainWindow, runner: FakeRunner) -> None:
    qtbot.waitUntil(lambda: bool(runner.requests(WarmUpRequest)))
    runner.fail(WarmUpRequest, "The model is damaged.")
    assert window._status._engine.text() == "Engine is not ready"
    assert window.notifications.messages[-1].text == "The model is damaged."


def test_library_counts_stand_in_the_status_area(filled: MainWindow) -> None:
    assert filled._status._library.text() == "10 photos in the library"


def test_index_failure_of_a_second_window_is_shown(filled: MainWindow, runner: FakeRunner) -> None:
    runner.fail(IndexRequest, "Another window uses this library.", "Close it first.")
    assert filled.notifications.messages[-1].hint == "Close it first."


def test_keys_change_the_page(qtbot: object, filled: MainWindow) -> None:
    for key, number in (
        (Qt.Key.Key_2, 1),
        (Qt.Key.Key_3, 2),
        (Qt.Key.Key_4, 3),
        (Qt.Key.Key_5, 4),
        (Qt.Key.Key_1, 0),
    ):
        qtbot.keyClick(filled, key, _CTRL)
        assert filled._pages.currentIndex() == number
        assert filled._rail_group.checkedId() == number


def test_a_page_shown_without_a_click_leaves_no_frame_on_the_old_entry(filled: MainWindow) -> None:
    old = filled._rail_group.button(0)
    old.setFocus(Qt.FocusReason.TabFocusReason)
    assert filled.focusWidget() is old
    filled.show_page(4)
    assert filled.focusWidget() is filled._tune
    chosen = filled._rail_group.button(2)
    chosen.setFocus(Qt.FocusReason.TabFocusReason)
    chosen.click()
    assert filled.focusWidget() is chosen, "who walks the rail by keyboard stays there"


def test_invert_leads_from_the_library_to_the_faces(filled: MainWindow, runner: FakeRunner) -> None:
    filled._library._grid.setCurrentIndex(filled._library._model.index(2, 0))
    filled._library._invert.click()
    assert filled._pages.currentWidget() is filled._faces
    assert runner.requests(FindFacesRequest)[0].source.photo_id == 3
    runner.answer(FindFacesRequest, faces(1))
    assert filled._faces._chooser._invert.isEnabled()


def test_pasted_picture_goes_to_the_page_that_is_shown(filled: MainWindow, runner: FakeRunner) -> None:
    picture = QImage(8, 8, QImage.Format.Format_RGB32)
    picture.fill(0)
    QGuiApplication.clipboard().setImage(picture)
    filled.show_page(2)
    filled.paste()
    assert filled._pages.currentWidget() is filled._library
    assert runner.requests(SearchRequest)[0].image.shape == (8, 8, 3)
    filled.show_page(1)
    filled.paste()
    assert runner.requests(FindFacesRequest)[0].source.image.shape == (8, 8, 3)


def test_copied_file_is_looked_for(filled: MainWindow, runner: FakeRunner, tmp_path: Path) -> None:
    mime = QMimeData()
    file = tmp_path / "x.jpg"
    file.touch()
    mime.setUrls([file.as_uri()])
    QGuiApplication.clipboard().setMimeData(mime)
    filled.paste()
    assert runner.requests(SearchRequest)[0].path == file


def test_empty_clipboard_says_so(filled: MainWindow) -> None:
    QGuiApplication.clipboard().setText("words")
    filled.paste()
    assert "no picture" in filled.notifications.messages[-1].text


def test_settings_are_saved_and_used_at_once(filled: MainWindow, paths: AppPaths, runner: FakeRunner) -> None:
    filled.open_settings()
    dialog = filled._settings_dialog
    dialog._steps.setValue(7)
    dialog._top_k.setValue(11)
    dialog._device.setCurrentIndex(1)
    dialog.accept()
    saved = load_settings(paths.settings_file)
    assert (saved.inversion.steps, saved.search.top_k, saved.engine.device) == (7, 11, "cpu")
    assert filled._faces._chooser.first.choice.steps == 7
    assert "next start" in filled.notifications.messages[-1].hint
    filled._library._grid.setCurrentIndex(filled._library._model.index(0, 0))
    filled._library._find.click()
    assert runner.requests(SearchRequest)[-1].top_k == 11


def test_settings_that_cannot_be_saved_say_so(filled: MainWindow, paths: AppPaths) -> None:
    paths.config.parent.mkdir(parents=True, exist_ok=True)
    paths.config.write_text("in the way")
    filled.open_settings()
    filled._settings_dialog.accept()
    assert "could not be saved" in filled.notifications.messages[-1].text


def test_messages_can_be_read_again(qtbot: object, filled: MainWindow) -> None:
    filled.notifications.notify("Hello.")
    filled._messages_button.click()
    dialog = filled.findChild(MessagesDialog)
    assert dialog is not None
    dialog.close()


def test_every_control_has_a_name_for_screen_readers(filled: MainWindow) -> None:
    from PySide6.QtWidgets import QAbstractButton, QAbstractItemView, QAbstractSlider, QComboBox, QScrollBar

    nameless = []
    for kind in (QAbstractButton, QAbstractItemView, QAbstractSlider, QComboBox):
        for widget in filled.findChildren(kind):
            is_inner = isinstance(widget, QScrollBar) or widget.objectName().startswith("qt_")
            inner_kinds = ("QComboBoxListView", "QTableCornerButton", "QHeaderView")
            if is_inner or widget.metaObject().className() in inner_kinds:
                continue
            name = widget.accessibleName() or (widget.text() if isinstance(widget, QAbstractButton) else "")
            if not name:
                nameless.append(f"{widget.metaObject().className()} {widget.objectName()}")
    assert not nameless, nameless


def test_window_is_small_enough_for_a_small_screen(
    qtbot: object, window: MainWindow, runner: FakeRunner
) -> None:
    """With large counts, jobs running, on every page and with one large photo."""
    runner.answer(LibraryRequest, overview(123_456, problems=3))
    qtbot.waitUntil(lambda: bool(runner.open_handles(PageRequest)))
    runner.answer(PageRequest, page(0, 200, 123_456))
    qtbot.waitUntil(lambda: bool(runner.requests(ModelsRequest)))
    runner.answer(ModelsRequest, ModelList(models()))
    runner.answer(FaceModelsRequest, face_models())
    window._library.index((Path("/photos/more"),))
    window._map.compute()
    running = [handle for kind in (IndexRequest, ComputeMapRequest) for handle in runner.open_handles(kind)]
    assert len(running) == 3
    for handle in running:
        handle.deliver_partial(Progress(123_456, 123_457, 7_500.0, "a file with a name " * 9))
    for number in range(7):
        window.show_page(number)
        _fits_a_small_screen(window)
        if number == 0:
            assert window._library._count.text() == "123,456"
    window.resize(1320, 860)
    window.show_page(0)
    QGuiApplication.processEvents()
    assert window._library._count.text() == "123,456 photos"
    window._library._show_preview(window._library._model, 0)
    window._library._preview._person.show()
    _fits_a_small_screen(window)


def _fits_a_small_screen(window: MainWindow) -> None:
    QGuiApplication.processEvents()
    window.resize(1024, 700)
    QGuiApplication.processEvents()
    size = window.size()
    assert (size.width(), size.height()) == (1024, 700), window.minimumSizeHint()


def test_several_photos_are_chosen_and_marked(qtbot: object, filled: MainWindow, runner: FakeRunner) -> None:
    grid, model = filled._library._grid, filled._library._model
    for row, modifier in ((1, Qt.KeyboardModifier.NoModifier), (4, Qt.KeyboardModifier.ShiftModifier)):
        place = grid.visualRect(model.index(row, 0)).center()
        qtbot.mouseClick(grid.viewport(), Qt.MouseButton.LeftButton, modifier, place)
    place = grid.visualRect(model.index(6, 0)).center()
    qtbot.mouseClick(grid.viewport(), Qt.MouseButton.LeftButton, _CTRL, place)
    chosen = [photo.photo_id for photo in grid.selected_photos()]
    assert sorted(chosen) == [2, 3, 4, 5, 7]
    menu = grid._actions.menu(model.photo_at(1), grid, chosen=grid.selected_photos())
    action = next(a for a in menu.actions() if a.text().startswith("These 5 belong together"))
    action.trigger()
    assert sorted(runner.last(MarkGroupRequest).request.photo_ids) == [2, 3, 4, 5, 7]
    menu.deleteLater()
    single = grid._actions.menu(model.photo_at(1), grid)
    assert not next(a for a in single.actions() if "belong together" in a.text()).isEnabled()
    single.deleteLater()


def test_switched_encoder_is_remembered_and_photos_are_looked_for(
    filled: MainWindow, runner: FakeRunner, paths: AppPaths
) -> None:
    runner.settle_cancelled()
    for handle in runner.open_handles(IndexRequest):
        handle.deliver_cancelled()
    before = len(runner.requests(IndexRequest))
    filled._tune.encoder_switched.emit(EncoderSwitched("tuned.1", "contrastive_photo.builtin", 10, 10))
    assert load_settings(paths.settings_file).library.encoder == "tuned.1"
    assert len(runner.requests(IndexRequest)) == before + 1
    assert "goes back with one click" in filled.notifications.messages[-1].hint
    filled._models_page.models_known.emit(models())
    filled._tune.encoder_switched.emit(EncoderSwitched("contrastive_photo.builtin", "tuned.1", 10, 10))
    told = filled.notifications.messages[-1]
    assert models()[0].title in told.text and "goes back" not in told.hint
