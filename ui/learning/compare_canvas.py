"""One of two compared photos: with its heat map over it, and the places that match."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPalette, QPen, QPixmap
from PySide6.QtWidgets import QWidget

from desktop_app.core.types import FloatArray
from ui.inversion.colour_map import heat_image
from ui.learning.map_colours import GROUP_COLOURS
from ui.qt_image import to_qimage
from ui.widgets.image_canvas import ImageCanvas

_HEAT_OPACITY = 0.55
# Red is the best place of the photo, but not where even that is hardly alike.
_FULL_HEAT = 0.6
_SPOT_PX = 11.0
_REACH_PX = 16.0

Box = tuple[float, float, float, float]


class CompareCanvas(ImageCanvas):
    """A photo with overlays.

    Signals:
        spot_pointed: The number of the match under the pointer, or -1.
    """

    spot_pointed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._heat = QPixmap()
        self._box: Box = (0.0, 0.0, 1.0, 1.0)
        self._spots: tuple[tuple[float, float], ...] = ()
        self._pointed = -1
        self._shows_heat = True
        self._shows_spots = True
        self.setMouseTracking(True)

    def set_findings(
        self, heat: FloatArray | None, spots: tuple[tuple[float, float], ...], *, box: Box
    ) -> None:
        """Set what lies over the photo.

        Args:
            heat: (h, w) in [0, 1], or None.
            spots: Matching places, (x, y) as shares of the part that was compared.
            box: That part: left, top, width, height as shares of the photo.
        """
        # The squared change of an inversion is shown by its root; this map is shown as it is.
        self._heat = (
            QPixmap() if heat is None else QPixmap.fromImage(to_qimage(heat_image(heat**2, peak=1.0)))
        )
        self._spots, self._box = spots, box
        self.update()

    def set_shown(self, *, heat: bool, spots: bool) -> None:
        """Choose the overlays."""
        self._shows_heat, self._shows_spots = heat, spots
        self.update()

    def point_at(self, number: int) -> None:
        """Let a match stand out."""
        if number != self._pointed:
            self._pointed = number
            self.update()

    def spot_place(self, number: int) -> QPointF:
        """Where a match lies in the window."""
        area = self._area()
        x, y = self._spots[number]
        return QPointF(area.left() + x * area.width(), area.top() + y * area.height())

    def _area(self) -> QRectF:
        rect = self.image_rect()
        left, top, width, height = self._box
        return QRectF(
            rect.left() + left * rect.width(),
            rect.top() + top * rect.height(),
            width * rect.width(),
            height * rect.height(),
        )

    def paint_overlay(self, painter: QPainter) -> None:
        """Paint the heat map and the matches."""
        if self._shows_heat and not self._heat.isNull():
            painter.setOpacity(_HEAT_OPACITY)
            painter.drawPixmap(self._area(), self._heat, QRectF(self._heat.rect()))
            painter.setOpacity(1.0)
        if not self._shows_spots:
            return
        font = painter.font()
        font.setBold(True)
        font.setPointSizeF(8.5)
        painter.setFont(font)
        for number in range(len(self._spots)):
            self._paint_spot(painter, number)

    def _paint_spot(self, painter: QPainter, number: int) -> None:
        radius = _SPOT_PX * (1.35 if number == self._pointed else 1.0)
        place = self.spot_place(number)
        painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Shadow), 2))
        painter.setBrush(QColor(GROUP_COLOURS[number % len(GROUP_COLOURS)]))
        painter.drawEllipse(place, radius, radius)
        painter.setPen(self.palette().color(QPalette.ColorRole.HighlightedText))
        box = QRectF(0, 0, 2 * radius, 2 * radius)
        box.moveCenter(place)
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, str(number + 1))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Move the photo, and tell which match is under the pointer."""
        super().mouseMoveEvent(event)
        found = -1
        for number in range(len(self._spots)):
            if (self.spot_place(number) - event.position()).manhattanLength() <= _REACH_PX:
                found = number
        self.spot_pointed.emit(found)
