"""Paints a photo tile: picture, selection, focus, similarity, missing states."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPainterPath, QPalette, QPen, QPixmap
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from desktop_app.core.types import HitKind, PhotoRow
from ui import texts, theme
from ui.catalogue.photo_roles import PhotoRole

_GAP_PX = 5
_RADIUS_PX = 8
_BADGE_PX = 20
CAPTION_PX = 22


class PhotoDelegate(QStyledItemDelegate):
    """Paints tiles of photo models.

    Attributes:
        fills: Tiles are filled with the middle of the picture; else the whole picture is shown.
        shows_names: File names stand below the tiles.

    Args:
        parent: Qt owner.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.fills = True
        self.shows_names = False

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Paint one tile."""
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        palette: QPalette = option.palette
        rect: QRect = option.rect
        state: QStyle.StateFlag = option.state
        caption = CAPTION_PX if self.shows_names else 0
        tile = QRectF(rect).adjusted(_GAP_PX, _GAP_PX, -_GAP_PX, -_GAP_PX - caption)
        photo: PhotoRow | None = index.data(PhotoRole.ROW)
        pixmap: QPixmap | None = index.data(PhotoRole.THUMBNAIL)
        shown = self._paint_picture(painter, tile, palette=palette, pixmap=pixmap)
        if pixmap is None and photo is not None and index.data(PhotoRole.HAS_FAILED):
            _paint_broken(painter, tile)
        badges = _badges(index)
        if badges:
            _paint_badges(painter, tile, palette=palette, badges=badges)
        if self.shows_names and photo is not None:
            _paint_name(painter, rect, palette=palette, name=texts.name_text(photo.path))
        _paint_frame(painter, shown, palette=palette, state=state)
        painter.restore()

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        """Sizes are the view's affair."""
        return option.rect.size()

    def _paint_picture(
        self, painter: QPainter, tile: QRectF, *, palette: QPalette, pixmap: QPixmap | None
    ) -> QRectF:
        path = QPainterPath()
        if pixmap is None or pixmap.isNull():
            path.addRoundedRect(tile, _RADIUS_PX, _RADIUS_PX)
            painter.fillPath(path, palette.color(QPalette.ColorRole.AlternateBase))
            return tile
        size = pixmap.size().toSizeF()
        if self.fills:
            target = tile
            side = min(size.width(), size.height())
            source = QRectF((size.width() - side) / 2, (size.height() - side) / 3, side, side)
        else:
            size.scale(tile.size(), Qt.AspectRatioMode.KeepAspectRatio)
            target = QRectF(tile.topLeft(), size)
            target.moveCenter(tile.center())
            source = QRectF(pixmap.rect())
        path.addRoundedRect(target, _RADIUS_PX, _RADIUS_PX)
        painter.setClipPath(path)
        painter.drawPixmap(target, pixmap, source)
        painter.setClipping(False)
        return target


def _paint_broken(painter: QPainter, tile: QRectF) -> None:
    side = int(min(40.0, tile.width() / 2))
    picture = theme.icon_pixmap("image", theme.BORDER_ROLE, side_px=side)
    painter.drawPixmap(int(tile.center().x() - side / 2), int(tile.center().y() - side / 2), picture)


def _badges(index: QModelIndex | QPersistentModelIndex) -> list[tuple[str, bool]]:
    """Texts over a picture, and whether each is plain; the others stand out."""
    text = index.data(PhotoRole.BADGE)
    if text is not None:
        return [(text, True)]
    similarity = index.data(PhotoRole.SIMILARITY)
    if similarity is None:
        return []
    kind = HitKind(index.data(PhotoRole.KIND))  # Qt hands text enums out as plain text
    badges = [(texts.similarity_text(float(similarity)), kind is HitKind.SIMILAR)]
    if kind is not HitKind.SIMILAR:
        badges.append((texts.kind_text(kind), False))
    return badges


def _paint_badges(
    painter: QPainter, tile: QRectF, *, palette: QPalette, badges: list[tuple[str, bool]]
) -> None:
    font = painter.font()
    font.setPointSizeF(8.5)
    font.setBold(True)
    painter.setFont(font)
    metrics = QFontMetrics(font)
    x = tile.left() + 6
    for text, is_plain in badges:
        width = metrics.horizontalAdvance(text) + 14
        if x + width > tile.right():
            break  # the section's title says it as well
        badge = QRectF(x, tile.bottom() - _BADGE_PX - 6, width, _BADGE_PX)
        role = QPalette.ColorRole.Shadow if is_plain else QPalette.ColorRole.Accent
        fill = QColor(palette.color(role))
        fill.setAlphaF(0.8 if is_plain else 1.0)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(fill)
        painter.drawRoundedRect(badge, _BADGE_PX / 2, _BADGE_PX / 2)
        ink = QPalette.ColorRole.Text if is_plain else QPalette.ColorRole.HighlightedText
        painter.setPen(palette.color(ink))
        painter.drawText(badge, Qt.AlignmentFlag.AlignCenter, text)
        x += width + 5


def _paint_name(painter: QPainter, rect: QRect, *, palette: QPalette, name: str) -> None:
    line = QRect(rect.left() + 8, rect.bottom() - CAPTION_PX, rect.width() - 16, CAPTION_PX)
    painter.setPen(palette.color(theme.MUTED_ROLE))
    font = painter.font()
    font.setPointSizeF(8.5)
    painter.setFont(font)
    shown = QFontMetrics(font).elidedText(name, Qt.TextElideMode.ElideMiddle, line.width())
    painter.drawText(line, Qt.AlignmentFlag.AlignCenter, shown)


def _paint_frame(painter: QPainter, shown: QRectF, *, palette: QPalette, state: QStyle.StateFlag) -> None:
    painter.setBrush(Qt.BrushStyle.NoBrush)
    is_selected = bool(state & QStyle.StateFlag.State_Selected)
    if is_selected:
        painter.setPen(QPen(palette.color(QPalette.ColorRole.Accent), 3))
        painter.drawRoundedRect(shown.adjusted(-1, -1, 1, 1), _RADIUS_PX, _RADIUS_PX)
    elif state & QStyle.StateFlag.State_MouseOver:
        painter.setPen(QPen(palette.color(theme.MUTED_ROLE), 1.5))
        painter.drawRoundedRect(shown, _RADIUS_PX, _RADIUS_PX)
    if state & QStyle.StateFlag.State_HasFocus:
        painter.setPen(QPen(palette.color(QPalette.ColorRole.Text), 1, Qt.PenStyle.DotLine))
        painter.drawRoundedRect(shown.adjusted(-4, -4, 4, 4), _RADIUS_PX + 2, _RADIUS_PX + 2)
