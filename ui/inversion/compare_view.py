"""Two pictures on top of each other with a line between them that can be dragged."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import (
    QColor,
    QFontMetrics,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPalette,
    QPen,
    QPixmap,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from ui import theme

_KEY_STEP = 0.05
_MARGIN_PX = 8
_RADIUS_PX = 10
_GRIP_PX = 13


class CompareView(QWidget):
    """Left of the line the first picture, right of it the second.

    Args:
        parent: Qt owner.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._before = QPixmap()
        self._after = QPixmap()
        self._before_name = ""
        self._after_name = ""
        self._split = 0.5
        self._is_split = True
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(200, 140)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(self.tr("Before and after; move the line with the arrow keys"))
        self.setToolTip(self.tr("Drag the line, or use the arrow keys"))

    def set_before(self, picture: QPixmap | None, name: str) -> None:
        """Set the picture left of the line."""
        self._before = picture or QPixmap()
        self._before_name = name
        self.update()

    def set_after(self, picture: QPixmap | None, name: str) -> None:
        """Set the picture right of the line."""
        self._after = picture or QPixmap()
        self._after_name = name
        self.update()

    def set_is_split(self, is_split: bool) -> None:
        """Show both pictures, or only the second one."""
        self._is_split = is_split
        self.update()

    @property
    def split(self) -> float:
        """Where the line is, 0 (left) to 1 (right)."""
        return self._split

    def set_split(self, split: float) -> None:
        """Move the line."""
        self._split = min(max(split, 0.0), 1.0)
        self.setAccessibleDescription(f"{round(100 * self._split)} %")
        self.update()

    def sizeHint(self) -> QSize:
        """A comfortable size."""
        return QSize(420, 420)

    def picture_rect(self) -> QRectF:
        """Where the pictures lie."""
        space = QRectF(self.rect()).adjusted(_MARGIN_PX, _MARGIN_PX, -_MARGIN_PX, -_MARGIN_PX)
        pixmap = self._after if self._before.isNull() else self._before
        if pixmap.isNull():
            return QRectF()
        size = pixmap.size().toSizeF().scaled(space.size(), Qt.AspectRatioMode.KeepAspectRatio)
        rect = QRectF(space.topLeft(), size)
        rect.moveCenter(space.center())
        return rect

    # --- events -------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint both halves, the line and the names."""
        rect = self.picture_rect()
        if rect.isEmpty():
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        shape = QPainterPath()
        shape.addRoundedRect(rect, _RADIUS_PX, _RADIUS_PX)
        painter.setClipPath(shape)
        line_x = rect.left() + rect.width() * self._split
        if self._after.isNull():
            painter.drawPixmap(rect, self._before, QRectF(self._before.rect()))
        else:
            painter.drawPixmap(rect, self._after, QRectF(self._after.rect()))
        is_split = self._is_split and not self._after.isNull() and not self._before.isNull()
        if is_split:
            left = QRectF(rect.left(), rect.top(), line_x - rect.left(), rect.height())
            painter.setClipRect(left, Qt.ClipOperation.IntersectClip)
            painter.drawPixmap(rect, self._before, QRectF(self._before.rect()))
            painter.setClipPath(shape)
            self._paint_line(painter, rect, line_x)
            if self._split > 0.15:
                self._paint_name(painter, rect, self._before_name, is_left=True)
        if not is_split or self._split < 0.85:
            self._paint_name(painter, rect, self._after_name or self._before_name, is_left=False)
        painter.end()

    def _paint_line(self, painter: QPainter, rect: QRectF, x: float) -> None:
        palette = self.palette()
        ink = palette.color(QPalette.ColorRole.Accent if self.hasFocus() else QPalette.ColorRole.Text)
        painter.setPen(QPen(ink, 2))
        painter.drawLine(int(x), int(rect.top()), int(x), int(rect.bottom()))
        painter.setBrush(palette.color(theme.SHADOW_ROLE))
        middle = rect.center().y()
        painter.drawEllipse(QRectF(x - _GRIP_PX, middle - _GRIP_PX, 2 * _GRIP_PX, 2 * _GRIP_PX))
        for side in (-1, 1):
            tip = x + side * 7
            painter.drawLine(int(tip), int(middle), int(tip - side * 4), int(middle - 4))
            painter.drawLine(int(tip), int(middle), int(tip - side * 4), int(middle + 4))

    def _paint_name(self, painter: QPainter, rect: QRectF, name: str, *, is_left: bool) -> None:
        if not name:
            return
        font = painter.font()
        font.setPointSizeF(8.5)
        painter.setFont(font)
        width = QFontMetrics(font).horizontalAdvance(name) + 16
        x = rect.left() + 10 if is_left else rect.right() - 10 - width
        badge = QRectF(x, rect.bottom() - 32, width, 22)
        fill = QColor(self.palette().color(theme.SHADOW_ROLE))
        fill.setAlphaF(0.75)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(fill)
        painter.drawRoundedRect(badge, 11, 11)
        painter.setPen(self.palette().color(QPalette.ColorRole.Text))
        painter.drawText(badge, Qt.AlignmentFlag.AlignCenter, name)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Move the line to the pointer."""
        self._follow(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Move the line with the pointer."""
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._follow(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move the line with the arrow keys."""
        moves = {Qt.Key.Key_Left: -_KEY_STEP, Qt.Key.Key_Right: _KEY_STEP}
        ends = {Qt.Key.Key_Home: 0.0, Qt.Key.Key_End: 1.0}
        key = Qt.Key(event.key())
        if key in moves:
            self.set_split(self._split + moves[key])
        elif key in ends:
            self.set_split(ends[key])
        else:
            super().keyPressEvent(event)

    def _follow(self, event: QMouseEvent) -> None:
        rect = self.picture_rect()
        if self._is_split and rect.width() > 0:
            self.set_split((event.position().x() - rect.left()) / rect.width())
