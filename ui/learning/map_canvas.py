"""The map itself: pan, zoom, hover, lasso; thumbnails in place of points where few are in view."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPalette,
    QPen,
    QPixmap,
    QPolygonF,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop_app.core.types import FloatArray
from ui.learning.map_colours import PackedArray
from ui.learning.map_painter import draw_points, inside_polygon, mixed, radius_px
from ui.qt_image import from_packed

_MOST_ZOOM = 400.0
_WHEEL_STEP = 1.25
_FILL = 0.92  # share of the window that the whole map takes
_CATCH_PX = 9.0
_CLICK_PX = 4.0
_PAN_PX = 60
MOST_PICTURES = 90
_PICTURE_PX = 58
_FRAME_PX = 3
_EDGE_SHARE = 0.45
_FADED_SHARE = 0.16
_LASSO_STEP_PX = 4.0
_LEAST_LASSO = 3

MaskArray = npt.NDArray[np.bool_]


class MapCanvas(QWidget):
    """Points in a plane. Numbers of photos are places in the arrays that were set.

    Signals:
        hovered: The number of the photo under the pointer, or -1.
        clicked: The number of a photo.
        lassoed: Numbers of the photos inside the line that was drawn.
        pictures_wanted: Numbers of photos that are to be shown as pictures.
        lasso_ended: The line was drawn or given up.
    """

    hovered = Signal(object)
    clicked = Signal(object)
    lassoed = Signal(object)
    pictures_wanted = Signal(object)
    lasso_ended = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._places: FloatArray = np.zeros((0, 2), dtype=np.float32)
        self._order: npt.NDArray[np.intp] = np.zeros(0, dtype=np.intp)
        self._columns: tuple[FloatArray, ...] = (np.zeros(0, dtype=np.float32),) * 2  # in drawing order
        self._colours: PackedArray = np.zeros(0, dtype=np.uint32)
        self._shades: tuple[PackedArray, PackedArray] = (self._colours, self._colours)
        self._highlight: MaskArray | None = None
        self._pictures: dict[int, QPixmap] = {}
        self._zoom = 1.0
        self._middle = QPointF(0.0, 0.0)  # the point of the map in the middle of the window
        self._image: QImage | None = None
        self._pressed_at: QPointF | None = None
        self._dragged_to: QPointF | None = None
        self._has_moved = False
        self._hovered = -1
        self._is_lassoing = False
        self._lasso: list[QPointF] = []
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(240, 200)
        self.setAccessibleName(self.tr("Map of the library"))

    # --- what is shown --------------------------------------------------------------------------------

    def set_points(self, places: FloatArray, colours: PackedArray, *, keep_view: bool = False) -> None:
        """Show points: (N, 2) places, (N,) packed colours."""
        if len(places) != len(self._places):
            # A random order, so that no colour lies above all others.
            self._order = np.random.default_rng(0).permutation(len(places))
            self._pictures.clear()
            self._highlight = None
        self._places = places
        self._hovered = -1
        if not keep_view:
            self.fit()
        self.set_colours(colours)

    def set_colours(self, colours: PackedArray, highlight: MaskArray | None = None) -> None:
        """Give points other colours; points outside `highlight` (N,) fade."""
        background = self._background()
        shown = colours.copy()
        if highlight is not None:
            shown[~highlight] = mixed(colours[~highlight], background, share=_FADED_SHARE)
        self._colours, self._highlight = colours, highlight
        if highlight is not None:  # what stands out is drawn last
            self._order = self._order[np.argsort(highlight[self._order], kind="stable")]
        self._columns = tuple(np.ascontiguousarray(self._places[self._order, axis]) for axis in (0, 1))
        ordered = shown[self._order]
        self._shades = (ordered, mixed(ordered, background, share=_EDGE_SHARE))
        self._forget_image()

    def set_picture(self, number: int, pixmap: QPixmap) -> None:
        """Give a photo its picture, for when it is looked at closely."""
        self._pictures[number] = pixmap
        self.update()

    def has_picture(self, number: int) -> bool:
        """Whether a photo's picture is known."""
        return number in self._pictures

    def start_lasso(self) -> None:
        """Let the next drag draw a line around photos."""
        self._is_lassoing = True
        self._lasso = []
        self.setCursor(Qt.CursorShape.CrossCursor)

    def stop_lasso(self) -> None:
        """Drag moves the map again."""
        if self._is_lassoing:
            self._is_lassoing = False
            self._lasso = []
            self.unsetCursor()
            self.update()
            self.lasso_ended.emit()

    # --- view -----------------------------------------------------------------------------------------

    def fit(self) -> None:
        """Show the whole map."""
        self._zoom, self._middle = 1.0, QPointF(0.0, 0.0)
        self._forget_image()

    def zoom_by(self, factor: float, *, around: QPointF | None = None) -> None:
        """Zoom, keeping a point of the window in place."""
        centre = QRectF(self.rect()).center()
        around = centre if around is None else around
        before = self._to_map(around)
        self._zoom = min(max(self._zoom * factor, 0.5), _MOST_ZOOM)
        self._middle += before - self._to_map(around)
        self._forget_image()

    def pan_by(self, offset: QPointF) -> None:
        """Move the map by pixels."""
        self._middle -= offset / self._scale()
        self._forget_image()

    @property
    def zoom(self) -> float:
        """Magnification; 1 shows the whole map."""
        return self._zoom

    def to_window(self, number: int) -> QPointF:
        """Where a photo lies in the window."""
        x, y = self._places[number]
        centre = QRectF(self.rect()).center()
        return centre + (QPointF(float(x), float(y)) - self._middle) * self._scale()

    def number_at(self, point: QPointF) -> int:
        """The photo nearest to a point of the window, or -1."""
        if not len(self._places):
            return -1
        spot = self._to_map(point)
        offsets = self._places - np.array([spot.x(), spot.y()], dtype=np.float32)
        distance = np.hypot(offsets[:, 0], offsets[:, 1]) * self._scale()
        if self._highlight is not None:
            distance = np.where(self._highlight, distance, np.inf)
        nearest = int(np.argmin(distance))
        reach = _PICTURE_PX / 2 if nearest in self._visible_pictures() else _CATCH_PX
        return nearest if distance[nearest] <= reach else -1

    def visible(self) -> npt.NDArray[np.intp]:
        """Numbers of the photos in view."""
        return np.sort(self._order[self._inside()[0]])

    def _scale(self) -> float:
        return min(self.width(), self.height()) / 2 * _FILL * self._zoom

    def _to_map(self, point: QPointF) -> QPointF:
        return (point - QRectF(self.rect()).center()) / self._scale() + self._middle

    def _inside(
        self,
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Which points of the drawing order are in view, and their pixel columns and rows."""
        scale = np.float32(self._scale())
        found, pixels = None, []
        for values, middle, size in zip(
            self._columns, (self._middle.x(), self._middle.y()), (self.width(), self.height()), strict=True
        ):
            pixel = values * scale
            pixel += np.float32(size / 2 - middle * float(scale))
            is_in = (pixel >= 0) & (pixel < size)
            found = is_in if found is None else found & is_in
            pixels.append(pixel)
        assert found is not None
        inside = np.flatnonzero(found)
        return inside, pixels[0][inside].astype(np.int32), pixels[1][inside].astype(np.int32)

    def _background(self) -> int:
        return self.palette().color(QPalette.ColorRole.Window).rgb() & 0xFFFFFF

    def _forget_image(self) -> None:
        self._image = None
        self.update()

    def _visible_pictures(self) -> npt.NDArray[np.intp]:
        """Numbers of the photos shown as pictures; none when too many are in view."""
        if self._zoom <= 1.0 and len(self._places) > MOST_PICTURES:
            return np.zeros(0, dtype=np.intp)
        shown = self.visible()
        if len(shown) > MOST_PICTURES:
            return np.zeros(0, dtype=np.intp)
        if self._highlight is not None:
            shown = shown[self._highlight[shown]]
        return shown

    # --- painting -------------------------------------------------------------------------------------

    def render_points(self) -> QImage:
        """The points of the view as a picture; what a frame costs."""
        inside, x, y = self._inside()
        pixels = draw_points(
            x,
            y,
            (self._shades[0][inside], self._shades[1][inside]),
            size_px=(self.width(), self.height()),
            radius=radius_px(len(inside)),
            background=self._background(),
        )
        return from_packed(pixels)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint points, pictures, the hovered photo and the lasso."""
        if self._image is None:
            self._image = self.render_points()
            self._ask_for_pictures()
        painter = QPainter(self)
        painter.drawImage(0, 0, self._image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        for number in self._visible_pictures().tolist():
            if number in self._pictures:
                self._paint_picture(painter, number, side=_PICTURE_PX)
        if 0 <= self._hovered < len(self._places):
            self._paint_hovered(painter)
        if len(self._lasso) > 1:
            self._paint_lasso(painter)
        painter.end()

    def _ask_for_pictures(self) -> None:
        wanted = [number for number in self._visible_pictures().tolist() if number not in self._pictures]
        if wanted:
            self.pictures_wanted.emit(wanted)

    def _paint_picture(self, painter: QPainter, number: int, *, side: float) -> None:
        pixmap = self._pictures[number]
        box = QRectF(0, 0, side, side)
        box.moveCenter(self.to_window(number))
        least = min(pixmap.width(), pixmap.height())
        source = QRectF((pixmap.width() - least) / 2, (pixmap.height() - least) / 3, least, least)
        path = QPainterPath()
        path.addRoundedRect(box, 7, 7)
        painter.save()
        painter.setClipPath(path)
        painter.drawPixmap(box, pixmap, source)
        painter.restore()
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(int(self._colours[number]) & 0xFFFFFF), _FRAME_PX))
        painter.drawRoundedRect(box, 7, 7)

    def _paint_hovered(self, painter: QPainter) -> None:
        if self._hovered in self._pictures and self._hovered in self._visible_pictures():
            self._paint_picture(painter, self._hovered, side=_PICTURE_PX * 1.25)
            return
        painter.setBrush(QColor(int(self._colours[self._hovered]) & 0xFFFFFF))
        painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Text), 2))
        painter.drawEllipse(self.to_window(self._hovered), 6.0, 6.0)

    def _paint_lasso(self, painter: QPainter) -> None:
        accent = self.palette().color(QPalette.ColorRole.Accent)
        painter.setPen(QPen(accent, 2))
        fill = QColor(accent)
        fill.setAlphaF(0.15)
        painter.setBrush(fill)
        painter.drawPolygon(QPolygonF(self._lasso))

    # --- events ---------------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Draw anew."""
        super().resizeEvent(event)
        self._forget_image()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom around the pointer."""
        steps = event.angleDelta().y() / 120
        if steps:
            self.zoom_by(_WHEEL_STEP**steps, around=event.position())
            event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin to move the map, to draw the lasso, or to click."""
        if event.button() is not Qt.MouseButton.LeftButton:
            return
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier and not self._is_lassoing:
            self.start_lasso()
        self._pressed_at = self._dragged_to = event.position()
        self._has_moved = False
        self._lasso = [event.position()] if self._is_lassoing else []

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Move the map, draw the lasso, or tell what is under the pointer."""
        point = event.position()
        if self._pressed_at is None or self._dragged_to is None:
            self._hover(self.number_at(point))
            return
        if self._is_lassoing:
            if (point - self._lasso[-1]).manhattanLength() >= _LASSO_STEP_PX:
                self._lasso.append(point)
                self.update()
            return
        if self._has_moved or (point - self._pressed_at).manhattanLength() > _CLICK_PX:
            self._has_moved = True
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
            self.pan_by(point - self._dragged_to)
            self._dragged_to = point

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End what the press began."""
        if self._pressed_at is None:
            return
        is_click = not self._has_moved
        self._pressed_at = self._dragged_to = None
        if self._is_lassoing:
            self._end_lasso()
            return
        self.unsetCursor()
        if is_click:
            number = self.number_at(event.position())
            if number >= 0:
                self.clicked.emit(number)

    def _end_lasso(self) -> None:
        line = [self._to_map(point) for point in self._lasso]
        self.stop_lasso()
        if len(line) < _LEAST_LASSO:
            return
        polygon = np.array([(point.x(), point.y()) for point in line], dtype=np.float32)
        found = inside_polygon(self._places, polygon)
        if self._highlight is not None:
            found &= self._highlight
        self.lassoed.emit(np.flatnonzero(found))

    def _hover(self, number: int) -> None:
        if number != self._hovered:
            self._hovered = number
            self.setCursor(Qt.CursorShape.PointingHandCursor if number >= 0 else self._usual_cursor())
            self.hovered.emit(number)
            self.update()

    def _usual_cursor(self) -> Qt.CursorShape:
        return Qt.CursorShape.CrossCursor if self._is_lassoing else Qt.CursorShape.ArrowCursor

    def leaveEvent(self, event: QEvent) -> None:
        """Nothing is under the pointer."""
        super().leaveEvent(event)
        self._hover(-1)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Zoom with plus, minus and zero, move with the arrow keys, give the lasso up with Escape."""
        moves = {
            Qt.Key.Key_Left: QPointF(_PAN_PX, 0),
            Qt.Key.Key_Right: QPointF(-_PAN_PX, 0),
            Qt.Key.Key_Up: QPointF(0, _PAN_PX),
            Qt.Key.Key_Down: QPointF(0, -_PAN_PX),
        }
        key = Qt.Key(event.key())
        if key in moves:
            self.pan_by(moves[key])
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            self.zoom_by(_WHEEL_STEP)
        elif key == Qt.Key.Key_Minus:
            self.zoom_by(1 / _WHEEL_STEP)
        elif key == Qt.Key.Key_0:
            self.fit()
        elif key == Qt.Key.Key_Escape and self._is_lassoing:
            self.stop_lasso()
        else:
            super().keyPressEvent(event)
