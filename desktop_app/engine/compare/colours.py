"""Named colours of pictures, and which of them two pictures share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from desktop_app.core.types import Image

_SIDE_PX = 64
_LEAST_SHARE = 0.04
# Anchors in sRGB; a pixel takes the name of the nearest one in CIE L*a*b*.
NAMED = {
    "black": (20, 20, 22),
    "grey": (128, 128, 128),
    "white": (240, 240, 238),
    "red": (200, 35, 40),
    "dark red": (105, 25, 30),
    "orange": (235, 125, 35),
    "brown": (110, 72, 42),
    "beige": (215, 190, 155),
    "yellow": (240, 210, 60),
    "green": (70, 150, 60),
    "dark green": (35, 75, 40),
    "turquoise": (70, 180, 175),
    "light blue": (150, 195, 230),
    "blue": (45, 95, 190),
    "dark blue": (30, 40, 90),
    "violet": (115, 70, 160),
    "pink": (235, 150, 180),
}


@dataclass(frozen=True, slots=True)
class ColourShare:
    """A colour that two pictures share: its name, sRGB, and its share of each."""

    name: str
    rgb: tuple[int, int, int]
    first: float
    second: float


def shared_colours(first: Image, second: Image) -> tuple[ColourShare, ...]:
    """Colours that both pictures hold, what they share most first."""
    shares = [colour_shares(image) for image in (first, second)]
    common = np.minimum(shares[0], shares[1])
    found = []
    for number in np.argsort(-common, kind="stable").tolist():
        if common[number] < _LEAST_SHARE:
            break
        name = list(NAMED)[number]
        found.append(ColourShare(name, NAMED[name], float(shares[0][number]), float(shares[1][number])))
    return tuple(found)


def colour_shares(image: Image) -> npt.NDArray[np.float64]:
    """Share of each named colour, (len(NAMED),), summing to 1."""
    small = PillowImage.fromarray(image).resize((_SIDE_PX, _SIDE_PX), PillowImage.Resampling.BOX)
    pixels = to_lab(np.asarray(small).reshape(-1, 3))
    anchors = to_lab(np.array(list(NAMED.values()), dtype=np.uint8))
    distance = ((pixels[:, None] - anchors[None]) ** 2).sum(axis=2)
    counts = np.bincount(distance.argmin(axis=1), minlength=len(NAMED))
    return counts / counts.sum()


def to_lab(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """(N, 3) sRGB, 0 to 255 -> CIE L*a*b* (D65). Source: IEC 61966-2-1 and CIE 15."""
    value = rgb / 255.0
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = linear @ matrix.T / np.array([0.95047, 1.0, 1.08883])
    root = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    x, y, z = root.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)
