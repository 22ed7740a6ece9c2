from __future__ import annotations

import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QImage

from ui.widgets.image_canvas import ImageCanvas


@pytest.fixture
def canvas(qtbot: object) -> ImageCanvas:
    made = ImageCanvas()
    qtbot.addWidget(made)
    made.resize(424, 324)
    picture = QImage(200, 100, QImage.Format.Format_RGB888)
    picture.fill(0)
    made.set_image(picture, scale=0.5)  # of a photo of 400 x 200
    made.show()
    return made


def test_picture_is_fitted_and_centred(canvas: ImageCanvas) -> None:
    rect = canvas.image_rect()
    assert rect.width() == 400
    assert rect.center() == QPointF(212, 162)


@pytest.mark.parametrize("zoom", [1.0, 2.5])
def test_points_go_to_the_window_and_back(canvas: ImageCanvas, zoom: float) -> None:
    canvas.zoom_by(zoom, around=QPointF(50, 60))
    x, y = canvas.to_photo(canvas.to_view(130.0, 77.0))
    assert (x, y) == pytest.approx((130.0, 77.0))
    corner = canvas.to_view(400.0, 200.0)
    assert corner == canvas.image_rect().bottomRight()


def test_zoom_keeps_the_point_under_the_pointer(canvas: ImageCanvas) -> None:
    spot = QPointF(100, 100)
    before = canvas.to_photo(spot)
    canvas.zoom_by(2.0, around=spot)
    assert canvas.to_photo(spot) == pytest.approx(before)


def test_keys_zoom_and_fit(qtbot: object, canvas: ImageCanvas) -> None:
    qtbot.keyClick(canvas, Qt.Key.Key_Plus)
    assert canvas.image_rect().width() > 400
    qtbot.keyClick(canvas, Qt.Key.Key_0)
    assert canvas.image_rect().width() == 400


def test_tiny_picture_is_not_blown_up(canvas: ImageCanvas) -> None:
    canvas.set_image(QImage(8, 8, QImage.Format.Format_RGB888))
    assert canvas.image_rect().width() == 48


def test_no_picture_is_harmless(canvas: ImageCanvas) -> None:
    canvas.set_image(None)
    canvas.repaint()
    assert not canvas.has_image
    assert canvas.image_rect().isEmpty()
