"""The photo with its faces: click to choose one, drag eyes and mouth corners to adjust the crop."""

from __future__ import annotations

import math
from dataclasses import replace

from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPainterPath, QPalette, QPen, QPolygonF
from PySide6.QtWidgets import QWidget

from desktop_app.core.types import DetectedFace, FacePoints
from ui import theme
from ui.widgets.image_canvas import ImageCanvas

POINT_NAMES = ("left_eye", "right_eye", "left_mouth", "right_mouth")
_GRAB_PX = 14.0
_DOT_PX = 6.0
Quad = tuple[tuple[float, float], ...]


class FaceCanvas(ImageCanvas):
    """Shows faces over a photo.

    Signals:
        face_chosen: A face was clicked (its number).
        points_moved: A handle was moved (`FacePoints`, photo pixels).

    Args:
        parent: Qt owner.
    """

    face_chosen = Signal(object)
    points_moved = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._faces: tuple[DetectedFace, ...] = ()
        self._chosen = -1
        self._points: FacePoints | None = None
        self._quad: Quad = ()
        self._are_faces_shown = True
        self._handle = -1
        self._is_dragging = False
        self.setMouseTracking(True)
        self.setAccessibleName(self.tr("Photo with faces"))
        self.setAccessibleDescription(
            self.tr("1 to 4 choose a point, arrow keys move it, N chooses the next face")
        )

    def set_faces(self, faces: tuple[DetectedFace, ...]) -> None:
        """Show detected faces; none is chosen yet."""
        self._faces = faces
        self._chosen, self._points, self._quad, self._handle = -1, None, (), -1
        self.update()

    def choose_face(self, number: int) -> None:
        """Choose a face and show its points as detected."""
        face = self._faces[number]
        self._chosen, self._points, self._quad, self._handle = number, face.points, face.quad, -1
        self.update()

    def set_points(self, points: FacePoints, quad: Quad) -> None:
        """Show points placed by hand."""
        self._points, self._quad = points, quad
        self.update()

    def set_quad(self, quad: Quad) -> None:
        """Show the crop that belongs to the points."""
        self._quad = quad
        self.update()

    def show_faces(self, are_shown: bool) -> None:
        """Show or hide all marks."""
        self._are_faces_shown = are_shown
        self.update()

    @property
    def points(self) -> FacePoints | None:
        """The points as they are now, in photo pixels."""
        return self._points

    @property
    def chosen(self) -> int:
        """The chosen face, or -1."""
        return self._chosen

    # --- painting -----------------------------------------------------------------------------------

    def paint_overlay(self, painter: QPainter) -> None:
        """Paint crops and handles."""
        if not self._are_faces_shown:
            return
        palette = self.palette()
        for number, face in enumerate(self._faces):
            if number != self._chosen:
                painter.setPen(QPen(palette.color(QPalette.ColorRole.Text), 1.5, Qt.PenStyle.DashLine))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.drawPolygon(self._polygon(face.quad))
        if self._quad:
            self._paint_chosen(painter, palette)
        if self._points is not None:
            self._paint_handles(painter, palette)

    def _polygon(self, quad: Quad) -> QPolygonF:
        return QPolygonF([self.to_view(x, y) for x, y in quad])

    def _paint_chosen(self, painter: QPainter, palette: QPalette) -> None:
        crop = self._polygon(self._quad)
        outside, inside = QPainterPath(), QPainterPath()
        outside.addRect(self.image_rect())
        inside.addPolygon(crop)
        inside.closeSubpath()
        shade = QColor(palette.color(theme.SHADOW_ROLE))
        shade.setAlphaF(0.45)
        painter.fillPath(outside.subtracted(inside), shade)
        painter.setPen(QPen(palette.color(QPalette.ColorRole.Accent), 2.5))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPolygon(crop)

    def _paint_handles(self, painter: QPainter, palette: QPalette) -> None:
        for number, spot in enumerate(self._handle_spots()):
            is_held = number == self._handle
            painter.setPen(QPen(palette.color(theme.SHADOW_ROLE), 1.5))
            role = QPalette.ColorRole.Text if is_held else QPalette.ColorRole.Accent
            painter.setBrush(palette.color(role))
            radius = _DOT_PX + (2 if is_held else 0)
            if number < 2:
                painter.drawEllipse(spot, radius, radius)
            else:
                painter.drawRect(
                    int(spot.x() - radius + 1),
                    int(spot.y() - radius + 1),
                    int(2 * radius - 2),
                    int(2 * radius - 2),
                )

    def _handle_spots(self) -> list[QPointF]:
        if self._points is None:
            return []
        return [self.to_view(*getattr(self._points, name)) for name in POINT_NAMES]

    # --- events -------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Grab a handle, or choose a face."""
        if not self._are_faces_shown or event.button() != Qt.MouseButton.LeftButton:
            super().mousePressEvent(event)
            return
        self._handle = self._handle_at(event.position())
        if self._handle >= 0:
            self._is_dragging = True
            self.update()
            return
        number = self._face_at(event.position())
        if number >= 0 and number != self._chosen:
            self.choose_face(number)
            self.face_chosen.emit(number)
            return
        super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Move the held handle."""
        if self._is_dragging and self._handle >= 0:
            self._move_handle(self.to_photo(event.position()))
            return
        near = self._are_faces_shown and self._handle_at(event.position()) >= 0
        self.setCursor(Qt.CursorShape.PointingHandCursor if near else Qt.CursorShape.ArrowCursor)
        super().mouseMoveEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let the handle go; it stays chosen for the arrow keys."""
        self._is_dragging = False
        super().mouseReleaseEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Zoom, unless a handle is meant."""
        if self._handle_at(event.position()) < 0:
            super().mouseDoubleClickEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Choose a point with 1 to 4 and move it with the arrow keys; N chooses the next face."""
        key = Qt.Key(event.key())
        chosen = {Qt.Key.Key_1: 0, Qt.Key.Key_2: 1, Qt.Key.Key_3: 2, Qt.Key.Key_4: 3}.get(key)
        by = 10.0 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1.0
        moves = {
            Qt.Key.Key_Left: (-by, 0.0),
            Qt.Key.Key_Right: (by, 0.0),
            Qt.Key.Key_Up: (0.0, -by),
            Qt.Key.Key_Down: (0.0, by),
        }
        if chosen is not None and self._points is not None:
            self._handle = chosen
            self.update()
        elif key in moves and self._handle >= 0 and self._points is not None:
            x, y = getattr(self._points, POINT_NAMES[self._handle])
            self._move_handle((x + moves[key][0], y + moves[key][1]))
        elif key == Qt.Key.Key_N and self._faces:
            number = (self._chosen + 1) % len(self._faces)
            self.choose_face(number)
            self.face_chosen.emit(number)
        else:
            super().keyPressEvent(event)

    def _move_handle(self, to: tuple[float, float]) -> None:
        if self._points is None:
            return
        self._points = replace(self._points, **{POINT_NAMES[self._handle]: to})
        self.update()
        self.points_moved.emit(self._points)

    def _handle_at(self, spot: QPointF) -> int:
        distances = [math.dist((spot.x(), spot.y()), (h.x(), h.y())) for h in self._handle_spots()]
        if not distances or min(distances) > _GRAB_PX:
            return -1
        return distances.index(min(distances))

    def _face_at(self, spot: QPointF) -> int:
        inside = [
            number
            for number, face in enumerate(self._faces)
            if self._polygon(face.quad).containsPoint(spot, Qt.FillRule.WindingFill)
        ]
        return inside[-1] if inside else -1  # the smallest: faces are sorted largest first
