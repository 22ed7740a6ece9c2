"""The whole program with a real engine thread: add a folder, find similar photos, invert, edit, save."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image as PillowImage
from PySide6.QtCore import Qt

from desktop_app.core.paths import AppPaths
from desktop_app.core.settings import LibrarySettings, Settings
from desktop_app.core.types import FacePoints
from tests.pictures import picture
from tests.tiny_inverter import MODEL, face_settings, write_tiny_directions, write_tiny_model
from tests.ui.real_window import real_window
from ui import file_dialogs
from ui.main_window import MainWindow


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(9):
        PillowImage.fromarray(picture(number, width=120, height=90)).save(folder / f"p{number}.png")
    PillowImage.fromarray(picture(0, width=120, height=90)).save(folder / "again.png")
    (folder / "empty.jpg").touch()
    return folder


@pytest.fixture
def window(qtbot: object, paths: AppPaths) -> Iterator[MainWindow]:
    write_tiny_directions(write_tiny_model(paths.models))
    settings: Settings = replace(face_settings(), library=LibrarySettings(encoder="tiny.test", batch_size=4))
    with real_window(qtbot, paths, settings) as made:
        yield made


@pytest.mark.timeout(120)
def test_walk_from_an_empty_library_to_a_saved_photo(
    qtbot: object, window: MainWindow, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def until(holds: object) -> None:
        qtbot.waitUntil(holds, timeout=60_000)

    library, faces = window._library, window._faces
    until(lambda: library._stack.currentWidget() is library._welcome)
    monkeypatch.setattr(file_dialogs, "choose_folder", lambda _parent: photos)
    library.add_folder()
    until(lambda: library._model.total == 10 and not library._index_runs)
    until(lambda: library._folders._problems.isVisible())
    assert library._folders._problems.text() == "1 left out: see why"

    until(lambda: library._model.photo_at(0) is not None)
    row = next(n for n in range(10) if library._model.photo_at(n).path.name == "again.png")
    library._grid.setCurrentIndex(library._model.index(row, 0))
    library._find.click()
    until(lambda: library._similar._duplicates.rowCount() == 1)
    assert library._similar._duplicates.photo_at(0).path.name == "p0.png"

    library._similar._invert.click()
    chooser = faces._chooser
    until(lambda: chooser._found is not None)
    chooser._by_hand.click()
    chooser._canvas.points_moved.emit(FacePoints((50, 35), (70, 36), (52, 58), (68, 58)))
    until(lambda: len(chooser._canvas._quad) == 4)
    until(lambda: chooser.first.choice is not None and chooser.first.choice.model.name == MODEL)
    chooser.set_steps(3)
    until(chooser._invert.isEnabled)
    chooser._invert.click()
    result = faces._result
    until(lambda: result._session is not None and bool(result.edits._sliders))
    assert result._model.rowCount() == 2 + 3

    qtbot.keyClick(result.edits._sliders["pca.1"]._slider, Qt.Key.Key_PageUp)
    until(lambda: result._edited is not None)
    result._photo_mode.click()
    until(lambda: result._pasted is not None)
    target = tmp_path / "out.png"
    monkeypatch.setattr(file_dialogs, "choose_target", lambda *_a, **_k: target)
    result.exports._photo.click()
    until(lambda: any(message.text == "Saved out.png" for message in window.notifications.messages))
    with PillowImage.open(target) as written:
        assert written.size == (120, 90)
