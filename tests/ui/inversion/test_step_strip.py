from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication

from tests.ui.fake_runner import aligned, step
from ui.inversion.step_list_model import StepListModel
from ui.inversion.step_strip import StepStrip


@pytest.fixture
def model() -> StepListModel:
    made = StepListModel()
    made.set_face(aligned())
    return made


def strip_of(qtbot: object, model: StepListModel, width_px: int) -> StepStrip:
    made = StepStrip(80)
    qtbot.addWidget(made)
    made.setModel(model)
    made.resize(width_px, 240)
    made.show()
    qtbot.waitExposed(made)
    return made


def in_view(strip: StepStrip, model: StepListModel, row: int) -> bool:
    rect = strip.visualRect(model.index(row, 0))
    return rect.left() >= 0 and rect.right() <= strip.viewport().width()


@pytest.mark.parametrize("width_px", [364, 588, 900])
def test_five_steps_are_seen_at_once(qtbot: object, model: StepListModel, width_px: int) -> None:
    strip = strip_of(qtbot, model, width_px)
    strip.set_planned(7)
    before = strip.cell_size()
    for index in range(1, 6):
        model.add_step(step(index))
    qtbot.waitUntil(lambda: all(in_view(strip, model, row) for row in range(7)))
    assert strip.cell_size() == before, "tiles keep their size while steps come"
    assert strip.horizontalScrollBar().maximum() == 0
    assert not strip.grab().isNull()


def test_the_chosen_step_stays_in_view_when_the_room_shrinks(qtbot: object, model: StepListModel) -> None:
    strip = strip_of(qtbot, model, 900)
    for index in range(1, 16):
        model.add_step(step(index))
    strip.setCurrentIndex(model.index(16, 0))
    strip.resize(364, 240)
    qtbot.waitUntil(lambda: in_view(strip, model, 16) and not in_view(strip, model, 0))


def test_a_low_window_makes_the_tiles_smaller(qtbot: object, model: StepListModel) -> None:
    strip = strip_of(qtbot, model, 900)
    assert strip.minimumSizeHint().height() < 170
    strip.resize(900, strip.minimumSizeHint().height())
    qtbot.waitUntil(lambda: strip.cell_size().height() <= strip.viewport().height())


def test_the_wheel_scrolls_sideways(qtbot: object, model: StepListModel) -> None:
    strip = strip_of(qtbot, model, 364)
    for index in range(1, 16):
        model.add_step(step(index))
    bar = strip.horizontalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() > 0)
    bar.setValue(0)
    turned = QWheelEvent(
        QPointF(10, 10), strip.mapToGlobal(QPointF(10, 10)), QPoint(), QPoint(0, -120),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(strip.viewport(), turned)
    assert bar.value() > 0
