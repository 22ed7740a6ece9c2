"""A slider whose bar grows from "no change" towards the handle, to either side."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QSlider, QStyle, QWidget

from ui import theme

_GROOVE_PX = 4
_HANDLE_PX = 14
_TICK_PX = 10


class CentredSlider(QSlider):
    """A horizontal slider around 0.

    Args:
        parent: Qt owner.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint groove, zero mark, bar and handle."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        palette, middle = self.palette(), self.height() / 2
        quiet = palette.color(theme.BORDER_ROLE)
        painter.setBrush(quiet)
        groove = QRectF(0, middle - _GROOVE_PX / 2, self.width(), _GROOVE_PX)
        painter.drawRoundedRect(groove, _GROOVE_PX / 2, _GROOVE_PX / 2)
        zero, handle = self._x(0), self._x(self.value())
        painter.drawRoundedRect(QRectF(zero - 1, middle - _TICK_PX / 2, 2, _TICK_PX), 1, 1)
        is_on = self.isEnabled()
        if is_on:
            painter.setBrush(palette.color(QPalette.ColorRole.Accent))
            left, right = sorted((zero, handle))
            painter.drawRect(QRectF(left, groove.top(), right - left, _GROOVE_PX))
        role = QPalette.ColorRole.Accent if self.hasFocus() else QPalette.ColorRole.Text
        painter.setBrush(palette.color(role) if is_on else quiet)
        painter.drawEllipse(QRectF(handle - _HANDLE_PX / 2, middle - _HANDLE_PX / 2, _HANDLE_PX, _HANDLE_PX))
        painter.end()

    def _x(self, value: int) -> float:
        span = self.width() - _HANDLE_PX
        place = QStyle.sliderPositionFromValue(self.minimum(), self.maximum(), value, span)
        return place + _HANDLE_PX / 2
