from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, Qt

from tests.ui.fake_runner import faces
from ui.inversion.face_canvas import FaceCanvas
from ui.qt_image import to_qimage


@pytest.fixture
def canvas(qtbot: object) -> FaceCanvas:
    made = FaceCanvas()
    qtbot.addWidget(made)
    made.resize(424, 324)
    found = faces()
    made.set_image(to_qimage(found.image), scale=found.scale)
    made.set_faces(found.faces)
    made.choose_face(0)
    made.show()
    return made


def _spot(canvas: FaceCanvas, x: float, y: float) -> QPoint:
    return canvas.to_view(x, y).toPoint()


def test_click_chooses_a_face(qtbot: object, canvas: FaceCanvas) -> None:
    with qtbot.waitSignal(canvas.face_chosen) as chosen:
        qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=_spot(canvas, 180, 90))
    assert chosen.args == [1]
    assert canvas.points.left_eye == (140.0, 50.0)


def test_handle_is_dragged_in_photo_pixels(qtbot: object, canvas: FaceCanvas) -> None:
    moved: list[object] = []
    canvas.points_moved.connect(moved.append)
    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=_spot(canvas, 40, 50))
    qtbot.mouseMove(canvas, pos=_spot(canvas, 35, 45))
    qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=_spot(canvas, 35, 45))
    assert moved[-1].left_eye == pytest.approx((35, 45), abs=0.6)
    assert moved[-1].right_eye == (60.0, 50.0)
    count = len(moved)
    qtbot.mouseMove(canvas, pos=_spot(canvas, 20, 20))
    assert len(moved) == count


def test_keys_choose_points_and_faces_and_move_them(qtbot: object, canvas: FaceCanvas) -> None:
    moved: list[object] = []
    canvas.points_moved.connect(moved.append)
    qtbot.keyClick(canvas, Qt.Key.Key_4)
    qtbot.keyClick(canvas, Qt.Key.Key_Down)
    qtbot.keyClick(canvas, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert moved[-1].right_mouth == (68.0, 73.0)
    with qtbot.waitSignal(canvas.face_chosen) as chosen:
        qtbot.keyClick(canvas, Qt.Key.Key_N)
    assert chosen.args == [1]


def test_marks_can_be_hidden(canvas: FaceCanvas) -> None:
    shown = canvas.grab().toImage()
    canvas.show_faces(False)
    assert canvas.grab().toImage() != shown
