"""A view of equal tiles, placed by arithmetic: its cost does not grow with the number of rows.

`QListView` lays out every row again whenever rows are added or the window is resized: 90 to 200 ms
at 100,000 rows, measured, against the 50 ms a slot may take. Here a row's place is a division.
"""

from __future__ import annotations

from PySide6.QtCore import (
    QAbstractItemModel,
    QEvent,
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QRegion, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QAbstractItemView, QFrame, QStyle, QStyleOptionViewItem, QWidget

_Index = QModelIndex | QPersistentModelIndex
_WHEEL_NOTCH, _WHEEL_STEPS = 120, 3  # Qt's eighths of a degree; steps of the bar
_Cursor = QAbstractItemView.CursorAction


class TileView(QAbstractItemView):
    """Shows a one-column model as equal tiles, wrapped into rows or in one scrolling row.

    Signals:
        opened: A tile was double-clicked or Enter was pressed on it.
    """

    opened = Signal(QModelIndex)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tile_px = 160
        self._caption_px = 0
        self._is_single_row = False
        self._hovered = -1
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setMouseTracking(True)
        self.doubleClicked.connect(self._open)

    # --- geometry ---------------------------------------------------------------------------------

    def set_tiles(self, tile_px: int, *, caption_px: int = 0) -> None:
        """Set the least width of a tile and the height added below its square; keeps the place."""
        anchor = self.first_visible_row()
        self._tile_px = tile_px
        self._caption_px = caption_px
        self._relayout()
        if self._count() and not self._is_single_row:
            self.verticalScrollBar().setValue(anchor // self.columns() * self.cell_size().height())

    def set_single_row(self, tile_size_px: int, *, caption_px: int) -> None:
        """Put all tiles into one row that scrolls sideways, as high as it needs to be."""
        self._is_single_row = True
        self.set_tiles(tile_size_px, caption_px=caption_px)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFixedHeight(tile_size_px + caption_px + self.horizontalScrollBar().sizeHint().height() + 4)

    def columns(self) -> int:
        """Tiles in one row."""
        if self._is_single_row:
            return max(1, self._count())
        return max(1, self.viewport().width() // self._tile_px)

    def cell_size(self) -> QSize:
        """Size of one tile; a wrapped tile grows so that a row fills the width."""
        side = self._tile_px
        if not self._is_single_row:
            side = min(max(self.viewport().width() // self.columns(), 1), self._tile_px * 2)
        return QSize(side, side + self._caption_px)

    def first_visible_row(self) -> int:
        """The row of the upper left tile."""
        if self._is_single_row:
            return self.horizontalOffset() // max(1, self._tile_px)
        return self.verticalOffset() // max(1, self.cell_size().height()) * self.columns()

    def visible_rows(self) -> range:
        """Rows of the tiles that are at least partly in view."""
        cell, columns = self.cell_size(), self.columns()
        if self._is_single_row:
            first = self.horizontalOffset() // cell.width()
            last = (self.horizontalOffset() + self.viewport().width()) // cell.width()
        else:
            first = self.verticalOffset() // cell.height() * columns
            last = ((self.verticalOffset() + self.viewport().height()) // cell.height() + 1) * columns - 1
        return range(max(0, first), min(self._count(), last + 1))

    # --- what QAbstractItemView asks for ----------------------------------------------------------

    def visualRect(self, index: _Index) -> QRect:
        """The tile of an index in the viewport."""
        if not index.isValid():
            return QRect()
        return self._rect(index.row())

    def indexAt(self, point: QPoint) -> QModelIndex:
        """The index whose tile is at a point of the viewport."""
        cell, columns = self.cell_size(), self.columns()
        x, y = point.x() + self.horizontalOffset(), point.y() + self.verticalOffset()
        column = x // cell.width()
        if x < 0 or y < 0 or column >= columns or (self._is_single_row and y >= cell.height()):
            return QModelIndex()
        row = (y // cell.height()) * columns + column
        model = self.model()
        if model is None or row >= self._count():
            return QModelIndex()
        return model.index(row, 0)

    def scrollTo(
        self, index: _Index, hint: QAbstractItemView.ScrollHint = QAbstractItemView.ScrollHint.EnsureVisible
    ) -> None:
        """Bring a tile into view."""
        if not index.isValid():
            return
        rect, view = self._rect(index.row()), self.viewport().rect()
        if self._is_single_row:
            bar, low, high, extent = self.horizontalScrollBar(), rect.left(), rect.right(), view.width()
        else:
            bar, low, high, extent = self.verticalScrollBar(), rect.top(), rect.bottom(), view.height()
        if hint == QAbstractItemView.ScrollHint.PositionAtCenter:
            bar.setValue(bar.value() + (low + high - extent) // 2)
        elif low < 0 or hint == QAbstractItemView.ScrollHint.PositionAtTop:
            bar.setValue(bar.value() + low)
        elif high >= extent:
            bar.setValue(bar.value() + high - extent + 1)

    def horizontalOffset(self) -> int:
        """Pixels scrolled sideways."""
        return self.horizontalScrollBar().value()

    def verticalOffset(self) -> int:
        """Pixels scrolled down."""
        return self.verticalScrollBar().value()

    def isIndexHidden(self, index: _Index) -> bool:
        """No tile is hidden."""
        return False

    def moveCursor(
        self, action: QAbstractItemView.CursorAction, modifiers: Qt.KeyboardModifier
    ) -> QModelIndex:
        """The tile that an arrow, page, Home or End key leads to."""
        model, count = self.model(), self._count()
        if model is None or count == 0:
            return QModelIndex()
        current = self.currentIndex()
        if not current.isValid():
            return model.index(min(self.first_visible_row(), count - 1), 0)
        columns = 1 if self._is_single_row else self.columns()
        page = max(1, self.viewport().height() // max(1, self.cell_size().height())) * columns
        steps = {
            _Cursor.MoveLeft: -1,
            _Cursor.MovePrevious: -1,
            _Cursor.MoveRight: 1,
            _Cursor.MoveNext: 1,
            _Cursor.MoveUp: -columns,
            _Cursor.MoveDown: columns,
            _Cursor.MovePageUp: -page,
            _Cursor.MovePageDown: page,
            _Cursor.MoveHome: -count,
            _Cursor.MoveEnd: count,
        }
        wanted = current.row() + steps.get(action, 0)
        vertical = (_Cursor.MoveUp, _Cursor.MoveDown)
        if action in vertical and not 0 <= wanted < count:
            last_line = (count - 1) // columns
            wanted = count - 1 if wanted >= count and current.row() // columns < last_line else current.row()
        return model.index(min(max(wanted, 0), count - 1), 0)

    def setSelection(self, rect: QRect, command: QItemSelectionModel.SelectionFlag) -> None:
        """Select the tiles from the upper left to the lower right corner of a rectangle."""
        model = self.model()
        if model is None:
            return
        first, last = self.indexAt(rect.topLeft()), self.indexAt(rect.bottomRight())
        if not first.isValid() or not last.isValid():
            selection = QItemSelection()
        else:
            rows = sorted((first.row(), last.row()))
            selection = QItemSelection(model.index(rows[0], 0), model.index(rows[1], 0))
        self.selectionModel().select(selection, command)

    def visualRegionForSelection(self, selection: QItemSelection) -> QRegion:
        """The viewport's part that a selection covers."""
        region = QRegion()
        visible = self.visible_rows()
        for part in selection.toList():
            for row in range(max(part.top(), visible.start), min(part.bottom() + 1, visible.stop)):
                region += self._rect(row)
        return region

    def keyboardSearch(self, search: str) -> None:
        """Typing does not search: matching would load every row."""

    def setModel(self, model: QAbstractItemModel | None) -> None:
        """Show another model."""
        super().setModel(model)
        if model is not None:
            model.rowsInserted.connect(self._relayout)
            model.rowsRemoved.connect(self._relayout)
            model.modelReset.connect(self._relayout)
            model.layoutChanged.connect(self._relayout)
        self._relayout()

    def updateGeometries(self) -> None:
        """Fit the scroll bars to the number of rows."""
        super().updateGeometries()
        cell, count, view = self.cell_size(), self._count(), self.viewport()
        across, down = self.horizontalScrollBar(), self.verticalScrollBar()
        if self._is_single_row:
            across.setRange(0, max(0, count * cell.width() - view.width()))
            across.setPageStep(view.width())
            across.setSingleStep(max(1, cell.width() // 3))
            down.setRange(0, 0)
            return
        lines = -(-count // self.columns())
        across.setRange(0, 0)
        down.setRange(0, max(0, lines * cell.height() - view.height()))
        down.setPageStep(view.height())
        down.setSingleStep(max(1, cell.height() // 3))

    # --- events -----------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the tiles in view."""
        model = self.model()
        if model is None:
            return
        painter = QPainter(self.viewport())
        option = QStyleOptionViewItem()
        self.initViewItemOption(option)
        current = self.currentIndex().row() if self.hasFocus() else -1
        selection = self.selectionModel()
        plain = option.state & ~(QStyle.StateFlag.State_HasFocus | QStyle.StateFlag.State_MouseOver)
        for row in self.visible_rows():
            rect = self._rect(row)
            if not rect.intersects(event.rect()):
                continue
            index = model.index(row, 0)
            option.rect = rect
            option.state = plain
            if selection.isSelected(index):
                option.state |= QStyle.StateFlag.State_Selected
            if row == current:
                option.state |= QStyle.StateFlag.State_HasFocus
            if row == self._hovered:
                option.state |= QStyle.StateFlag.State_MouseOver
            self.itemDelegate().paint(painter, option, index)
        painter.end()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the upper left tile in view while the window changes its width."""
        old_width = event.oldSize().width()
        anchor = 0
        if not self._is_single_row and old_width > 0:
            columns = max(1, old_width // self._tile_px)
            side = min(max(old_width // columns, 1), self._tile_px * 2) + self._caption_px
            anchor = self.verticalOffset() // side * columns
        super().resizeEvent(event)
        self.updateGeometries()
        if anchor and event.size().width() != old_width:
            self.verticalScrollBar().setValue(anchor // self.columns() * self.cell_size().height())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Open the current tile with Enter; everything else as usual."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.currentIndex().isValid():
            self.opened.emit(self.currentIndex())
            return
        super().keyPressEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scroll a single row sideways with an ordinary wheel too."""
        turned = event.angleDelta()
        if not self._is_single_row or turned.x():
            super().wheelEvent(event)
            return
        bar = self.horizontalScrollBar()
        bar.setValue(bar.value() - turned.y() * _WHEEL_STEPS * bar.singleStep() // _WHEEL_NOTCH)
        event.setAccepted(bar.maximum() > 0)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Follow the tile under the pointer."""
        super().mouseMoveEvent(event)
        self._hover(self.indexAt(event.position().toPoint()).row())

    def leaveEvent(self, event: QEvent) -> None:
        """No tile is under the pointer."""
        super().leaveEvent(event)
        self._hover(-1)

    # --- private ----------------------------------------------------------------------------------

    def _count(self) -> int:
        model = self.model()
        return 0 if model is None else model.rowCount()

    def _rect(self, row: int) -> QRect:
        cell, columns = self.cell_size(), self.columns()
        x = row % columns * cell.width() - self.horizontalOffset()
        y = row // columns * cell.height() - self.verticalOffset()
        return QRect(x, y, cell.width(), cell.height())

    def _hover(self, row: int) -> None:
        if row == self._hovered:
            return
        for changed in (row, self._hovered):
            if 0 <= changed < self._count():
                self.viewport().update(self._rect(changed))
        self._hovered = row

    def _open(self, index: QModelIndex) -> None:
        self.opened.emit(index)

    def _relayout(self) -> None:
        self.updateGeometries()
        self.viewport().update()
