"""Whether one photo is a part of another: the place and size, over all, at which it fits to the pixel.

Maps of an encoder are compared at one scale, so a copy that was cropped to its half looks foreign to them.
Here the supposed part slides over the other photo at all sizes (normalised correlation, mirrored too), and
the best few places are looked at closely: there fine structure has to agree, as only the same shot does.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from desktop_app.core.types import FloatArray, Image

# Longer side at which all sizes are tried, and at which the best are looked at closely.
_ROUGH_PX = 128
_FINE_PX = 288
# Sides of the part over those of the largest that fits: from 1 to the least, in steps that blur forgives.
_LEAST_SIDE = 0.2
_STEP = 1.05
_LOOKED_AT = 4
_CLOSER = (0.96, 0.98, 1.0, 1.02, 1.04)
_LEAST_ROUGH = 0.7
# Correlation of fine structure from which on it is the same shot; small parts agree by chance more often.
# Measured with `tests/benchmarks/parts_of_photos.py`.
_SAME_SHOT = 0.78
_SAME_SMALL_SHOT = 0.84
_SMALL = 0.15  # share of the area
# Levels of fine structure that a part must have to be told from others.
_LEAST_DETAIL = 1.0

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class PartOf:
    """Where a photo lies in another one.

    Attributes:
        box: Left, top, width and height as shares of the whole photo.
        is_mirrored: It lies there mirrored.
        agreement: Correlation of the fine structure, up to 1.
    """

    box: Box
    is_mirrored: bool
    agreement: float

    @property
    def area(self) -> float:
        """Share of the whole photo."""
        return self.box[2] * self.box[3]


def find_part(whole: Image, part: Image) -> PartOf | None:
    """Find a photo in another one.

    Args:
        whole: (H, W, 3) uint8.
        part: (H, W, 3) uint8, of any size: what is looked for.

    Returns:
        The place, or None where it is not a part.
    """
    gray, fine = _gray(whole, _ROUGH_PX), _gray(whole, _FINE_PX)
    own = _gray(part, _FINE_PX)
    if float(_detail(own).std()) < _LEAST_DETAIL:
        return None
    looks = {False: own, True: np.ascontiguousarray(own[:, ::-1])}
    rough = sorted(_rough_places(gray, looks), key=lambda place: -place.agreement)[:_LOOKED_AT]
    near = [place for place in rough if place.agreement >= _LEAST_ROUGH]
    close = [_closer(fine, looks[place.is_mirrored], place) for place in near]
    best = max(close, key=lambda place: place.agreement, default=None)
    if best is None:
        return None
    return best if best.agreement >= (_SAME_SMALL_SHOT if best.area < _SMALL else _SAME_SHOT) else None


def cut_out(whole: Image, part: PartOf) -> Image:
    """The pixels of the whole photo that the part shows, turned as the part is."""
    height, width = whole.shape[:2]
    left, top, across, down = part.box
    x, y = round(left * width), round(top * height)
    cut = whole[y : max(round((top + down) * height), y + 1), x : max(round((left + across) * width), x + 1)]
    return np.ascontiguousarray(cut[:, ::-1] if part.is_mirrored else cut)


def _rough_places(gray: FloatArray, looks: dict[bool, FloatArray]) -> list[PartOf]:
    """The best place for each size."""
    found = []
    share = 1.0
    while share >= _LEAST_SIDE:
        for is_mirrored, own in looks.items():
            fit = min(gray.shape[1] / own.shape[1], gray.shape[0] / own.shape[0]) * share
            small = _sized(own, (own.shape[1] * fit, own.shape[0] * fit), most=gray)
            score, x, y = _best_place(gray, small)
            found.append(PartOf(_shares(gray, (x, y, small.shape[1], small.shape[0])), is_mirrored, score))
        share /= _STEP
    return found


def _closer(fine: FloatArray, own: FloatArray, start: PartOf) -> PartOf:
    """The best place around a rough one, by fine structure alone."""
    height, width = fine.shape
    left, top, across, down = start.box
    detail = _detail(fine)
    found = [start.box]
    scores = [-1.0]
    for factor in _CLOSER:
        small = _sized(own, (across * width * factor, down * height * factor), most=fine)
        margin = 4 + round(0.03 * small.shape[1])
        rows = _span((top + down / 2) * height, small.shape[0], margin, within=height)
        columns = _span((left + across / 2) * width, small.shape[1], margin, within=width)
        score, x, y = _best_place(detail[rows, columns], _detail(small))
        scores.append(score)
        found.append(_shares(fine, (columns.start + x, rows.start + y, small.shape[1], small.shape[0])))
    best = int(np.argmax(scores))
    return PartOf(found[best], start.is_mirrored, scores[best])


def _span(middle: float, length: int, margin: int, *, within: int) -> slice:
    """A stretch around a middle that holds a length and a margin, inside a picture."""
    start = min(max(round(middle - length / 2) - margin, 0), within - length)
    return slice(start, min(start + length + 2 * margin, within))


def _best_place(picture: FloatArray, small: FloatArray) -> tuple[float, int, int]:
    scores = cv2.matchTemplate(picture, small, cv2.TM_CCOEFF_NORMED)
    scores[~np.isfinite(scores)] = -1.0
    _, score, _, (x, y) = cv2.minMaxLoc(scores)
    return float(score), int(x), int(y)


def _shares(picture: FloatArray, box_px: tuple[int, int, int, int]) -> Box:
    height, width = picture.shape
    left, top, across, down = box_px
    return left / width, top / height, across / width, down / height


def _detail(gray: FloatArray) -> FloatArray:
    """Structure of a few pixels, without light and shade and without the finest."""
    band: FloatArray = cv2.GaussianBlur(gray, (0, 0), 0.7) - cv2.GaussianBlur(gray, (0, 0), 4.0)
    return band


def _gray(image: Image, longest_px: int) -> FloatArray:
    """Grey levels, (h, w) float32, with this longer side; reduced before it is turned grey."""
    factor = longest_px / max(image.shape[:2])
    return cv2.cvtColor(
        _sized(image, (image.shape[1] * factor, image.shape[0] * factor)), cv2.COLOR_RGB2GRAY
    ).astype(np.float32)


def _sized(
    picture: FloatArray | Image, size: tuple[float, float], *, most: FloatArray | None = None
) -> FloatArray:
    """Resized to (width, height), at least 8 pixels, no larger than another picture."""
    width, height = (max(round(side), 8) for side in size)
    if most is not None:
        width, height = min(width, most.shape[1]), min(height, most.shape[0])
    way = cv2.INTER_AREA if width < picture.shape[1] else cv2.INTER_LINEAR
    sized: FloatArray = cv2.resize(picture, (width, height), interpolation=way)
    return sized
