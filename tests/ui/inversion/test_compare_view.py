from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QPixmap

from ui.inversion.compare_view import CompareView


@pytest.fixture
def view(qtbot: object) -> CompareView:
    made = CompareView()
    qtbot.addWidget(made)
    made.resize(316, 316)
    for put, colour in ((made.set_before, "red"), (made.set_after, "blue")):
        pixmap = QPixmap(50, 50)
        pixmap.fill(QColor(colour))
        put(pixmap, "")
    return made


def _colours(view: CompareView) -> tuple[str, str]:
    picture = view.grab().toImage()
    return picture.pixelColor(QPoint(40, 40)).name(), picture.pixelColor(QPoint(276, 40)).name()


def test_before_is_left_and_after_is_right_of_the_line(view: CompareView) -> None:
    assert _colours(view) == ("#ff0000", "#0000ff")
    view.set_split(1.0)
    assert _colours(view) == ("#ff0000", "#ff0000")
    view.set_is_split(False)
    assert _colours(view) == ("#0000ff", "#0000ff")


def test_line_follows_pointer_and_keys(qtbot: object, view: CompareView) -> None:
    qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=QPoint(8 + 75, 100))
    assert view.split == pytest.approx(0.25)
    qtbot.keyClick(view, Qt.Key.Key_Right)
    assert view.split == pytest.approx(0.30)
    qtbot.keyClick(view, Qt.Key.Key_Home)
    assert view.split == 0.0
    qtbot.keyClick(view, Qt.Key.Key_Left)
    assert view.split == 0.0


def test_missing_pictures_are_harmless(view: CompareView) -> None:
    view.set_after(None, "")
    assert _colours(view) == ("#ff0000", "#ff0000")
    view.set_before(None, "")
    view.grab()
    assert view.picture_rect().isEmpty()
