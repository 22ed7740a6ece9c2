"""The strip of steps: each picture with its heat map and figures below."""

from __future__ import annotations

from PySide6.QtCore import QAbstractItemModel, QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt, QTimer
from PySide6.QtGui import QPainter, QPainterPath, QPalette, QPen, QPixmap, QResizeEvent
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from ui import theme
from ui.inversion.step_list_model import StepRole
from ui.widgets.tile_view import TileView

_GAP_PX = 4
_RADIUS_PX = 6
_LINE_PX = 17
_FIGURES_PX = 28
_AROUND_PX = 2 * _GAP_PX + _LINE_PX + _FIGURES_PX + 2  # what a tile has besides its two pictures
_LEAST_SIDE_PX = 44  # the figures below still fit
_SCROLLED_SIDE_PX = 60  # where the tiles do not fit all the same
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
        title = QRectF(left - _GAP_PX, top, width + 2 * _GAP_PX, _LINE_PX + 2)
        picture = QRectF(left, title.bottom() + 2, width, width)
        heat = QRectF(left, picture.bottom() + _GAP_PX, width, width)
        figures = QRectF(left - _GAP_PX, heat.bottom() + 3, width + 2 * _GAP_PX, _FIGURES_PX)
        font = painter.font()
        font.setPointSizeF(8.5)
        font.setBold(is_selected)
        painter.setFont(font)
        painter.setPen(palette.color(QPalette.ColorRole.Link if is_selected else QPalette.ColorRole.Text))
        words = painter.fontMetrics().elidedText(
            index.data(), Qt.TextElideMode.ElideRight, option.rect.width()
        )
        painter.drawText(title, Qt.AlignmentFlag.AlignCenter, words)
        _paint_rounded(painter, picture, index.data(StepRole.PICTURE))
        _paint_rounded(painter, heat, index.data(StepRole.HEAT))
        font.setBold(False)
        font.setPointSizeF(7.5)
        painter.setFont(font)
        painter.setPen(palette.color(theme.MUTED_ROLE))
        wrapped = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap
        painter.drawText(
            figures, int(wrapped), _shortened(index.data(StepRole.FIGURES), painter, figures.width())
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
    """One row of steps; where all of them do not fit, they shrink a little, then scroll sideways.

    Args:
        side_px: Side of a picture where there is room.
        parent: Qt owner.
    """

    def __init__(self, side_px: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._most_px = side_px
        self._side_px = 0
        self._planned = 0
        # Other tiles inside of a change of size would leave the viewport behind.
        self._fit_soon = QTimer(self)
        self._fit_soon.setSingleShot(True)
        self._fit_soon.timeout.connect(self._fit)
        self.setItemDelegate(StepDelegate(self))
        self.setAccessibleName(self.tr("Steps of the inversion"))
        self._set_side(_LEAST_SIDE_PX)

    def set_planned(self, tiles: int) -> None:
        """Keep room for so many tiles, so that they do not shrink as they come."""
        self._planned = tiles
        self._fit()

    def setModel(self, model: QAbstractItemModel | None) -> None:
        """Show another model."""
        super().setModel(model)
        if model is not None:
            for changed in (model.rowsInserted, model.rowsRemoved, model.modelReset):
                changed.connect(self._fit)

    def sizeHint(self) -> QSize:
        """As high as the width asks for."""
        return QSize(super().sizeHint().width(), self._height_of(self._side_of_width()))

    def minimumSizeHint(self) -> QSize:
        """Room for small tiles."""
        return QSize(super().minimumSizeHint().width(), self._height_of(_LEAST_SIDE_PX))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the tiles, and keep the chosen one in view."""
        super().resizeEvent(event)
        self._fit_soon.start()

    def _fit(self) -> None:
        side_px = self._side_of_width()
        self.setMaximumHeight(self._height_of(side_px))
        spare_px = self.height() - self._height_of(0)
        self._set_side(max(_LEAST_SIDE_PX, min(side_px, spare_px // 2)))
        self.updateGeometry()
        self.scrollTo(self.currentIndex())

    def _side_of_width(self) -> int:
        model = self.model()
        tiles = max(1, self._planned, 0 if model is None else model.rowCount())
        side_px = self.viewport().width() // tiles - 2 * _GAP_PX
        return min(self._most_px, side_px if side_px >= _LEAST_SIDE_PX else _SCROLLED_SIDE_PX)

    def _height_of(self, side_px: int) -> int:
        return 2 * side_px + _AROUND_PX + self.horizontalScrollBar().sizeHint().height() + 4

    def _set_side(self, side_px: int) -> None:
        if side_px != self._side_px:
            self._side_px = side_px
            self.set_single_row(side_px + 2 * _GAP_PX, caption_px=side_px + _AROUND_PX - 2 * _GAP_PX)
            self.setMinimumHeight(self._height_of(_LEAST_SIDE_PX))
            self.setMaximumHeight(self._height_of(self._side_of_width()))


def _shortened(figures: str, painter: QPainter, width_px: float) -> str:
    """Without the name of the error where it does not fit beside its value."""
    first, _, rest = figures.partition("\n")
    if rest and painter.fontMetrics().horizontalAdvance(first) > width_px - _GAP_PX:
        first = first.rpartition(" ")[2]
    return f"{first}\n{rest}" if rest else first


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
