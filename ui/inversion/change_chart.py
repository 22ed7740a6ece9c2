"""A chart of the error (L2) and of the relative change over the steps."""

from __future__ import annotations

import itertools
import math

from PySide6.QtCore import QEvent, QPointF, QRectF, Qt
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent, QPalette, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from desktop_app.core.types import InversionStep
from ui import texts, theme
from ui.inversion import chart_frame

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
        chart_frame.prepare(painter)
        tops = l2_top, change_top = chart_frame.tops_of(self._steps)
        self._paint_axes(painter, tops)
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

    def _paint_axes(self, painter: QPainter, tops: tuple[float, float]) -> None:
        plot, palette = self._plot(), self.palette()
        chart_frame.paint_scales(painter, plot, palette, tops=tops, ticks=_TICKS)
        count = max(self._planned, len(self._steps))
        every = max(1, math.ceil(count / 7))
        places = [(self._x(index), str(index)) for index in range(1, count + 1, every)]
        chart_frame.paint_below(painter, plot, places, words=self.tr("step"))
        marked = self._hovered or self._current
        if marked:
            painter.setPen(QPen(palette.color(theme.MUTED_ROLE), 1, Qt.PenStyle.DashLine))
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
            chart_frame.point_at(plot, self._x(step.index), share)
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
