"""A chooser whose long entries end in an ellipsis instead of being cut."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QPaintEvent
from PySide6.QtWidgets import QComboBox, QStyle, QStyleOptionComboBox, QStylePainter, QWidget

_LEAST_LETTERS = 12
_EDGE_PX = 4


class ElidedCombo(QComboBox):
    """Takes the width it is given; the tooltip has the whole entry.

    Args:
        hint: What the tooltip says below the entry.
        parent: Qt owner.
    """

    def __init__(self, hint: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._hint = hint
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(_LEAST_LETTERS)
        self.currentTextChanged.connect(self._show_tip)
        self._show_tip(self.currentText())

    def shown_text(self) -> str:
        """The entry as far as there is room for it."""
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        room = self.style().subControlRect(
            QStyle.ComplexControl.CC_ComboBox, option, QStyle.SubControl.SC_ComboBoxEditField, self
        )
        width_px = room.width() - _EDGE_PX
        return self.fontMetrics().elidedText(self.currentText(), Qt.TextElideMode.ElideRight, width_px)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the chooser with what fits of its entry."""
        painter = QStylePainter(self)
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        option.currentText = self.shown_text()
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)
        painter.end()

    def _show_tip(self, text: str) -> None:
        self.setToolTip("\n".join(part for part in (text, self._hint) if part))
