"""Paints a person: a round face, the name, in how many photos."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt
from PySide6.QtGui import QFont, QFontMetrics, QPainter, QPainterPath, QPalette, QPen, QPixmap
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from desktop_app.core.types import PersonInfo
from ui import texts, theme
from ui.people.people_model import PersonRole

CAPTION_PX = 46
_INSET_PX = 14
_LINE_PX = 20
_ICON_SHARE = 0.45
_HIDDEN_OPACITY = 0.45
_Index = QModelIndex | QPersistentModelIndex


class PersonDelegate(QStyledItemDelegate):
    """Paints tiles of the model of people."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        """Paint one tile."""
        person: PersonInfo | None = index.data(PersonRole.PERSON)
        if person is None:
            return
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        rect = QRectF(option.rect)
        side = min(rect.width(), rect.height() - CAPTION_PX) - 2 * _INSET_PX
        disc = QRectF(rect.center().x() - side / 2, rect.top() + _INSET_PX, side, side)
        self._paint_ground(painter, rect, option)
        if person.is_hidden:
            painter.setOpacity(_HIDDEN_OPACITY)
        self._paint_face(painter, disc, option.palette, index.data(PersonRole.PICTURE))
        self._paint_words(painter, rect, option.palette, person, top=disc.bottom() + 6)
        painter.restore()

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:
        """Sizes are the view's affair."""
        return option.rect.size()

    def _paint_ground(self, painter: QPainter, rect: QRectF, option: QStyleOptionViewItem) -> None:
        ground = rect.adjusted(4, 4, -4, -2)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.setPen(QPen(option.palette.color(QPalette.ColorRole.Accent), 2))
            painter.setBrush(option.palette.color(QPalette.ColorRole.AlternateBase))
            painter.drawRoundedRect(ground, 12, 12)
        elif option.state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(option.palette.color(QPalette.ColorRole.AlternateBase))
            painter.drawRoundedRect(ground, 12, 12)
        if option.state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QPen(option.palette.color(QPalette.ColorRole.Text), 1, Qt.PenStyle.DotLine))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(ground.adjusted(3, 3, -3, -3), 10, 10)

    def _paint_face(self, painter: QPainter, disc: QRectF, palette: QPalette, pixmap: QPixmap | None) -> None:
        path = QPainterPath()
        path.addEllipse(disc)
        if pixmap is None or pixmap.isNull():
            painter.fillPath(path, palette.color(QPalette.ColorRole.Midlight))
            icon_px = int(disc.width() * _ICON_SHARE)
            picture = theme.icon_pixmap("faces", theme.MUTED_ROLE, side_px=icon_px)
            painter.drawPixmap(
                int(disc.center().x() - icon_px / 2), int(disc.center().y() - icon_px / 2), picture
            )
            return
        painter.setClipPath(path)
        painter.drawPixmap(disc, pixmap, QRectF(pixmap.rect()))
        painter.setClipping(False)
        painter.setPen(QPen(palette.color(theme.BORDER_ROLE), 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawEllipse(disc)

    def _paint_words(
        self, painter: QPainter, rect: QRectF, palette: QPalette, person: PersonInfo, *, top: float
    ) -> None:
        font = QFont(painter.font())
        font.setBold(bool(person.name))
        painter.setFont(font)
        painter.setPen(
            palette.color(QPalette.ColorRole.Text) if person.name else palette.color(theme.MUTED_ROLE)
        )
        line = QRectF(rect.left() + 8, top, rect.width() - 16, _LINE_PX)
        name = person.name or self.tr("Who is this?")
        shown = QFontMetrics(font).elidedText(name, Qt.TextElideMode.ElideRight, int(line.width()))
        painter.drawText(line, Qt.AlignmentFlag.AlignCenter, shown)
        font.setBold(False)
        font.setPointSizeF(8.5)
        painter.setFont(font)
        painter.setPen(palette.color(theme.MUTED_ROLE))
        photos = texts.photos_text(person.photos)
        if person.is_hidden:
            photos = self.tr("hidden  ·  {}").format(photos)
        painter.drawText(line.translated(0, _LINE_PX - 2), Qt.AlignmentFlag.AlignCenter, photos)
