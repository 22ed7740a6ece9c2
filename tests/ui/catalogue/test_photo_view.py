from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtWidgets import QMenu

from desktop_app.core.types import HitKind, PhotoHit
from tests.ui.fake_runner import hit, photo
from ui import file_dialogs
from ui.catalogue.hit_list_model import HitListModel
from ui.catalogue.photo_actions import PhotoActions
from ui.catalogue.photo_view import PhotoView
from ui.catalogue.thumbnail_cache import ThumbnailCache


@pytest.fixture
def view(qtbot: object, thumbnails: ThumbnailCache) -> PhotoView:
    actions = PhotoActions()
    made = PhotoView(actions)
    made.test_actions = actions  # kept alive with the view
    made.setModel(HitListModel(thumbnails, made))
    qtbot.addWidget(made)
    made.resize(600, 400)
    made.show()
    return made


def test_tiles_are_painted_in_every_state(
    qtbot: object, view: PhotoView, thumbnail_files: list[Path], thumbnails: ThumbnailCache, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"")
    rows = [photo(1, thumbnail_files[0]), photo(2, bad), photo(3), photo(4, thumbnail_files[3])]
    kinds = [HitKind.SIMILAR, HitKind.NEAR_DUPLICATE, HitKind.SAME_FILE, HitKind.SIMILAR]
    hits = tuple(PhotoHit(row, 0.9, n, kind) for n, (row, kind) in enumerate(zip(rows, kinds, strict=True)))
    view.model().set_hits(hits)
    view.grab()
    qtbot.waitUntil(lambda: thumbnails.has_failed(bad) and thumbnails.pixmap(thumbnail_files[3]) is not None)
    view.setCurrentIndex(view.model().index(0, 0))
    view.setFocus()
    filled = view.grab().toImage()
    view.set_fills(False)
    view.set_shows_names(True)
    assert view.grab().toImage() != filled


def test_renewed_thumbnail_is_painted_without_being_asked(
    qtbot: object, view: PhotoView, thumbnail_files: list[Path], thumbnails: ThumbnailCache
) -> None:
    view.model().set_hits(
        tuple(PhotoHit(photo(n, f), 0.9, n, HitKind.SIMILAR) for n, f in enumerate(thumbnail_files))
    )
    view.grab()
    qtbot.waitUntil(lambda: all(thumbnails.pixmap(file) is not None for file in thumbnail_files))
    before = view.grab().toImage()
    red = QImage(32, 24, QImage.Format.Format_RGB888)
    red.fill(0xFF0000)
    assert red.save(str(thumbnail_files[0]))
    thumbnails.renew([thumbnail_files[0]])
    centre = view.visualRect(view.model().index(0, 0)).center()
    qtbot.waitUntil(lambda: view.grab().toImage().pixelColor(centre).red() > 200)
    assert before.pixelColor(centre).red() < 50


def test_choosing_a_tile_tells_the_photo(view: PhotoView) -> None:
    view.model().set_hits((hit(7, 0.9, 1), hit(8, 0.8, 2)))
    seen: list[int] = []
    view.photo_changed.connect(lambda row: seen.append(row.photo_id))
    view.setCurrentIndex(view.model().index(1, 0))
    assert seen == [8]
    assert view.current_photo().photo_id == 8


def _act(menu: QMenu, text: str) -> None:
    next(action for action in menu.actions() if action.text().startswith(text)).trigger()


def test_menu_offers_what_can_be_done(view: PhotoView, monkeypatch: pytest.MonkeyPatch) -> None:
    actions = view.test_actions
    seen: list[object] = []
    opened: list[Path] = []
    monkeypatch.setattr(file_dialogs, "show_in_file_manager", lambda path: opened.append(path) or True)
    actions.similar_wanted.connect(lambda row: seen.append(("similar", row.photo_id)))
    actions.invert_wanted.connect(lambda row: seen.append(("invert", row.photo_id)))
    menu = actions.menu(photo(5), view)
    for text in ("Find similar", "Invert", "Show in folder", "Copy path"):
        _act(menu, text)
    assert seen == [("similar", 5), ("invert", 5)]
    assert opened == [photo(5).path]
    assert QGuiApplication.clipboard().text() == str(photo(5).path)
