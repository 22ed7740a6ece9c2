"""The whole way with a real engine thread: mark photos in the grid, tune, keep, switch, search, go back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image as PillowImage
from PySide6.QtCore import QItemSelectionModel

from desktop_app.core.paths import AppPaths
from desktop_app.core.settings import LibrarySettings, Settings, load_settings
from tests.pictures import picture
from tests.ui.real_window import real_window
from ui.main_window import MainWindow

PHOTOS = 16


@pytest.fixture
def window(qtbot: object, paths: AppPaths) -> Iterator[MainWindow]:
    settings = Settings(library=LibrarySettings(encoder="tiny.test", batch_size=4))
    with real_window(qtbot, paths, settings) as made:
        yield made


def _select(window: MainWindow, rows: tuple[int, ...]) -> None:
    grid = window._library._grid
    grid.setCurrentIndex(window._library._model.index(rows[0], 0))
    for row in rows[1:]:
        index = window._library._model.index(row, 0)
        grid.selectionModel().select(index, QItemSelectionModel.SelectionFlag.Select)


@pytest.mark.timeout(180)
def test_from_marked_photos_to_a_tuned_search_and_back(
    qtbot: object, window: MainWindow, paths: AppPaths, tmp_path: Path
) -> None:
    def until(holds: object) -> None:
        qtbot.waitUntil(holds, timeout=60_000)

    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(PHOTOS):
        PillowImage.fromarray(picture(number, width=60, height=45)).save(folder / f"p{number:02d}.png")
    library, learn = window._library, window._tune
    until(lambda: library._stack.currentWidget() is library._welcome)
    library.index((folder,))
    until(lambda: library._model.total == PHOTOS and not library._index_runs)
    until(lambda: library._model.photo_at(PHOTOS - 1) is not None)
    for rows in ((0, 1, 2), (6, 8)):
        _select(window, rows)
        assert len(library._grid.selected_photos()) == len(rows)
        library._group()
    until(lambda: sum("belong together" in m.text for m in window.notifications.messages) == 2)

    window.show_page(4)
    until(lambda: learn._groups._text.text() == "2 groups, 5 photos")
    until(learn._start.isEnabled)
    learn._start.click()
    until(lambda: learn._results.isVisible() and learn._keep.isEnabled())
    assert len(learn._loss.values) == 120
    assert len(learn._probes.strips) == 4
    learn.keep("My garden")
    until(lambda: "contrastive_tuned.1" in learn._encoders.buttons)
    learn._encoders.buttons["contrastive_tuned.1"].click()
    until(lambda: "tiny.test" in learn._encoders.buttons)
    assert load_settings(paths.settings_file).library.encoder == "contrastive_tuned.1"

    window.show_page(0)
    until(lambda: not library._index_runs)
    library._grid.setCurrentIndex(library._model.index(3, 0))
    library._find.click()
    until(lambda: "15 photos" in library._similar._facts.text())

    window.show_page(4)
    until(lambda: "tiny.test" in learn._encoders.buttons)
    back = learn._encoders.buttons["tiny.test"]
    assert back.text().strip() == "Go back"
    back.click()
    until(lambda: load_settings(paths.settings_file).library.encoder == "tiny.test")
    until(lambda: not library._index_runs)
