from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QImage
from PySide6.QtWidgets import QLabel

from ui.widgets.drop_area import DropArea, Offered, offered_by


def _mime(*paths: Path) -> QMimeData:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return mime


def test_files_and_folders_are_told_apart(tmp_path: Path) -> None:
    file = tmp_path / "a b.jpg"
    file.touch()
    offered = offered_by(_mime(tmp_path, file))
    assert offered == Offered((tmp_path,), (file,))


def test_picture_without_a_file_is_taken() -> None:
    mime = QMimeData()
    picture = QImage(3, 2, QImage.Format.Format_RGB32)
    picture.fill(0)
    mime.setImageData(picture)
    offered = offered_by(mime)
    assert offered.picture is not None
    assert offered.picture.width() == 3


def test_text_and_web_addresses_are_nothing() -> None:
    mime = QMimeData()
    mime.setText("hello")
    mime.setUrls([QUrl("https://example.org/x.jpg")])
    assert not offered_by(mime)
    assert not offered_by(None)


def test_drop_is_passed_on_and_the_mark_goes_away(qtbot: object, tmp_path: Path) -> None:
    area = DropArea()
    qtbot.addWidget(area)
    seen: list[Offered] = []
    area.offered.connect(seen.append)
    mime = _mime(tmp_path)
    keys = (Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    area.dragEnterEvent(QDragEnterEvent(QPoint(1, 1), Qt.DropAction.CopyAction, mime, *keys))
    assert area.property("dropping") is True
    assert area.findChild(QLabel, "dropSign").isVisibleTo(area)
    area.dropEvent(QDropEvent(QPointF(1, 1), Qt.DropAction.CopyAction, mime, *keys))
    assert area.property("dropping") is False
    assert not area.findChild(QLabel, "dropSign").isVisibleTo(area)
    assert seen == [Offered((tmp_path,))]
