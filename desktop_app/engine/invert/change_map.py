"""The change heat map: red where a step changed the picture most, blue where least."""

from __future__ import annotations

import numpy as np

from desktop_app.core.types import FloatArray, Image

# Position along the scale and its colour: blue, pale, red, of equal lightness at both ends; the
# same colours as in the window.
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


def colour_change_map(change: FloatArray, peak: float) -> Image:
    """Colour a change map.

    The change is squared; its root is shown, so that a tenth of the strongest change is still seen.

    Args:
        change: (H, W) float32, squared change, at least 0.
        peak: The change shown in full red; give all steps the same one to compare them.

    Returns:
        (H, W, 3) uint8, RGB.
    """
    if change.ndim != 2:
        raise ValueError(f"expected (H, W), got {change.shape}")
    share = np.sqrt(np.clip(change / max(peak, 1e-12), 0.0, 1.0))
    coloured: Image = _TABLE[(share * (_LEVELS - 1)).round().astype(np.uint8)]
    return coloured
