"""One of two compared photos: with its heat map over it, and the places that match."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPalette, QPen, QPixmap
from PySide6.QtWidgets import QWidget

from desktop_app.core.types import FloatArray
from ui.inversion.colour_map import heat_image
from ui.learning.map_colours import GROUP_COLOURS
from ui.qt_image import to_qimage
from ui.widgets.image_canvas import ImageCanvas

# A place that matches fully is covered so far; one that does not match keeps its own look.
_MOST_COVER = 0.5
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
        self._frame: Box | None = None
        self._pointed = -1
        self._shows_heat = True
        self._shows_spots = True
        self.setMouseTracking(True)

    def set_findings(
        self,
        heat: FloatArray | None,
        spots: tuple[tuple[float, float], ...],
        *,
        box: Box,
        frame: Box | None = None,
    ) -> None:
        """Set what lies over the photo.

        Args:
            heat: (h, w) in [0, 1], or None.
            spots: Matching places, (x, y) as shares of the part that was compared.
            box: That part: left, top, width, height as shares of the photo.
            frame: Where the other photo lies in this one, or None; of the same kind.
        """
        self._heat = QPixmap() if heat is None else match_picture(heat)
        self._spots, self._box, self._frame = spots, box, frame
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

    def frame_rect(self) -> QRectF | None:
        """Where the other photo lies in this one in the window; None: it does not."""
        return None if self._frame is None else self._placed(self._frame)

    def _area(self) -> QRectF:
        return self._placed(self._box)

    def _placed(self, box: Box) -> QRectF:
        rect = self.image_rect()
        left, top, width, height = box
        return QRectF(
            rect.left() + left * rect.width(),
            rect.top() + top * rect.height(),
            width * rect.width(),
            height * rect.height(),
        )

    def paint_overlay(self, painter: QPainter) -> None:
        """Paint the heat map and the matches."""
        if self._shows_heat and not self._heat.isNull():
            painter.drawPixmap(self._area(), self._heat, QRectF(self._heat.rect()))
        frame = self.frame_rect()
        if frame is not None:
            self._paint_frame(painter, frame)
        if not self._shows_spots:
            return
        font = painter.font()
        font.setBold(True)
        font.setPointSizeF(8.5)
        painter.setFont(font)
        for number in range(len(self._spots)):
            self._paint_spot(painter, number)

    def _paint_frame(self, painter: QPainter, frame: QRectF) -> None:
        """A light line on a dark one, which is seen on any photo."""
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for role, width in ((QPalette.ColorRole.Shadow, 5.0), (QPalette.ColorRole.BrightText, 2.5)):
            pen = QPen(self.palette().color(role), width)
            pen.setJoinStyle(Qt.PenJoinStyle.MiterJoin)
            painter.setPen(pen)
            painter.drawRect(frame)

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


def match_picture(heat: FloatArray) -> QPixmap:
    """How well places match, as a picture to lie over a photo: clear where not at all, red where fully.

    Args:
        heat: (h, w) in [0, 1].
    """
    # The upper half of the scale of changes, which squares its values; (h, w, 3).
    picture = to_qimage(heat_image((0.5 + heat / 2.0) ** 2, peak=1.0))
    cover = np.round(255 * _MOST_COVER * heat).astype(np.uint8)
    picture.setAlphaChannel(to_qimage(np.repeat(cover[:, :, None], 3, axis=2)))
    return QPixmap.fromImage(picture)


def match_legend(width_px: int, height_px: int) -> QPixmap:
    """The scale of `match_picture` from not at all (left) to fully (right)."""
    line = np.linspace(0.0, 1.0, width_px, dtype=np.float32)
    return match_picture(np.broadcast_to(line, (height_px, width_px)))
