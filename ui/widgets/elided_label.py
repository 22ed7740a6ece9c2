"""A label whose long text loses its middle instead of being cut."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

_LEAST_PX = 40


class ElidedLabel(QLabel):
    """Takes the width it is given, never widens the window; the tooltip has the whole text.

    Args:
        role: Chooses its look in the style sheet.
        parent: Qt owner.
    """

    def __init__(self, role: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._lead = self._rest = ""
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        if role:
            self.setProperty("role", role)

    def show_text(self, rest: str, *, lead: str = "", tip: str = "") -> None:
        """Show a text.

        Args:
            rest: What may lose its middle.
            lead: Stands before it and stays whole.
            tip: Tooltip; default: the whole text.
        """
        self._lead, self._rest = lead, rest
        self.setToolTip(tip or f"{lead}{rest}")
        self.setAccessibleName(f"{lead}{rest}")
        self._fit(self.width())

    def minimumSizeHint(self) -> QSize:
        """A few letters."""
        return QSize(_LEAST_PX, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show as much as fits."""
        super().resizeEvent(event)
        self._fit(event.size().width())

    def _fit(self, width_px: int) -> None:
        self.ensurePolished()
        metrics = self.fontMetrics()
        room = max(0, width_px - metrics.horizontalAdvance(self._lead))
        shown = metrics.elidedText(self._rest, Qt.TextElideMode.ElideMiddle, room)
        self.setText(f"{self._lead}{shown}")
