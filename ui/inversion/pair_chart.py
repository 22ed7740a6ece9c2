"""The errors of two runs in one diagram, over their steps or over time."""

from __future__ import annotations

import itertools

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop_app.core.types import InversionStep
from ui.inversion import chart_frame

_LEFT_PX, _RIGHT_PX, _TOP_PX, _BOTTOM_PX = 56, 44, 26, 34
_TICKS = 3
_DOT_PX = 2.5
_RING_PX = 4.5


class PairChart(QWidget):
    """Full lines are the error (left axis), dashed ones the relative change (right axis).

    Args:
        colours: One for each run.
        parent: Qt owner.
    """

    def __init__(self, colours: tuple[QColor, QColor], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._colours = colours
        self._runs: tuple[tuple[InversionStep, ...], ...] = ((), ())
        self._is_over_time = False
        self.setMinimumSize(240, 100)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName(self.tr("Error and change of both runs"))

    def set_runs(self, first: tuple[InversionStep, ...], second: tuple[InversionStep, ...]) -> None:
        """Show the steps of both runs."""
        self._runs = (first, second)
        described = [
            self.tr("run {}: L2 {:.4f}").format(n + 1, r[-1].l2) for n, r in enumerate(self._runs) if r
        ]
        self.setAccessibleDescription("; ".join(described))
        self.update()

    def set_over_time(self, is_over_time: bool) -> None:
        """Draw over seconds instead of steps."""
        self._is_over_time = is_over_time
        self.update()

    def places(self, number: int) -> list[float]:
        """Where the steps of a run lie on the horizontal axis: step numbers, or seconds."""
        steps = self._runs[number]
        if not self._is_over_time:
            return [float(step.index) for step in steps]
        return list(itertools.accumulate(step.seconds for step in steps))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint axes and lines."""
        painter = QPainter(self)
        chart_frame.prepare(painter)
        tops = l2_top, change_top = chart_frame.tops_of(step for run in self._runs for step in run)
        right = max((place for n in range(2) for place in self.places(n)), default=1.0)
        self._paint_axes(painter, tops, right=right)
        for number, colour in enumerate(self._colours):
            steps, places = self._runs[number], self.places(number)
            ring = _DOT_PX if number else _RING_PX  # where both agree, both are seen
            faint = QColor(colour)
            faint.setAlphaF(0.75)
            changes = [step.relative_change / change_top for step in steps]
            dashed = QPen(faint, 1.5, Qt.PenStyle.DashLine)
            self._paint_line(painter, self._points(places, changes, right=right), dashed, dot_px=0)
            errors = [step.l2 / l2_top for step in steps]
            self._paint_line(painter, self._points(places, errors, right=right), QPen(colour, 2), dot_px=ring)
        painter.end()

    def _plot(self) -> QRectF:
        return QRectF(self.rect()).adjusted(_LEFT_PX, _TOP_PX, -_RIGHT_PX, -_BOTTOM_PX)

    def _points(self, places: list[float], shares: list[float], *, right: float) -> list[QPointF]:
        plot = self._plot()
        return [
            chart_frame.point_at(plot, plot.left() + plot.width() * place / right, share)
            for place, share in zip(places, shares, strict=True)
        ]

    def _paint_line(self, painter: QPainter, points: list[QPointF], pen: QPen, *, dot_px: float) -> None:
        painter.setPen(pen)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPolyline(QPolygonF(points))
        if not dot_px:
            return
        painter.setBrush(pen.color() if dot_px == _DOT_PX else Qt.BrushStyle.NoBrush)
        for point in points:
            painter.drawEllipse(point, dot_px, dot_px)

    def _paint_axes(self, painter: QPainter, tops: tuple[float, float], *, right: float) -> None:
        plot = self._plot()
        chart_frame.paint_scales(painter, plot, self.palette(), tops=tops, ticks=_TICKS)
        values = chart_frame.axis_values(right, whole=not self._is_over_time)
        places = [(plot.left() + plot.width() * value / right, f"{value:.3g}") for value in values]
        words = self.tr("seconds") if self._is_over_time else self.tr("step")
        chart_frame.paint_below(painter, plot, places, words=words)
        head = QRectF(6, 3, self.width() - 12, 16)
        painter.drawText(head, Qt.AlignmentFlag.AlignLeft, self.tr("── L2 error"))
        painter.drawText(head, Qt.AlignmentFlag.AlignRight, self.tr("relative change ╌╌"))
