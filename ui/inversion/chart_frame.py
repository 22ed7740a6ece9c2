"""What the diagrams of errors over steps share: scales on both sides, ticks below, round numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPalette, QPen

from desktop_app.core.types import InversionStep
from ui import theme

_FONT_PT = 8
_GAP_PX = 6
_SIDE_PX, _TICK_PX = 46, 50
_X_TICKS = 5


def prepare(painter: QPainter) -> None:
    """Smooth lines and small writing."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    font = painter.font()
    font.setPointSizeF(_FONT_PT)
    painter.setFont(font)


def tops_of(steps: Iterable[InversionStep]) -> tuple[float, float]:
    """Upper ends of the scales of error and relative change."""
    known = list(steps)
    return (
        nice_top(max((step.l2 for step in known), default=0.1)),
        nice_top(max((step.relative_change for step in known), default=1.0)),
    )


def point_at(plot: QRectF, x: float, share: float) -> QPointF:
    """A value as a share of its scale, at a place of the window."""
    return QPointF(x, plot.bottom() - share * plot.height())


def paint_scales(
    painter: QPainter, plot: QRectF, palette: QPalette, *, tops: tuple[float, float], ticks: int
) -> None:
    """Lines across, errors written to the left and changes in percent to the right."""
    muted, line = palette.color(theme.MUTED_ROLE), palette.color(theme.BORDER_ROLE)
    middle = Qt.AlignmentFlag.AlignVCenter
    for tick in range(ticks + 1):
        share = tick / ticks
        y = plot.bottom() - share * plot.height()
        painter.setPen(QPen(line, 1))
        painter.drawLine(QPointF(plot.left(), y), QPointF(plot.right(), y))
        painter.setPen(muted)
        spot = QRectF(0, y - 9, plot.left() - _GAP_PX, 18)
        painter.drawText(spot, Qt.AlignmentFlag.AlignRight | middle, f"{share * tops[0]:.3g}")
        spot = QRectF(plot.right() + _GAP_PX, y - 9, _SIDE_PX, 18)
        painter.drawText(spot, Qt.AlignmentFlag.AlignLeft | middle, f"{100 * share * tops[1]:.0f} %")


def paint_below(painter: QPainter, plot: QRectF, ticks: Iterable[tuple[float, str]], *, words: str) -> None:
    """Texts below places of the horizontal axis, and what the axis means; in the colour that is set."""
    for x, text in ticks:
        spot = QRectF(x - _TICK_PX / 2, plot.bottom() + 2, _TICK_PX, 14)
        painter.drawText(spot, Qt.AlignmentFlag.AlignCenter, text)
    bottom = QRectF(plot.left(), plot.bottom() + 15, plot.width(), 16)
    painter.drawText(bottom, Qt.AlignmentFlag.AlignCenter, words)


def nice_top(value: float) -> float:
    """The next number at or above a value whose quarters are short too, for the top of an axis."""
    if value <= 0 or not math.isfinite(value):
        return 1.0
    magnitude = 10.0 ** math.floor(math.log10(value))
    for step in (1.0, 2.0, 4.0, 6.0, 8.0, 10.0):
        if value <= step * magnitude * (1 + 1e-9):
            return step * magnitude
    return 10.0 * magnitude


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
