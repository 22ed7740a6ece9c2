"""Line charts as SVG, written by hand: no script, no file beside the page.

Every series has a colour and a mark of its own, so that colour alone never tells them apart; each point
has a title that browsers show and screen readers read.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 620, 330
LEFT, RIGHT, TOP, BOTTOM = 62, 16, 14, 48
# Okabe and Ito's colours, the light ones darkened for contrast of 3:1 on white.
COLOURS = ("#0072b2", "#c34e00", "#00805a", "#a8528a", "#3d3d3d", "#8a6d00", "#2f8fc4", "#7a1f3d")
MARKS = ("circle", "square", "triangle", "diamond", "cross", "down", "ring", "box")
MARK_PX = 4.2
MANY_POINTS = 12
# The vertical axis reaches this share of the means' range beyond them, for the bars.
ROOM = 0.3
# From this ratio of largest to smallest on, a logarithmic axis has ticks at 1, 2, 5 and their tens.
WIDE_RANGE = 2.5
INK, FAINT = "#5b6470", "#e4e7eb"


@dataclass(frozen=True, slots=True)
class Point:
    """A point; `spread` is half the height of its bar, 0 for none."""

    x: float
    y: float
    title: str
    spread: float = 0.0


@dataclass(frozen=True, slots=True)
class Series:
    """A line.

    Attributes:
        label: Its name.
        style: Number of its colour and mark; the same for one run in all charts.
        points: In drawing order.
    """

    label: str
    style: int
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart.

    Attributes:
        title: What it shows, for those who cannot see it.
        x_label: Below the horizontal axis.
        y_label: Beside the vertical axis.
        series: The lines.
        is_log_x: Horizontal axis in powers of ten.
        is_log_y: Vertical axis in powers of ten.
        starts_at_zero: The vertical axis includes 0.
        whole_x: Ticks of the horizontal axis are whole numbers.
    """

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    is_log_x: bool = False
    is_log_y: bool = False
    starts_at_zero: bool = True
    whole_x: bool = False


class _Scale:
    """From values to pixels along one axis."""

    def __init__(self, low: float, high: float, *, start_px: float, end_px: float, is_log: bool) -> None:
        self._log = is_log
        self.low, self.high = low, high
        self._start, self._end = start_px, end_px

    def __call__(self, value: float) -> float:
        low, high = self._of(self.low), self._of(self.high)
        share = (self._of(value) - low) / (high - low)
        return self._start + share * (self._end - self._start)

    def _of(self, value: float) -> float:
        return math.log10(max(value, 1e-12)) if self._log else value


def draw(chart: Chart, number: int) -> str:
    """The chart as an `<svg>` element; `number` makes its ids unique on the page."""
    points = [p for s in chart.series for p in s.points if math.isfinite(p.x) and math.isfinite(p.y)]
    if not points:
        return '<p class="note">Nothing to draw.</p>'
    x_ticks = _x_ticks(chart, points)
    y_ticks = _y_ticks(chart, points)
    across = _Scale(x_ticks[0], x_ticks[-1], start_px=LEFT, end_px=WIDTH - RIGHT, is_log=chart.is_log_x)
    up = _Scale(y_ticks[0], y_ticks[-1], start_px=HEIGHT - BOTTOM, end_px=TOP, is_log=chart.is_log_y)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="c{number}t c{number}d">',
        f'<title id="c{number}t">{html.escape(chart.title)}</title>',
        f'<desc id="c{number}d">{html.escape(_description(chart))}</desc>',
        *_axes(chart, across, up, x_ticks=x_ticks, y_ticks=y_ticks),
        f'<clipPath id="c{number}c"><rect x="{LEFT}" y="{TOP}" width="{WIDTH - LEFT - RIGHT}" '
        f'height="{HEIGHT - TOP - BOTTOM}"/></clipPath>',
        f'<g clip-path="url(#c{number}c)">{"".join(_bars(one, across, up) for one in chart.series)}</g>',
        *(_line(one, across, up) for one in chart.series),
        "</svg>",
    ]
    return "".join(parts)


def legend(series: Sequence[tuple[str, int]]) -> str:
    """A list of marks and names."""
    items = "".join(
        f'<li><svg viewBox="0 0 30 12" width="30" height="12" aria-hidden="true">'
        f'<line x1="1" x2="29" y1="6" y2="6" stroke="{colour_of(style)}" stroke-width="2"/>'
        f"{_mark(15, 6, style)}</svg>{html.escape(label)}</li>"
        for label, style in series
    )
    return f'<ul class="legend">{items}</ul>'


def colour_of(style: int) -> str:
    """Colour of a series."""
    return COLOURS[style % len(COLOURS)]


def nice_ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers from below `low` to above `high`."""
    if high - low < 1e-12:
        high = low + max(abs(low) * 0.1, 1e-6)
    raw = (high - low) / wanted
    size = 10 ** math.floor(math.log10(raw))
    step = next(factor * size for factor in (1, 2, 2.5, 5, 10) if factor * size >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [k * step for k in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2, 5 and their powers of ten from below `low` to above `high`."""
    ticks = [
        factor * 10.0**power
        for power in range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
        for factor in (1, 2, 5)
    ]
    first = max(k for k, tick in enumerate(ticks) if tick <= low * 1.0001)
    last = min(k for k, tick in enumerate(ticks) if tick >= high * 0.9999)
    return ticks[first : max(last, first + 1) + 1]


def number_text(value: float) -> str:
    """A tick's text."""
    return f"{value:.6g}" if abs(value) >= 1e-4 or value == 0 else f"{value:.1e}"


