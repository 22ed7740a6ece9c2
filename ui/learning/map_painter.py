"""Draws up to some hundred thousand points into a picture by arithmetic, within one frame."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ui.learning.map_colours import PackedArray

_OPAQUE = np.uint32(0xFF000000)
# Offsets of a disc and of its soft edge, by radius; the edge is mixed with the background.
_DISCS = {
    1: ((((0, 0), (0, 1), (1, 0), (1, 1))), ()),
    2: (
        ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0)),
        ((1, 1), (1, -1), (-1, 1), (-1, -1)),
    ),
    3: (
        tuple((x, y) for x in (-1, 0, 1) for y in (-1, 0, 1)),
        tuple((x, y) for x in (-2, 2) for y in (-1, 0, 1))
        + tuple((x, y) for y in (-2, 2) for x in (-1, 0, 1)),
    ),
    4: (
        tuple((x, y) for x in range(-3, 4) for y in range(-3, 4) if x * x + y * y <= 8),
        tuple((x, y) for x in range(-3, 4) for y in range(-3, 4) if 8 < x * x + y * y <= 11),
    ),
}
_MARGIN_PX = 4


def mixed(colours: PackedArray, background: int, *, share: float) -> PackedArray:
    """Packed colours, `share` of them over a background colour (0xRRGGBB)."""
    result = np.full(len(colours), _OPAQUE, dtype=np.uint32)
    weight = np.uint32(round(share * 256))
    rest = np.uint32(256) - weight
    for shift in (16, 8, 0):
        channel = (colours >> np.uint32(shift)) & np.uint32(0xFF)
        under = np.uint32(background >> shift & 0xFF)
        result |= ((channel * weight + under * rest) >> np.uint32(8)) << np.uint32(shift)
    return result


def radius_px(visible: int) -> int:
    """Size of a point: smaller where many are seen."""
    if visible > 30_000:
        return 1
    if visible > 8_000:
        return 2
    return 3 if visible > 2_500 else 4


def draw_points(
    x: npt.NDArray[np.int32],
    y: npt.NDArray[np.int32],
    colours: tuple[PackedArray, PackedArray],
    *,
    size_px: tuple[int, int],
    radius: int,
    background: int,
) -> PackedArray:
    """A picture of points.

    Args:
        x: (N,) pixel columns, inside the picture.
        y: (N,) pixel rows, inside the picture.
        colours: (N,) packed colours of discs, and of their soft edges.
        size_px: Width and height.
        radius: 1 to 4.
        background: 0xRRGGBB.

    Returns:
        (H, W) packed, opaque.
    """
    width, height = size_px
    # A margin all around keeps the offsets of a disc inside the array.
    row = width + 2 * _MARGIN_PX
    canvas = np.full(row * (height + 2 * _MARGIN_PX), np.uint32(background) | _OPAQUE, dtype=np.uint32)
    places = (y.astype(np.intp) + _MARGIN_PX) * row + (x + _MARGIN_PX)
    disc, edge = _DISCS[radius]
    for offsets, shades in ((edge, colours[1]), (disc, colours[0])):
        for dx, dy in offsets:
            canvas[places + (dy * row + dx)] = shades
    whole = canvas.reshape(height + 2 * _MARGIN_PX, row)
    return whole[_MARGIN_PX:-_MARGIN_PX, _MARGIN_PX:-_MARGIN_PX]


def inside_polygon(
    points: npt.NDArray[np.float32], polygon: npt.NDArray[np.float32]
) -> npt.NDArray[np.bool_]:
    """Which points lie in a closed polygon, by the even-odd rule: (N, 2), (K, 2) -> (N,)."""
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    near = np.flatnonzero(((points >= low) & (points <= high)).all(axis=1))
    x, y = points[near, 0], points[near, 1]
    is_in = np.zeros(len(near), dtype=np.bool_)
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if y0 == y1:
            continue
        crosses = (y0 > y) != (y1 > y)
        is_in ^= crosses & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    found = np.zeros(len(points), dtype=np.bool_)
    found[near[is_in]] = True
    return found
