"""The steps of an inversion as one picture, side by side, or as an animation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from desktop_app.core.types import Image
from desktop_app.engine.image_tensor import resized_image

# Smallest side of a tile in the strip; smaller pictures are enlarged there, not in their own files.
TILE_PX = 128
GAP_PX = 4
# An animation stands still on every picture, longer on the first and last, and fades between them.
STILL_MS, LONG_MS, FADE_MS = 700, 1600, 60
FADES = 4
_LARGEST_FRAME_PX = 512
_SMALLEST_FRAME_PX = 256

Frames = list[tuple[Image, int]]


def strip(rows: Sequence[Sequence[Image | None]]) -> Image:
    """Pictures in rows and columns on white; None leaves a place empty."""
    first = next(picture for row in rows for picture in reversed(row) if picture is not None)
    factor = max(1.0, TILE_PX / first.shape[1])
    height, width = round(first.shape[0] * factor), round(first.shape[1] * factor)
    columns = max(len(row) for row in rows)
    sheet = np.full(
        (len(rows) * (height + GAP_PX) - GAP_PX, columns * (width + GAP_PX) - GAP_PX, 3), 255, dtype=np.uint8
    )
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            if picture is not None:
                top, left = i * (height + GAP_PX), j * (width + GAP_PX)
                tile = resized_image(picture, width_px=width, height_px=height)
                sheet[top : top + height, left : left + width] = tile
    return sheet


def animation(pictures: Sequence[Image]) -> Frames:
    """Frames that fade from picture to picture.

    Args:
        pictures: (H, W, 3) uint8 each, of any sizes; the last one says which shape the frames have.

    Returns:
        Frames of one size with the milliseconds that each is shown.
    """
    height, width = pictures[-1].shape[:2]
    factor = min(_LARGEST_FRAME_PX, max(_SMALLEST_FRAME_PX, width)) / width
    size = {"width_px": round(width * factor), "height_px": round(height * factor)}
    stills = [resized_image(picture, **size) for picture in pictures]
    frames: Frames = []
    for number, still in enumerate(stills):
        is_end = number in (0, len(stills) - 1)
        frames.append((still, LONG_MS if is_end else STILL_MS))
        for fade in range(1, FADES + 1) if number + 1 < len(stills) else ():
            share = fade / (FADES + 1)
            mixed = (1.0 - share) * still.astype(np.float32) + share * stills[number + 1]
            frames.append((np.rint(mixed).astype(np.uint8), FADE_MS))
    return frames
