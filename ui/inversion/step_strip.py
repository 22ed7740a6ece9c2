"""The strip of steps: each picture with its heat map and figures below."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPainterPath, QPalette, QPen, QPixmap
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from ui import theme
from ui.inversion.step_list_model import StepRole
from ui.widgets.tile_view import TileView

_GAP_PX = 4
_RADIUS_PX = 6
_LINE_PX = 17
_FIGURES_PX = 28
_Index = QModelIndex | QPersistentModelIndex


class StepDelegate(QStyledItemDelegate):
    """Paints one step."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        """Paint title, picture, heat map and figures."""
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        palette: QPalette = option.palette
        is_selected = bool(option.state & QStyle.StateFlag.State_Selected)
        is_hovered = bool(option.state & QStyle.StateFlag.State_MouseOver)
        left, width = option.rect.left() + _GAP_PX, option.rect.width() - 2 * _GAP_PX
        top = option.rect.top()
        title = QRectF(left, top, width, _LINE_PX + 2)
        picture = QRectF(left, title.bottom() + 2, width, width)
        heat = QRectF(left, picture.bottom() + _GAP_PX, width, width)
        figures = QRectF(left - _GAP_PX, heat.bottom() + 3, width + 2 * _GAP_PX, _FIGURES_PX)
        font = painter.font()
        font.setPointSizeF(8.5)
        font.setBold(is_selected)
        painter.setFont(font)
        painter.setPen(palette.color(QPalette.ColorRole.Link if is_selected else QPalette.ColorRole.Text))
        painter.drawText(title, Qt.AlignmentFlag.AlignCenter, index.data())
        _paint_rounded(painter, picture, index.data(StepRole.PICTURE))
        _paint_rounded(painter, heat, index.data(StepRole.HEAT))
        font.setBold(False)
        font.setPointSizeF(7.5)
        painter.setFont(font)
        painter.setPen(palette.color(theme.MUTED_ROLE))
        painter.drawText(
            figures, Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop, index.data(StepRole.FIGURES)
        )
        if is_selected or is_hovered:
            role = QPalette.ColorRole.Accent if is_selected else theme.MUTED_ROLE
            painter.setPen(QPen(palette.color(role), 2.5 if is_selected else 1.5))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(picture, _RADIUS_PX, _RADIUS_PX)
        if option.state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QPen(palette.color(QPalette.ColorRole.Text), 1, Qt.PenStyle.DotLine))
            painter.drawRoundedRect(picture.adjusted(-3, -3, 3, 3), _RADIUS_PX, _RADIUS_PX)
        painter.restore()

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:
        """Sizes are the view's affair."""
        return option.rect.size()


class StepStrip(TileView):
    """One row of steps that scrolls sideways.

    Args:
        side_px: Side of a picture.
        parent: Qt owner.
    """

    def __init__(self, side_px: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setItemDelegate(StepDelegate(self))
        self.setAccessibleName(self.tr("Steps of the inversion"))
        tile_px = side_px + 2 * _GAP_PX
        self.set_single_row(tile_px, caption_px=side_px + _LINE_PX + _FIGURES_PX + 2)


def _paint_rounded(painter: QPainter, target: QRectF, pixmap: QPixmap | None) -> None:
    if pixmap is None or pixmap.isNull():
        return
    size = pixmap.size().toSizeF().scaled(target.size(), Qt.AspectRatioMode.KeepAspectRatio)
    middle = target.center()
    target = QRectF(
        middle.x() - size.width() / 2, middle.y() - size.height() / 2, size.width(), size.height()
    )
    path = QPainterPath()
    path.addRoundedRect(target, _RADIUS_PX, _RADIUS_PX)
    painter.setClipPath(path)
    painter.drawPixmap(target, pixmap, QRectF(pixmap.rect()))
    painter.setClipping(False)
