"""The errors of two runs in one diagram, over their steps or over time."""

from __future__ import annotations

import itertools
import math

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop_app.core.types import InversionStep
from ui import theme
from ui.inversion.change_chart import nice_top

_LEFT_PX, _RIGHT_PX, _TOP_PX, _BOTTOM_PX = 56, 44, 26, 34
_TICKS = 3
_DOT_PX = 2.5
_RING_PX = 4.5
_X_TICKS = 5


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
        self.setMinimumSize(240, 120)
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
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = painter.font()
        font.setPointSizeF(8)
        painter.setFont(font)
        everything = [step for run in self._runs for step in run]
        l2_top = nice_top(max((step.l2 for step in everything), default=0.1))
        change_top = nice_top(max((step.relative_change for step in everything), default=1.0))
        right = max((place for n in range(2) for place in self.places(n)), default=1.0)
        self._paint_axes(painter, (l2_top, change_top), right=right)
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
            QPointF(plot.left() + plot.width() * place / right, plot.bottom() - share * plot.height())
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
        plot, palette = self._plot(), self.palette()
        muted, line = palette.color(theme.MUTED_ROLE), palette.color(theme.BORDER_ROLE)
        middle = Qt.AlignmentFlag.AlignVCenter
        for tick in range(_TICKS + 1):
            share = tick / _TICKS
            y = plot.bottom() - share * plot.height()
            painter.setPen(QPen(line, 1))
            painter.drawLine(QPointF(plot.left(), y), QPointF(plot.right(), y))
            painter.setPen(muted)
            spot = QRectF(0, y - 9, _LEFT_PX - 6, 18)
            painter.drawText(spot, Qt.AlignmentFlag.AlignRight | middle, f"{share * tops[0]:.3g}")
            spot = QRectF(plot.right() + 6, y - 9, _RIGHT_PX - 6, 18)
            painter.drawText(spot, Qt.AlignmentFlag.AlignLeft | middle, f"{100 * share * tops[1]:.0f} %")
        for value in axis_values(right, whole=not self._is_over_time):
            x = plot.left() + plot.width() * value / right
            spot = QRectF(x - 25, plot.bottom() + 2, 50, 14)
            painter.drawText(spot, Qt.AlignmentFlag.AlignCenter, f"{value:.3g}")
        bottom = QRectF(plot.left(), plot.bottom() + 15, plot.width(), 16)
        words = self.tr("seconds") if self._is_over_time else self.tr("step")
        painter.drawText(bottom, Qt.AlignmentFlag.AlignCenter, words)
        head = QRectF(6, 3, self.width() - 12, 16)
        painter.drawText(head, Qt.AlignmentFlag.AlignLeft, self.tr("── L2 error"))
        painter.drawText(head, Qt.AlignmentFlag.AlignRight, self.tr("relative change ╌╌"))


def axis_values(right: float, *, whole: bool) -> list[float]:
    """Round values from 0 to the right end of an axis, about five.

    Args:
        right: The end, positive.
        whole: Only whole numbers.
    """
    step = nice_top(right / _X_TICKS)
    if whole:
        step = max(1.0, math.ceil(step))
    return [number * step for number in range(int(right / step + 1e-9) + 1)]
