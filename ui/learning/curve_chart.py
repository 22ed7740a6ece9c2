"""A small chart of one figure over the steps of a training."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPalette, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from ui import theme

_MARGIN_PX, _HEAD_PX, _FOOT_PX = 14, 44, 22
_HEIGHT_PX = 150
_LEAST_SPAN = 1e-6


class CurveChart(QWidget):
    """One line, its latest value written large.

    Args:
        title: What is shown.
        tip: What it means and which way is better.
        parent: Qt owner.
    """

    def __init__(self, title: str, tip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title = title
        self._values: list[float] = []
        self._planned = 1
        self._is_alarmed = False
        self.setFixedHeight(_HEIGHT_PX)
        self.setMinimumWidth(150)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip(tip)
        self.setAccessibleName(title)

    @property
    def values(self) -> tuple[float, ...]:
        """What is drawn."""
        return tuple(self._values)

    def set_values(self, values: list[float], *, planned: int) -> None:
        """Show values; `planned` steps make the full width."""
        self._values = list(values)
        self._planned = max(planned, len(values), 2)
        self.setAccessibleDescription(f"{values[-1]:.3f}" if values else "")
        self.update()

    def set_alarmed(self, is_alarmed: bool) -> None:
        """Draw in the colour of danger."""
        self._is_alarmed = is_alarmed
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint card, title, value and line."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        palette = self.palette()
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(palette.color(QPalette.ColorRole.Base))
        painter.drawRoundedRect(QRectF(self.rect()), 12, 12)
        role = theme.DANGER_ROLE if self._is_alarmed else QPalette.ColorRole.Accent
        self._paint_head(painter, palette.color(role))
        plot = QRectF(self.rect()).adjusted(_MARGIN_PX, _HEAD_PX, -_MARGIN_PX, -_FOOT_PX)
        painter.setPen(QPen(palette.color(theme.BORDER_ROLE), 1))
        painter.drawLine(plot.bottomLeft(), plot.bottomRight())
        if self._values:
            self._paint_line(painter, plot, palette.color(role))
        painter.end()

    def _paint_head(self, painter: QPainter, colour: QColor) -> None:
        area = QRectF(self.rect()).adjusted(_MARGIN_PX, 10, -_MARGIN_PX, 0)
        area.setHeight(_HEAD_PX - 16)
        font = painter.font()
        font.setPointSizeF(9)
        painter.setFont(font)
        painter.setPen(self.palette().color(theme.MUTED_ROLE))
        left = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(area, left, self._title)
        font.setPointSizeF(13)
        font.setBold(True)
        painter.setFont(font)
        painter.setPen(colour)
        text = f"{self._values[-1]:.3f}" if self._values else "–"
        painter.drawText(area, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)

    def _paint_line(self, painter: QPainter, plot: QRectF, colour: QColor) -> None:
        low, high = min(self._values), max(self._values)
        span = max(high - low, _LEAST_SPAN)
        points = [
            QPointF(
                plot.left() + plot.width() * number / (self._planned - 1),
                plot.bottom() - plot.height() * (value - low) / span,
            )
            for number, value in enumerate(self._values)
        ]
        soft = QColor(colour)
        soft.setAlphaF(0.14)
        area = QPolygonF(
            [QPointF(points[0].x(), plot.bottom()), *points, QPointF(points[-1].x(), plot.bottom())]
        )
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(soft)
        painter.drawPolygon(area)
        painter.setPen(QPen(colour, 2))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPolyline(QPolygonF(points))
        painter.setBrush(colour)
        painter.drawEllipse(points[-1], 3.5, 3.5)
        font = painter.font()
        font.setPointSizeF(8)
        font.setBold(False)
        painter.setFont(font)
        painter.setPen(self.palette().color(theme.MUTED_ROLE))
        foot = QRectF(plot.left(), plot.bottom() + 3, plot.width(), _FOOT_PX - 4)
        painter.drawText(foot, Qt.AlignmentFlag.AlignLeft, self.tr("step 1"))
        painter.drawText(foot, Qt.AlignmentFlag.AlignRight, f"{self._planned}")
