"""Shows one picture, fitted to the window; zoom with the wheel, move by dragging."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPixmap, QWheelEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

_MAX_ZOOM = 16.0
_WHEEL_STEP = 1.2
_MARGIN_PX = 12
# A tiny picture is not blown up further than this when it is fitted.
_MAX_FIT = 6.0


class ImageCanvas(QWidget):
    """A picture with zoom. Points outside are in photo pixels: display pixels over `scale`.

    Signals:
        zoom_changed: The zoom is another one; 1.0 is fitted.
    """

    zoom_changed = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pixmap = QPixmap()
        self._scale = 1.0
        self._zoom = 1.0
        self._pan = QPointF(0, 0)
        self._drag_from: QPointF | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(160, 160)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def set_image(
        self, image: QImage | QPixmap | None, *, scale: float = 1.0, keep_zoom: bool = False
    ) -> None:
        """Show a picture.

        Args:
            image: The picture, or None for nothing.
            scale: Its pixels per photo pixel.
            keep_zoom: The new picture has the same content in another resolution.
        """
        if image is None:
            self._pixmap = QPixmap()
        else:
            self._pixmap = image if isinstance(image, QPixmap) else QPixmap.fromImage(image)
        self._scale = scale
        if not keep_zoom:
            self.fit()
        self.update()

    def fit(self) -> None:
        """Fit the whole picture into the window."""
        self._zoom, self._pan = 1.0, QPointF(0, 0)
        self.zoom_changed.emit(1.0)
        self.update()

    def zoom_by(self, factor: float, *, around: QPointF | None = None) -> None:
        """Zoom, keeping a point of the window in place."""
        centre = QRectF(self.rect()).center()
        around = centre if around is None else around
        new_zoom = min(max(self._zoom * factor, 1.0), _MAX_ZOOM)
        ratio = new_zoom / self._zoom
        self._pan = (around - centre) * (1 - ratio) + self._pan * ratio
        self._zoom = new_zoom
        if new_zoom == 1.0:
            self._pan = QPointF(0, 0)
        self.zoom_changed.emit(new_zoom)
        self.update()

    @property
    def has_image(self) -> bool:
        """Whether a picture is shown."""
        return not self._pixmap.isNull()

    def image_rect(self) -> QRectF:
        """Where the picture lies in the window; empty without one."""
        if self._pixmap.isNull():
            return QRectF()
        space = QRectF(self.rect()).adjusted(_MARGIN_PX, _MARGIN_PX, -_MARGIN_PX, -_MARGIN_PX)
        size = self._pixmap.size().toSizeF()
        factor = min(space.width() / size.width(), space.height() / size.height(), _MAX_FIT / self._scale)
        size *= max(factor * self._zoom, 1e-6)
        rect = QRectF(QPointF(0, 0), size)
        rect.moveCenter(space.center() + self._pan)
        return rect

    def to_view(self, x: float, y: float) -> QPointF:
        """A point of the photo as a point of the window."""
        rect, factor = self.image_rect(), self._factor()
        return rect.topLeft() + QPointF(x, y) * factor

    def to_photo(self, point: QPointF) -> tuple[float, float]:
        """A point of the window as a point of the photo; may lie outside of it."""
        offset = (point - self.image_rect().topLeft()) / self._factor()
        return offset.x(), offset.y()

    def paint_overlay(self, painter: QPainter) -> None:
        """Paint over the picture; for classes that derive from this one."""

    def _factor(self) -> float:
        if self._pixmap.isNull():
            return 1.0
        return self.image_rect().width() / self._pixmap.width() * self._scale

    # --- events -----------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint picture and overlay."""
        if self._pixmap.isNull():
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.drawPixmap(self.image_rect(), self._pixmap, QRectF(self._pixmap.rect()))
        self.paint_overlay(painter)
        painter.end()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom around the pointer."""
        steps = event.angleDelta().y() / 120
        if steps and self.has_image:
            self.zoom_by(_WHEEL_STEP**steps, around=event.position())
            event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin to move the picture."""
        if self._zoom > 1.0:
            self._drag_from = event.position()
            self.setCursor(Qt.CursorShape.ClosedHandCursor)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Move the picture."""
        if self._drag_from is not None:
            self._pan += event.position() - self._drag_from
            self._drag_from = event.position()
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End moving the picture."""
        self._drag_from = None
        self.unsetCursor()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Fit again, or zoom in."""
        if self._zoom > 1.0:
            self.fit()
        else:
            self.zoom_by(3.0, around=event.position())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Zoom with plus, minus and zero."""
        if event.key() in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            self.zoom_by(_WHEEL_STEP)
        elif event.key() == Qt.Key.Key_Minus:
            self.zoom_by(1 / _WHEEL_STEP)
        elif event.key() == Qt.Key.Key_0:
            self.fit()
        else:
            super().keyPressEvent(event)
