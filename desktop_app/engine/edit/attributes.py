"""Properties of an aligned face that can be read off its pixels, to measure what an edit changes.

They assume the framing of FFHQ crops: the eyes at some 0.46 of the height, the mouth at some 0.73.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from desktop_app.core.types import Image

_READ_PX = 128


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


def head_turn(image: Image) -> float:
    """How far the eyes lie to the right of the middle of the head, as a fraction of the side.

    The head's outline is found beside the cheeks; when a face turns, its eyes move within that outline.
    """
    small = _reduced(image)
    soft = cv2.GaussianBlur(small, (0, 0), 0.012 * _READ_PX)
    slope = np.abs(np.diff(soft, axis=1)).sum(axis=2)
    strength = slope[round(0.52 * _READ_PX) : round(0.78 * _READ_PX)].mean(axis=0)
    x = np.arange(1, _READ_PX) / _READ_PX - 0.5
    middle = 0.0
    for side in (-0.3, 0.3):
        weight = np.exp(-(((x - side) / 0.09) ** 2)) * (strength + 1e-6)
        middle += float((weight * x).sum() / weight.sum()) / 2
    return -middle


def glasses(image: Image) -> float:
    """Change of brightness down the bridge of the nose, where a frame crosses it."""
    bridge = _part(_reduced(image).mean(axis=2), (0.44, 0.54), (0.455, 0.545))
    return float(np.abs(np.diff(bridge, axis=0)).max(axis=0).mean() / 255)


def beard(image: Image) -> float:
    """Darkness of chin and upper lip against the cheeks."""
    gray = _gray(image)
    cheeks = _part(gray, (0.58, 0.64), (0.3, 0.7))
    hairy = (_part(gray, (0.8, 0.86), (0.42, 0.58)), _part(gray, (0.66, 0.69), (0.42, 0.58)))
    return float(np.median(cheeks) - np.median(np.concatenate([part.ravel() for part in hairy])))


def light_hair(image: Image) -> float:
    """Brightness above the forehead against the cheeks: dark hair to light hair or none."""
    gray = _gray(image)
    above = _part(gray, (0.1, 0.2), (0.35, 0.65))
    return float(np.median(above) - np.median(_part(gray, (0.58, 0.66), (0.32, 0.68))))


def brightness(image: Image) -> float:
    """Brightness of the face."""
    return float(np.median(_part(_gray(image), (0.3, 0.75), (0.3, 0.7))))


def contrast(image: Image) -> float:
    """Spread of brightness over the face."""
    return float(_part(_gray(image), (0.3, 0.8), (0.28, 0.72)).std())


def colourfulness(image: Image) -> float:
    """Mean distance of the colours from grey, in Lab units."""
    lab = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2LAB).astype(np.float64) - 128.0
    return float(np.hypot(lab[..., 1], lab[..., 2]).mean())


def light_clothes(image: Image) -> float:
    """Brightness of both lower corners."""
    gray = _gray(image)
    corners = (_part(gray, (0.93, 1.0), (0.05, 0.3)), _part(gray, (0.93, 1.0), (0.7, 0.95)))
    return float(np.concatenate([corner.ravel() for corner in corners]).mean())


def _gray(image: Image) -> npt.NDArray[np.float64]:
    mean: npt.NDArray[np.float64] = image.astype(np.float64).mean(axis=2) / 255
    return mean


def _reduced(image: Image) -> npt.NDArray[np.float32]:
    """At one size, so that fine rules read large and small pictures alike."""
    size = (_READ_PX, _READ_PX)
    same = image.shape[:2] == size
    small = image if same else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.float32)


def _part(plane: np.ndarray, rows: tuple[float, float], columns: tuple[float, float]) -> np.ndarray:
    """A part given by fractions of the sides, at least one pixel."""
    height, width = plane.shape[:2]
    top, left = round(rows[0] * height), round(columns[0] * width)
    bottom, right = max(round(rows[1] * height), top + 1), max(round(columns[1] * width), left + 1)
    return plane[top:bottom, left:right]


ATTRIBUTES = (
    Attribute("smile", "Smile that shows teeth", smile),
    Attribute("turn", "Head turned right", head_turn),
    Attribute("glasses", "Glasses", glasses),
    Attribute("beard", "Beard or shade", beard),
    Attribute("hair", "Light hair or bald", light_hair),
    Attribute("light", "Light from the right", light_side),
    Attribute("brightness", "Bright face", brightness),
    Attribute("contrast", "Strong contrast", contrast),
    Attribute("background", "Bright background", background),
    Attribute("clothes", "Light clothes", light_clothes),
    Attribute("warmth", "Warm colours", warmth),
    Attribute("colour", "Vivid colours", colourfulness),
)
