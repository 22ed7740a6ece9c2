"""A chart of the error (L2) and of the relative change over the steps."""

from __future__ import annotations

import itertools
import math

from PySide6.QtCore import QEvent, QPointF, QRectF, Qt
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent, QPalette, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from desktop_app.core.types import InversionStep
from ui import texts, theme

_LEFT_PX, _RIGHT_PX, _TOP_PX, _BOTTOM_PX = 52, 44, 30, 34
_TICKS = 4
_DOT_PX = 3.5


class ChangeChart(QWidget):
    """Two lines over the step number: L2 on the left axis, relative change on the right one.

    Args:
        parent: Qt owner.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._steps: tuple[InversionStep, ...] = ()
        self._planned = 5
        self._current = 0
        self._hovered = 0
        self.setMinimumSize(200, 130)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMouseTracking(True)
        self.setAccessibleName(self.tr("Chart of error and change over the steps"))

    def set_planned(self, steps: int) -> None:
        """Make room for a number of steps."""
        self._planned = max(1, steps)
        self.update()

    def set_steps(self, steps: tuple[InversionStep, ...]) -> None:
        """Show steps."""
        self._steps = steps
        described = "; ".join(
            self.tr("step {}: L2 {:.4f}, change {:.0f} %").format(s.index, s.l2, 100 * s.relative_change)
            for s in steps
        )
        self.setAccessibleDescription(described)
        self.update()

    def set_current(self, index: int) -> None:
        """Mark a step; 0 marks none."""
        self._current = index
        self.update()

    def value_text(self, index: int) -> str:
        """The values of a step for the tooltip; empty when there is no such step."""
        for step in self._steps:
            if step.index == index:
                return self.tr("Step {}:  L2 {:.4f},  relative change {:.0f} %").format(
                    step.index, step.l2, 100 * step.relative_change
                )
        return ""

    def step_at(self, x: float) -> int:
        """The step nearest to a place of the chart, or 0."""
        if not self._steps:
            return 0
        nearest = min(self._steps, key=lambda step: abs(self._x(step.index) - x))
        return nearest.index

    # --- painting -----------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint axes and lines."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = painter.font()
        font.setPointSizeF(8)
        painter.setFont(font)
        l2_top = nice_top(max((step.l2 for step in self._steps), default=0.1))
        change_top = nice_top(max((step.relative_change for step in self._steps), default=1.0))
        self._paint_axes(painter, l2_top, change_top)
        self._paint_phases(painter)
        palette = self.palette()
        accent, second = palette.color(QPalette.ColorRole.Accent), palette.color(theme.WARNING_ROLE)
        self._paint_line(
            painter, [step.relative_change / change_top for step in self._steps], QPen(second, 2)
        )
        self._paint_line(painter, [step.l2 / l2_top for step in self._steps], QPen(accent, 2))
        painter.end()

    def _plot(self) -> QRectF:
        return QRectF(self.rect()).adjusted(_LEFT_PX, _TOP_PX, -_RIGHT_PX, -_BOTTOM_PX)

    def _x(self, index: int) -> float:
        plot = self._plot()
        count = max(self._planned, len(self._steps))
        return plot.left() + plot.width() * (index - 0.5) / count

    def _paint_axes(self, painter: QPainter, l2_top: float, change_top: float) -> None:
        plot, palette = self._plot(), self.palette()
        muted, line = palette.color(theme.MUTED_ROLE), palette.color(theme.BORDER_ROLE)
        for tick in range(_TICKS + 1):
            share = tick / _TICKS
            y = plot.bottom() - share * plot.height()
            painter.setPen(QPen(line, 1))
            painter.drawLine(QPointF(plot.left(), y), QPointF(plot.right(), y))
            painter.setPen(muted)
            left = QRectF(0, y - 9, _LEFT_PX - 6, 18)
            painter.drawText(
                left, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, f"{share * l2_top:.3g}"
            )
            right = QRectF(plot.right() + 6, y - 9, _RIGHT_PX - 6, 18)
            painter.drawText(
                right,
                Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter,
                f"{100 * share * change_top:.0f} %",
            )
        count = max(self._planned, len(self._steps))
        every = max(1, math.ceil(count / 7))
        for index in range(1, count + 1, every):
            spot = QRectF(self._x(index) - 20, plot.bottom() + 2, 40, 14)
            painter.drawText(spot, Qt.AlignmentFlag.AlignCenter, str(index))
        bottom = QRectF(plot.left(), plot.bottom() + 15, plot.width(), 16)
        painter.drawText(bottom, Qt.AlignmentFlag.AlignCenter, self.tr("step"))
        marked = self._hovered or self._current
        if marked:
            painter.setPen(QPen(muted, 1, Qt.PenStyle.DashLine))
            painter.drawLine(QPointF(self._x(marked), plot.top()), QPointF(self._x(marked), plot.bottom()))
        head = QRectF(6, 4, self.width() - 12, 18)
        painter.setPen(palette.color(QPalette.ColorRole.Accent))
        painter.drawText(head, Qt.AlignmentFlag.AlignLeft, self.tr("● L2 error"))
        painter.setPen(palette.color(theme.WARNING_ROLE))
        painter.drawText(head, Qt.AlignmentFlag.AlignRight, self.tr("relative change ●"))

    def _paint_phases(self, painter: QPainter) -> None:
        """A line where one part of a run ends, with the name of the next."""
        plot = self._plot()
        painter.setPen(QPen(self.palette().color(theme.MUTED_ROLE), 1, Qt.PenStyle.DotLine))
        for before, after in itertools.pairwise(self._steps):
            if before.phase == after.phase:
                continue
            x = (self._x(before.index) + self._x(after.index)) / 2
            painter.drawLine(QPointF(x, plot.top()), QPointF(x, plot.bottom()))
            spot = QRectF(x + 3, plot.top(), 60, 14)
            painter.drawText(spot, Qt.AlignmentFlag.AlignLeft, texts.phase_text(after.phase).lower())

    def _paint_line(self, painter: QPainter, shares: list[float], pen: QPen) -> None:
        if not shares:
            return
        plot = self._plot()
        points = [
            QPointF(self._x(step.index), plot.bottom() - share * plot.height())
            for step, share in zip(self._steps, shares, strict=True)
        ]
        painter.setPen(pen)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPolyline(QPolygonF(points))
        painter.setBrush(pen.color())
        for step, point in zip(self._steps, points, strict=True):
            radius = _DOT_PX + (1.5 if step.index == (self._hovered or self._current) else 0)
            painter.drawEllipse(point, radius, radius)

    # --- events -------------------------------------------------------------------------------------

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Show the values of the step under the pointer."""
        index = self.step_at(event.position().x())
        if index != self._hovered:
            self._hovered = index
            self.update()
        text = self.value_text(index)
        if text:
            QToolTip.showText(event.globalPosition().toPoint(), text, self)

    def leaveEvent(self, event: QEvent) -> None:
        """No step is under the pointer."""
        self._hovered = 0
        self.update()


def nice_top(value: float) -> float:
    """The next number at or above a value whose quarters are short too, for the top of an axis."""
    if value <= 0 or not math.isfinite(value):
        return 1.0
    magnitude = 10.0 ** math.floor(math.log10(value))
    for step in (1.0, 2.0, 4.0, 6.0, 8.0, 10.0):
        if value <= step * magnitude * (1 + 1e-9):
            return step * magnitude
    return 10.0 * magnitude