def _x_ticks(chart: Chart, points: Sequence[Point]) -> list[float]:
    low, high = min(p.x for p in points), max(p.x for p in points)
    if chart.is_log_x:
        return log_ticks(max(low, 1e-6), max(high, 1e-6))
    ticks = nice_ticks(low, high)
    if chart.whole_x:
        step = max(1, math.ceil((high - low) / 10))
        ticks = [float(k) for k in range(math.floor(low), math.ceil(high) + step, step)]
        ticks = ticks if len(ticks) > 1 else [ticks[0], ticks[0] + 1]
    return ticks


def _y_ticks(chart: Chart, points: Sequence[Point]) -> list[float]:
    """From the means, with some room for the bars of spread."""
    low, high = min(p.y for p in points), max(p.y for p in points)
    if chart.is_log_y and high > WIDE_RANGE * low:
        return log_ticks(max(low, 1e-6), max(high, 1e-6))
    if any(p.spread > 0 for p in points):
        room = ROOM * (high - low)
        low = max(low - room, min(p.y - p.spread for p in points))
        high = min(high + room, max(p.y + p.spread for p in points))
    ticks = nice_ticks(min(0.0, low) if chart.starts_at_zero else low, high)
    return [tick for tick in ticks if tick > 0] if chart.is_log_y else ticks


def _axes(
    chart: Chart, across: _Scale, up: _Scale, *, x_ticks: Sequence[float], y_ticks: Sequence[float]
) -> list[str]:
    bottom = HEIGHT - BOTTOM
    parts = []
    for tick in y_ticks:
        y = up(tick)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{FAINT}"/>')
        parts.append(
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" class="tick">{number_text(tick)}</text>'
        )
    every = max(1, math.ceil(len(x_ticks) / 11))
    for place, tick in enumerate(x_ticks):
        x = across(tick)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{bottom}" y2="{bottom + 5}" stroke="{INK}"/>')
        if place % every == 0:
            text = number_text(tick)
            parts.append(
                f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle" class="tick">{text}</text>'
            )
    parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{bottom}" y2="{bottom}" stroke="{INK}"/>')
    middle, centre = (LEFT + WIDTH - RIGHT) / 2, (TOP + bottom) / 2
    x_label, y_label = html.escape(chart.x_label), html.escape(chart.y_label)
    parts.append(f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle" class="axis">{x_label}</text>')
    parts.append(
        f'<text transform="translate(15 {centre}) rotate(-90)" text-anchor="middle" class="axis">'
        f"{y_label}</text>"
    )
    return parts


def _line(series: Series, across: _Scale, up: _Scale) -> str:
    colour = colour_of(series.style)
    points = [p for p in series.points if math.isfinite(p.x) and math.isfinite(p.y)]
    size = MARK_PX if len(points) <= MANY_POINTS else 0.65 * MARK_PX
    path = " ".join(f"{across(p.x):.1f},{up(p.y):.1f}" for p in points)
    parts = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" opacity=".85"/>']
    for point in points:
        x, y = across(point.x), up(point.y)
        title = html.escape(point.title)
        parts.append(f"<g>{_mark(x, y, series.style, size)}<title>{title}</title></g>")
    return "".join(parts)


def _bars(series: Series, across: _Scale, up: _Scale) -> str:
    """Bars of spread; those that leave the chart are cut."""
    colour = colour_of(series.style)
    return "".join(
        f'<line x1="{across(p.x):.1f}" x2="{across(p.x):.1f}" y1="{up(p.y + p.spread):.1f}" '
        f'y2="{up(p.y - p.spread):.1f}" stroke="{colour}" stroke-width="6" opacity=".22"/>'
        for p in series.points
        if p.spread > 0 and math.isfinite(p.spread) and math.isfinite(p.x) and math.isfinite(p.y)
    )


def _mark(x: float, y: float, style: int, r: float = MARK_PX) -> str:
    """The mark of a series around a point."""
    kind, colour = MARKS[style % len(MARKS)], colour_of(style)
    if kind in ("circle", "ring"):
        fill = colour if kind == "circle" else "#fff"
        return (
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r}" fill="{fill}" stroke="{colour}" stroke-width="1.5"/>'
        )
    if kind == "cross":
        path = f"M{x - r:.1f} {y - r:.1f}l{2 * r} {2 * r}m0 {-2 * r}l{-2 * r} {2 * r}"
        return f'<path d="{path}" stroke="{colour}" stroke-width="2.2" fill="none"/>'
    shapes = {
        "square": ((-1, -1), (1, -1), (1, 1), (-1, 1)),
        "box": ((-1, -1), (1, -1), (1, 1), (-1, 1)),
        "triangle": ((0, -1.2), (1.1, 0.9), (-1.1, 0.9)),
        "down": ((0, 1.2), (1.1, -0.9), (-1.1, -0.9)),
        "diamond": ((0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)),
    }
    corners = " ".join(f"{x + r * dx:.1f},{y + r * dy:.1f}" for dx, dy in shapes[kind])
    fill = "#fff" if kind == "box" else colour
    return f'<polygon points="{corners}" fill="{fill}" stroke="{colour}" stroke-width="1.5"/>'


def _description(chart: Chart) -> str:
    """The chart in words: where each line begins and ends."""
    parts = [f"{chart.y_label} against {chart.x_label}."]
    for series in chart.series:
        if series.points:
            parts.append(f"{series.label}: from {series.points[0].title} to {series.points[-1].title}.")
    return " ".join(parts)
