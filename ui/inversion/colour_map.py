"""Colours of the change heat map: red where a step changed the picture most, blue where least."""

from __future__ import annotations

import numpy as np

from desktop_app.core.types import FloatArray, Image

# Position along the scale and its colour: blue, pale, red, of equal lightness at both ends.
_ANCHORS = (
    (0.00, (33, 62, 158)),
    (0.25, (92, 140, 214)),
    (0.50, (236, 234, 226)),
    (0.75, (232, 132, 92)),
    (1.00, (178, 16, 34)),
)
_LEVELS = 256


def _table() -> Image:
    positions = [position for position, _ in _ANCHORS]
    levels = np.linspace(0.0, 1.0, _LEVELS)
    channels = [np.interp(levels, positions, [colour[c] for _, colour in _ANCHORS]) for c in range(3)]
    return np.stack(channels, axis=1).round().astype(np.uint8)


_TABLE = _table()


def heat_image(change: FloatArray, *, peak: float) -> Image:
    """Colour a change map.

    The change is squared; its root is shown, so that a tenth of the strongest change is still seen.

    Args:
        change: (H, W) float32, squared change, at least 0.
        peak: The change that is shown in full red.

    Returns:
        (H, W, 3) uint8, RGB.
    """
    share = np.sqrt(np.clip(change / max(peak, 1e-12), 0.0, 1.0))
    return _TABLE[(share * (_LEVELS - 1)).round().astype(np.uint8)]


def legend_image(width_px: int, height_px: int) -> Image:
    """The scale from least (left) to most (right)."""
    line = _TABLE[np.linspace(0, _LEVELS - 1, width_px).round().astype(np.uint8)]
    return np.ascontiguousarray(np.broadcast_to(line, (height_px, width_px, 3)))
