"""A row of small photos that cannot be scrolled; some may be marked as new."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import QHelpEvent, QPainter, QPainterPath, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from desktop_app.core.errors import display_path
from desktop_app.core.types import PhotoRow
from ui import texts, theme
from ui.catalogue.thumbnail_cache import ThumbnailCache

_GAP_PX = 6
_RADIUS_PX = 7


class PhotoStrip(QWidget):
    """Shows as many photos as fit; the last place then tells how many are left.

    Args:
        thumbnails: Where thumbnails come from.
        side_px: Side of a tile.
        parent: Qt owner.
    """

    def __init__(
        self, thumbnails: ThumbnailCache, *, side_px: int = 72, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._thumbnails = thumbnails
        self._side_px = side_px
        self._photos: tuple[PhotoRow, ...] = ()
        self._new: frozenset[int] = frozenset()
        self.setFixedHeight(side_px)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        thumbnails.ready.connect(self._show_ready)

    @property
    def photos(self) -> tuple[PhotoRow, ...]:
        """What is shown."""
        return self._photos

    @property
    def new(self) -> frozenset[int]:
        """Ids of the photos that are marked as new."""
        return self._new

    def set_photos(self, photos: tuple[PhotoRow, ...], *, new: frozenset[int] = frozenset()) -> None:
        """Show photos; those of `new` get a frame."""
        self._photos, self._new = photos, new
        names = ", ".join(
            texts.name_text(p.path) + (self.tr(" (new)") if p.photo_id in new else "") for p in photos
        )
        self.setAccessibleDescription(names)
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        """Room for all photos."""
        return QSize(max(1, len(self._photos)) * (self._side_px + _GAP_PX), self._side_px)

    def minimumSizeHint(self) -> QSize:
        """Room for one photo."""
        return QSize(self._side_px, self._side_px)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the tiles."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        shown = self._shown()
        for number, photo in enumerate(shown):
            self._paint_tile(painter, self._tile(number), photo)
        left = len(self._photos) - len(shown)
        if left:
            painter.setPen(self.palette().color(theme.MUTED_ROLE))
            painter.drawText(self._tile(len(shown)), Qt.AlignmentFlag.AlignCenter, f"+{left}")
        painter.end()

    def event(self, event: QEvent) -> bool:
        """Name the photo under the pointer."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            for number, photo in enumerate(self._shown()):
                if self._tile(number).contains(event.pos().toPointF()):
                    text = display_path(photo.path)
                    if photo.photo_id in self._new:
                        text += "\n" + self.tr("New among the neighbours")
                    QToolTip.showText(event.globalPos(), text, self)
                    return True
            QToolTip.hideText()
            return True
        return super().event(event)

    def _shown(self) -> tuple[PhotoRow, ...]:
        places = max(1, (self.width() + _GAP_PX) // (self._side_px + _GAP_PX))
        return self._photos if len(self._photos) <= places else self._photos[: max(1, places - 1)]

    def _tile(self, number: int) -> QRectF:
        return QRectF(number * (self._side_px + _GAP_PX), 0, self._side_px, self._side_px)

    def _paint_tile(self, painter: QPainter, tile: QRectF, photo: PhotoRow) -> None:
        inner = tile.adjusted(1.5, 1.5, -1.5, -1.5)
        path = QPainterPath()
        path.addRoundedRect(inner, _RADIUS_PX, _RADIUS_PX)
        pixmap = self._thumbnails.pixmap(photo.thumbnail) if photo.thumbnail is not None else None
        if pixmap is None or pixmap.isNull():
            painter.fillPath(path, self.palette().color(QPalette.ColorRole.AlternateBase))
        else:
            side = min(pixmap.width(), pixmap.height())
            source = QRectF((pixmap.width() - side) / 2, (pixmap.height() - side) / 3, side, side)
            painter.setClipPath(path)
            painter.drawPixmap(inner, pixmap, source)
            painter.setClipping(False)
        if photo.photo_id in self._new:
            painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Accent), 2.5))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(inner, _RADIUS_PX, _RADIUS_PX)

    def _show_ready(self, file: Path) -> None:
        if any(photo.thumbnail == file for photo in self._photos):
            self.update()
