"""A heading that leaves its words out where there is room for the number only."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

_EDGE_PX = 2


class CountLabel(QLabel):
    """Shows "123,456 photos", or "123,456" in a narrow window; the tooltip has all of it.

    Args:
        parent: Qt owner.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._whole = self._short = ""
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setProperty("role", "heading")
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)

    def show_texts(self, whole: str, short: str) -> None:
        """Show a count: with its words, and alone."""
        self._whole, self._short = whole, short
        self.setToolTip(whole)
        self.setAccessibleName(whole)
        self.setText(whole if self.width() >= self._width_px(whole) else short)
        self.updateGeometry()

    def sizeHint(self) -> QSize:
        """Room for all of it."""
        return QSize(self._width_px(self._whole), super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        """Room for the number."""
        return QSize(self._width_px(self._short), super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Choose what fits."""
        super().resizeEvent(event)
        self.setText(self._whole if event.size().width() >= self._width_px(self._whole) else self._short)

    def _width_px(self, text: str) -> int:
        self.ensurePolished()
        return self.fontMetrics().horizontalAdvance(text) + _EDGE_PX if text else 0
