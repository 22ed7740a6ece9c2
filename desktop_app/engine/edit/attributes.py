"""Properties of an aligned face that can be read off its pixels, to measure what an edit changes.

They assume the framing of FFHQ crops: the eyes at some 0.46 of the height, the mouth at some 0.73.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from desktop_app.core.types import Image


@dataclass(frozen=True, slots=True)
class Attribute:
    """A measurable property.

    Attributes:
        name: Key; also the name of the edit direction that changes it.
        label: For the user; a larger value has more of it.
        value: Reads it from an aligned face, (H, W, 3) uint8.
    """

    name: str
    label: str
    value: Callable[[Image], float]


def light_side(image: Image) -> float:
    """Brightness of the picture's right cheek and brow against the left ones."""
    gray = image.astype(np.float64).mean(axis=2) / 255
    height, width = gray.shape
    rows = slice(round(0.4 * height), round(0.75 * height))
    left = gray[rows, round(0.3 * width) : round(0.46 * width)].mean()
    right = gray[rows, round(0.54 * width) : round(0.7 * width)].mean()
    return float(right - left)


def background(image: Image) -> float:
    """Brightness of both upper corners."""
    height, width = image.shape[:2]
    top = image[: round(0.25 * height)].astype(np.float64).mean(axis=2) / 255
    side = round(0.15 * width)
    return float((top[:, :side].mean() + top[:, -side:].mean()) / 2)


def smile(image: Image) -> float:
    """Bright teeth: the brightest pixels of the mouth against the cheeks beside it."""
    gray = image.astype(np.float64).mean(axis=2) / 255
    height, width = gray.shape
    rows = slice(round(0.68 * height), round(0.8 * height))
    mouth = gray[rows, round(0.42 * width) : round(0.58 * width)]
    cheeks = gray[round(0.58 * height) : round(0.66 * height), round(0.32 * width) : round(0.68 * width)]
    return float(np.percentile(mouth, 95) - np.median(cheeks))


def warmth(image: Image) -> float:
    """Red against blue in the middle of the face."""
    height, width = image.shape[:2]
    face = image[round(0.4 * height) : round(0.75 * height), round(0.3 * width) : round(0.7 * width)]
    red, _, blue = face.reshape(-1, 3).mean(axis=0)
    return float((red - blue) / 255)


ATTRIBUTES = (
    Attribute("smile", "Smile that shows teeth", smile),
    Attribute("light", "Light from the right", light_side),
    Attribute("background", "Bright background", background),
    Attribute("warmth", "Warm colours", warmth),
)
