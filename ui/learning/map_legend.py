"""What the colours of the map mean; a click on a group lets the others fade."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QColor, QIcon, QLinearGradient, QPainter, QPaintEvent, QPixmap
from PySide6.QtWidgets import QFrame, QListWidget, QListWidgetItem, QWidget

from ui import texts
from ui.learning.map_colours import Colouring, time_colours
from ui.widgets.controls import column, label, row

_SWATCH_PX = 14
_SCALE_STOPS = 8


class MapLegend(QFrame):
    """Shows the groups or the scale of a colouring.

    Signals:
        group_chosen: The number of a group, or -1 for all.
    """

    group_chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._chosen = -1
        self._list = QListWidget()
        self._list.setObjectName("legend")
        self._list.setAccessibleName(self.tr("What the colours mean"))
        self._list.setIconSize(QSize(_SWATCH_PX, _SWATCH_PX))
        self._list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scale = _TimeScale()
        self._ends = (label(role="value"), label(role="value"))
        self._scale_box = QFrame()
        scale_layout = column(self._scale, spacing=4)
        scale_layout.addLayout(row(self._ends[0], None, self._ends[1]))
        scale_layout.addStretch(1)
        self._scale_box.setLayout(scale_layout)
        box = column(self._scale_box, self._list)
        box.setStretch(0, 1)
        box.setStretch(1, 1)
        self.setLayout(box)
        self._list.itemClicked.connect(self._choose)

    def show_colouring(self, colouring: Colouring) -> None:
        """Show what a colouring means."""
        self._list.clear()
        for group in colouring.groups:
            count = int(group.members.sum())
            item = QListWidgetItem(_swatch(group.colour), f"{group.name}  ·  {texts.count_text(count)}")
            item.setToolTip(f"{group.name}: {texts.photos_text(count)}")
            self._list.addItem(item)
        self._scale_box.setVisible(colouring.scale is not None)
        self._list.setVisible(colouring.scale is None)
        if colouring.scale is not None:
            for end, text in zip(self._ends, colouring.scale, strict=True):
                end.setText(text)
        self._chosen = -1

    def _choose(self, item: QListWidgetItem) -> None:
        number = self._list.row(item)
        if number == self._chosen:
            number = -1
            self._list.clearSelection()
            self._list.setCurrentRow(-1)
        self._chosen = number
        self.group_chosen.emit(number)


class _TimeScale(QWidget):
    """The colours from the oldest to the newest photo."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(_SWATCH_PX)
        self.setAccessibleName(self.tr("From the oldest to the newest photo"))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the scale."""
        colours = time_colours()
        gradient = QLinearGradient(0, 0, self.width(), 0)
        for stop in range(_SCALE_STOPS + 1):
            packed = int(colours[round(stop / _SCALE_STOPS * (len(colours) - 1))])
            gradient.setColorAt(stop / _SCALE_STOPS, QColor(packed & 0xFFFFFF))
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(gradient)
        painter.drawRoundedRect(self.rect(), 5, 5)
        painter.end()


def _swatch(colour: int) -> QIcon:
    pixmap = QPixmap(_SWATCH_PX * 2, _SWATCH_PX * 2)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(colour))
    painter.drawEllipse(2, 2, _SWATCH_PX * 2 - 4, _SWATCH_PX * 2 - 4)
    painter.end()
    icon = QIcon()
    for mode in (QIcon.Mode.Normal, QIcon.Mode.Selected, QIcon.Mode.Active):
        icon.addPixmap(pixmap, mode)
    return icon
